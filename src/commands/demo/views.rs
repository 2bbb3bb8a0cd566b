//! Pictures as points: their pixels, what the encoder says of them, their latents.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use burn::prelude::*;
use svg_dino::Dino;
use svg_image::{Filter, Images, RgbImage, Signed, resize};
use svg_model::SvgAutoencoder;

use super::stages::Setup;
use crate::commands::pictures::PictureBatch;

/// Pixels are compared at this side, at most: more would be more numbers and no other answer.
const PIXELS: u32 = 32;

/// One vector for each picture, in three views.
pub struct Views {
    /// `[pictures, 3 side side]`
    pub pixels: Tensor<2>,
    /// The mean patch token, `[pictures, channels]`.
    pub encoder: Tensor<2>,
    /// The mean latent, `[pictures, channels]`.
    pub latents: Tensor<2>,
    /// Classes by number.
    pub labels: Vec<usize>,
}

impl Views {
    /// Those of so many pictures of a set, evenly spread. `space` has its latent statistics.
    pub fn gather(
        setup: &Setup,
        space: &SvgAutoencoder<Dino>,
        paths: &[PathBuf],
        limit: usize,
        what: &str,
    ) -> Result<Self> {
        let statistics = space.latent_statistics();
        let statistics = statistics.context("the latents have no statistics")?;
        let [mut pixels, mut encoder, mut latents] = [const { Vec::new() }; 3];
        let mut labels = Vec::new();
        let channels = setup.encoder.config().d_model;
        let pictures = setup.pictures(paths, limit, space);
        let size = pictures.size_for(space)?;
        pictures.for_each_batch(size, what, &setup.device, |batch: PictureBatch| {
            setup.interrupt.check()?;
            for name in &batch.names {
                labels.push(label(name, &setup.data.classes)?);
            }
            pixels.push(small(&batch.crops, &setup.device));
            let features = space.encoder.features(batch.images); // [batch, tokens, channels]
            let mean = |tokens: Tensor<3>| tokens.mean_dim(1).squeeze_dim::<2>(1);
            encoder.push(mean(features.clone().narrow(2, 0, channels)));
            latents.push(mean(statistics.normalise(features)));
            Ok(())
        })?;
        Ok(Self {
            pixels: Tensor::cat(pixels, 0),
            encoder: Tensor::cat(encoder, 0),
            latents: Tensor::cat(latents, 0),
            labels,
        })
    }
}

/// A class by the folder of a picture.
fn label(name: &str, classes: &[String]) -> Result<usize> {
    let folder = Path::new(name).parent().and_then(Path::file_name);
    let folder = folder.and_then(|folder| folder.to_str());
    let class = classes
        .iter()
        .position(|class| Some(class.as_str()) == folder);
    class.with_context(|| format!("{name} lies in the folder of no class"))
}

/// `[batch, 3 side side]`
fn small(crops: &[RgbImage], device: &Device) -> Tensor<2> {
    let shrink = |crop: &RgbImage| match crop.width() > PIXELS {
        true => resize(crop, PIXELS, PIXELS, Filter::Box),
        false => crop.clone(),
    };
    let crops: Vec<_> = crops.iter().map(shrink).collect();
    let images = Images::<Signed>::from_rgb(&crops, device).into_tensor();
    images.flatten(1, 3)
}
