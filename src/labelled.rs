//! Pictures with their classes, and one vector for each.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use burn::prelude::*;
use svg_image::{ImageSet, Loader, RgbImage, adm_crop};
use svg_roles::Embedding;
use svg_train::data::{Batches, Broken, Classes};

use crate::commands::checks::check_batch;
use crate::commands::pictures::ReadingOptions;
use crate::progress::image_bar;

/// A set of pictures in folders of classes, or the first of each class.
pub struct Labelled {
    pub set: Arc<ImageSet>,
    /// The numbers of the pictures in the set.
    pub order: Vec<usize>,
    /// The class of each, as a place among the names.
    pub labels: Vec<usize>,
    /// The classes of the whole set, in the order of their labels.
    pub names: Vec<String>,
}

impl Labelled {
    /// The pictures of these paths; of each class the first `limit`, if there is one.
    pub fn open(paths: &[PathBuf], reading: ReadingOptions, limit: Option<usize>) -> Result<Self> {
        let set = reading.open_classes(paths)?;
        let classes = Classes::of(&set)?;
        let mut taken = vec![0; classes.names.len()];
        let mut order = Vec::new();
        for (index, &label) in classes.labels.iter().enumerate() {
            if limit.is_none_or(|limit| taken[label] < limit) {
                taken[label] += 1;
                order.push(index);
            }
        }
        Ok(Self {
            labels: order.iter().map(|&index| classes.labels[index]).collect(),
            names: classes.names,
            set,
            order,
        })
    }

    /// Number of pictures that are taken.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// The embeddings of the pictures, in their order.
    ///
    /// They are cropped to `size` and embedded `batch` at a time, with a progress bar that says `what`. One
    /// that cannot be read is an error and not skipped: each must stay beside its class.
    ///
    /// # Shapes
    ///
    /// - output: `[pictures, channels]`
    pub fn pooled(
        &self,
        size: u32,
        batch: usize,
        what: &str,
        device: &Device,
        embedding: &dyn Embedding,
    ) -> Result<Tensor<2>> {
        ensure!(self.len() > 0, "{what}: there are no pictures");
        check_batch(self.len().min(batch), size, device)?;
        let bar = image_bar(self.len(), what);
        let crop = move |image: RgbImage| adm_crop(&image, size);
        let (set, order) = (Arc::clone(&self.set), self.order.clone());
        let loader = Loader::in_order(set, order, crop, 0);
        let mut parts = Vec::new();
        for batch in Batches::new(loader, batch.max(1), Broken::Strict) {
            let batch =
                batch.context("all pictures are needed, so take out those that are broken")?;
            parts.push(embedding.embed(batch.to_tensor(device)));
            bar.inc(batch.images.len() as u64);
        }
        bar.finish_and_clear();
        let features = Tensor::cat(parts, 0);
        ensure!(
            features.clone().is_finite().all().into_scalar::<bool>(),
            "{what}: some features are infinite or no numbers; look at the encoder's weights, or try another \
             device"
        );
        Ok(features)
    }
}
