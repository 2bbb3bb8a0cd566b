//! What can be asked before the work begins, so that hours of it do not end at a typo.

use std::path::Path;

use anyhow::{Result, bail, ensure};
use burn::prelude::*;
use svg_nn::not_finite;

use crate::gathered::numbers;

/// Whether all numbers that came out are finite: as pixels, others would be black.
pub fn check_finite<const D: usize>(tensor: &Tensor<D>, what: &str) -> Result<()> {
    let found = not_finite(&numbers(tensor.clone())?);
    let advice = "nothing is written of them. Weights are checked when they are loaded, so a layer overflowed: use \
                  --dtype f32 if it was less, and other weights or data if it was not";
    found.map_or(Ok(()), |found| bail!("{found} in {what}; {advice}"))
}

/// Whether an image side consists of whole patches.
pub fn check_size(size: u32, patch: usize) -> Result<()> {
    let patch = patch as u32;
    if size == 0 || !size.is_multiple_of(patch) {
        let below = (size / patch).max(1) * patch;
        bail!("--size {size} is no multiple of the patch size {patch}; try {below}");
    }
    Ok(())
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
