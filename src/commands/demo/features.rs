//! What the frozen encoder and the residual one see, as colours.

use std::path::{Path, PathBuf};

use anyhow::Result;
use svg_image::{grid, save_png};
use svg_model::Normalised;
use svg_roles::{Draw, LatentSpace};

use super::stages::Setup;
use crate::gathered::numbers;
use crate::pca;

/// Pictures that colours are fitted to, and those of them that are shown.
const FITTED: usize = 100;
const SHOWN: usize = 20;
/// Triples in a row of the sheet.
const COLUMNS: usize = 5;

pub fn path(out: &Path) -> PathBuf {
    out.join("features.png")
}

/// Draws held-out pictures, each with the three main directions of its semantic and of its residual
/// channels beside it.
pub fn draw(setup: &Setup, space: &Normalised, out: &Path, what: &str) -> Result<()> {
    let semantic = setup.encoder.encoder.spec().channels;
    let ranges = [0..semantic, semantic..space.geometry().channels];
    // Fewer than three channels are no three colours.
    let ranges = ranges.into_iter().filter(|channels| channels.len() >= 3);
    let mut parts: Vec<_> = ranges.map(|of| (of, Vec::new())).collect();
    let mut crops = Vec::new();
    setup.for_each_batch(&setup.data.test, FITTED, space, what, |batch, images| {
        let features = space.features().encode(images, Draw::Mode);
        for (of, part) in &mut parts {
            let own = features.clone().narrow(2, of.start, of.len());
            part.extend(numbers(own)?);
        }
        crops.extend(batch.images);
        Ok(())
    })?;
    let grid_of_tokens = space.geometry().grid();
    let colours = parts
        .iter()
        .map(|(of, part)| pca::pictures(part, of.len(), grid_of_tokens));
    let colours = colours.collect::<Result<Vec<_>>>()?;
    let step = crops.len().div_ceil(SHOWN);
    let cells = (0..crops.len()).step_by(step).map(|place| {
        let crop = &crops[place];
        let beside = colours.iter().map(|part| pca::enlarged(&part[place], crop));
        let cell: Vec<_> = [crop.clone()].into_iter().chain(beside).collect();
        grid(&cell, cell.len(), 0)
    });
    let sheet = grid(&cells.collect::<Vec<_>>(), COLUMNS, 6);
    let note = "held-out pictures, their semantic and their residual channels as colours";
    Ok(save_png(&sheet, path(out), &[("Comment", note)])?)
}
