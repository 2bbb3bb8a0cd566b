//! One vector for each picture of a set.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use burn::prelude::*;
use svg_image::{DecodeOptions, ImageSet, Loader, RgbImage, adm_crop};
use svg_train::data::{Batches, Broken};

use crate::progress::image_bar;

/// What `encode` makes of the pictures of a set that are numbered in `order`, in that order.
///
/// Pictures are cropped to `size` and encoded `batch` at a time, with a progress bar that says `what`. One
/// that cannot be read is an error and not skipped: each must stay beside its class.
///
/// # Shapes
///
/// - what `encode` is given: `[batch, 3, size, size]` in [-1, 1]
/// - what it returns: `[batch, channels]`
/// - output: `[pictures, channels]`
pub fn pooled(
    set: &Arc<ImageSet>,
    order: &[usize],
    size: u32,
    batch: usize,
    what: &str,
    device: &Device,
    mut encode: impl FnMut(Tensor<4>) -> Tensor<2>,
) -> Result<Tensor<2>> {
    if order.is_empty() {
        bail!("{what}: there are no pictures");
    }
    let bar = image_bar(order.len(), what);
    let crop = move |image: RgbImage| adm_crop(&image, size);
    let set = Arc::clone(set);
    let loader = Loader::in_order(set, order.to_vec(), DecodeOptions::default(), crop, 0);
    let mut parts = Vec::new();
    for batch in Batches::new(loader, batch.max(1), Broken::Strict) {
        let batch = batch.context("all pictures are needed, so take out those that are broken")?;
        parts.push(encode(batch.to_tensor(device)));
        bar.inc(batch.images.len() as u64);
    }
    bar.finish_and_clear();
    let features = Tensor::cat(parts, 0);
    if !features.clone().is_finite().all().into_scalar::<bool>() {
        bail!(
            "{what}: some features are infinite or no numbers; look at the encoder's weights, or try another \
             device"
        );
    }
    Ok(features)
}
