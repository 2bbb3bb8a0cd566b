//! What the frozen encoder and the residual one see, as colours.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use burn::prelude::*;
use image::imageops::{self, FilterType};
use svg_image::{RgbImage, grid, save_png};
use svg_model::Normalised;
use svg_roles::{Draw, LatentSpace};

use super::stages::Setup;
use crate::commands::pictures::PictureBatch;
use crate::pca::Pca;

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
    let semantic = setup.encoder.spec().channels;
    let mut parts = [
        Part::of(semantic),
        Part::of(space.geometry().channels - semantic),
    ];
    let mut crops = Vec::new();
    let pictures = setup.pictures(&setup.data.test, FITTED, space.geometry());
    let size = pictures.size_for(space.geometry())?;
    pictures.for_each_batch(size, what, &setup.device, |batch: PictureBatch| {
        setup.interrupt.check()?;
        let features = space.features().encode(batch.images, Draw::Mode);
        let [_, _, channels] = features.dims();
        parts[0].push(features.clone().narrow(2, 0, semantic))?;
        if channels > semantic {
            parts[1].push(features.narrow(2, semantic, channels - semantic))?;
        }
        crops.extend(batch.crops);
        Ok(())
    })?;
    let sides = space.geometry().grid_of([size as usize; 2]);
    let colours = parts
        .iter()
        .filter_map(|part| part.pictures(sides).transpose());
    let colours: Vec<_> = colours.collect::<Result<_>>()?;
    let step = crops.len().div_ceil(SHOWN);
    let cells = (0..crops.len()).step_by(step).map(|place| {
        let mut cell = vec![crops[place].clone()];
        let enlarged = |small: &RgbImage| {
            let (width, height) = crops[place].dimensions();
            imageops::resize(small, width, height, FilterType::Nearest)
        };
        cell.extend(colours.iter().map(|of_part| enlarged(&of_part[place])));
        grid(&cell, cell.len(), 0)
    });
    let sheet = grid(&cells.collect::<Vec<_>>(), COLUMNS, 6);
    let note = "held-out pictures, their semantic and their residual channels as colours";
    save_png(&sheet, path(out), &[("Comment", note)])
        .with_context(|| format!("{} cannot be written", path(out).display()))
}

/// Some of the channels of many tokens.
struct Part {
    channels: usize,
    numbers: Vec<f32>,
}

impl Part {
    fn of(channels: usize) -> Self {
        Self {
            channels,
            numbers: Vec::new(),
        }
    }

    fn push(&mut self, tokens: Tensor<3>) -> Result<()> {
        let data = tokens.into_data().convert::<f32>();
        let numbers = data.try_into_vec::<f32>();
        self.numbers
            .extend(numbers.map_err(|error| anyhow!("{error:?}"))?);
        Ok(())
    }

    /// A pixel for each token; `None` for channels too few to be three colours.
    fn pictures(&self, sides: [usize; 2]) -> Result<Option<Vec<RgbImage>>> {
        if self.channels < 3 || self.numbers.is_empty() {
            return Ok(None);
        }
        let pca = Pca::fit(&self.numbers, self.channels)?;
        let each = self
            .numbers
            .chunks_exact(sides[0] * sides[1] * self.channels);
        Ok(Some(
            each.map(|tokens| pca.picture(tokens, sides)).collect(),
        ))
    }
}
