//! What can be asked before the work begins, so that hours of it do not end at a typo.

use std::path::Path;

use anyhow::{Result, bail, ensure};
use burn::prelude::*;
use svg_nn::{beyond_memory, not_finite};
use svg_roles::LatentSpace;

use crate::gathered::numbers;
use crate::ranges::PIXELS;

/// Whether all numbers that came out are finite: as pixels, others would be black.
pub fn check_finite<const D: usize>(tensor: &Tensor<D>, what: &str) -> Result<()> {
    let found = not_finite(&numbers(tensor.clone())?);
    let advice = "nothing is written of them. Weights are checked when they are loaded, so a layer overflowed: use \
                  --dtype f32 if it was less, and other weights or data if it was not";
    found.map_or(Ok(()), |found| bail!("{found} in {what}; {advice}"))
}

/// Whether an image side consists of whole patches.
pub fn check_size(size: u32, patch: usize) -> Result<()> {
    ensure!(
        PIXELS.contains(&size),
        "--size {size}: pictures have sides of {} to {} pixels here",
        PIXELS.start(),
        PIXELS.end()
    );
    let patch = patch.max(1) as u32;
    if !size.is_multiple_of(patch) {
        let below = (size / patch).max(1) * patch;
        bail!("--size {size} is no multiple of the patch size {patch}; try {below}");
    }
    Ok(())
}

/// Whether images of that size have enough tokens for the statistics of a batch, where a space goes by those.
pub fn check_tokens(space: &dyn LatentSpace, size: u32) -> Result<()> {
    let tokens = space.geometry().at([size as usize; 2]).tokens();
    ensure!(
        tokens > 1 || !space.depends_on_batch(),
        "--size {size} makes one token, and the statistics of a batch need two; name a larger --size, or freeze the \
         alignment with `svg align-stats`"
    );
    Ok(())
}

/// Bytes of a pixel on its way into a network, at least: decoded, cropped, as numbers of three channels twice, and as
/// tokens of six numbers.
const PIXEL: f64 = 3.0 + 3.0 + 24.0 + 24.0;

/// Whether the machine's memory can hold so many images of that size at once.
pub fn check_batch(images: usize, size: u32, device: &Device) -> Result<()> {
    let bytes = PIXEL * images as f64 * f64::from(size) * f64::from(size);
    let what = format!("a batch of {images} images of {size} x {size} pixels");
    let problem = beyond_memory(device, &what, bytes);
    problem.map_or(Ok(()), |problem| {
        bail!("{problem}; lower --batch or --size")
    })
}

/// Whether the name of a file that is to be written ends so.
pub fn check_ending(out: &Path, ending: &str) -> Result<()> {
    ensure!(
        out.extension().is_some_and(|found| found == ending),
        "--out {}: name a .{ending} file",
        out.display()
    );
    Ok(())
}

/// Whether an export can have that name: of the one format that we write.
pub fn check_export(path: &Path) -> Result<()> {
    ensure!(
        path.extension()
            .is_some_and(|ending| ending == "safetensors"),
        "--out {}: files of torch.save are read but not written; name a .safetensors file",
        path.display()
    );
    Ok(())
}
