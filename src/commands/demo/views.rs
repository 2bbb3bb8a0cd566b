//! Pictures as points: their pixels, what the encoder says of them, their latents.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use burn::prelude::*;
use burn::tensor::module::adaptive_avg_pool2d;
use svg_image::{Filter, RgbImage, resize};
use svg_model::{Normalised, gaussian};
use svg_report::tsne;
use svg_roles::{Draw, Images, LatentSpace, Signed};
use svg_train::autoencoder::spread;

use super::stages::Setup;
use crate::gathered::numbers;

/// Pixels are compared at this side, at most: more would be more numbers and no other answer.
const PIXELS: u32 = 32;

/// Tokens are averaged over cells of a grid of so many to a side, at most.
const CELLS: usize = 4;

/// Of the t-SNE.
const PERPLEXITY: f64 = 30.0;

/// One vector for each picture, in four views.
pub struct Views {
    /// `[pictures, 3 side side]`
    pub pixels: Tensor<2>,
    /// What the encoder says of the whole picture, `[pictures, channels]`.
    pub class_token: Tensor<2>,
    /// Its patch tokens side by side, `[pictures, cells channels]`.
    pub patches: Tensor<2>,
    /// The latents side by side, `[pictures, cells channels]`.
    pub latents: Tensor<2>,
    pub labels: Vec<usize>,
}

impl Views {
    /// Those of so many pictures of a set, evenly spread. `space` has its latent statistics.
    pub fn gather(
        setup: &Setup,
        space: &Normalised,
        paths: &[PathBuf],
        limit: usize,
        what: &str,
    ) -> Result<Self> {
        let [mut pixels, mut class_token, mut patches, mut latents] = [const { Vec::new() }; 4];
        let mut labels = Vec::new();
        setup.for_each_batch(paths, limit, space, what, |batch, images| {
            for name in &batch.names {
                labels.push(label(name, &setup.data.classes)?);
            }
            pixels.push(small(&batch.images, &setup.device));
            let tokens = setup.encoder.encoder.tokens(images.clone());
            class_token.push(tokens.summary.context("the encoder has no class token")?);
            patches.push(side_by_side(tokens.patches, tokens.grid));
            latents.push(side_by_side(space.encode(images, Draw::Mode), tokens.grid));
            Ok(())
        })?;
        Ok(Self {
            pixels: Tensor::cat(pixels, 0),
            class_token: Tensor::cat(class_token, 0),
            patches: Tensor::cat(patches, 0),
            latents: Tensor::cat(latents, 0),
            labels,
        })
    }
}

/// `[batch, tokens, channels]` to `[batch, cells channels]`.
fn side_by_side(tokens: Tensor<3>, [rows, columns]: [usize; 2]) -> Tensor<2> {
    let [batch, _, channels] = tokens.dims();
    if rows.max(columns) <= CELLS {
        return tokens.flatten(1, 2);
    }
    let grid = tokens
        .swap_dims(1, 2)
        .reshape([batch, channels, rows, columns]);
    adaptive_avg_pool2d(grid, [rows.min(CELLS), columns.min(CELLS)]).flatten(1, 3)
}

/// A class by the folder of a picture.
pub fn label(name: &str, classes: &[String]) -> Result<usize> {
    let folder = Path::new(name).parent().and_then(Path::file_name);
    let folder = folder.and_then(|folder| folder.to_str());
    let mut classes = classes.iter();
    let class = classes.position(|class| Some(class.as_str()) == folder);
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

/// So many rows, evenly spread.
pub fn some(view: &Tensor<2>, count: usize) -> Tensor<2> {
    let [rows, _] = view.dims();
    let places = spread(rows, count).into_iter().map(|place| place as i64);
    let places = Tensor::from_data(&*places.collect::<Vec<_>>(), &view.device());
    view.clone().select(0, places)
}

/// The plane of the t-SNE of a view: x, y and class of so many rows, at most, evenly spread.
pub fn plane(
    view: &Tensor<2>,
    labels: &[usize],
    most: usize,
    seed: u64,
) -> Result<Vec<(f64, f64, usize)>> {
    let places = spread(labels.len(), most);
    let view = some(view, places.len());
    let [_, channels] = view.dims();
    let points = numbers(view)?;
    let points: Vec<Vec<f32>> = points.chunks(channels).map(<[f32]>::to_vec).collect();
    let start = gaussian(seed, 0, 0, 2 * points.len());
    let plane = tsne(&points, PERPLEXITY, &start);
    let labels = places.iter().map(|&place| labels[place]);
    let dots = plane.into_iter().zip(labels);
    Ok(dots.map(|([x, y], class)| (x, y, class)).collect())
}
