//! Latents of pictures that are encoded as they come.

use std::sync::Arc;

use burn::prelude::*;
use svg_image::ImageSet;
use svg_model::{FeatureEncoder, Grid, LatentSpace, SvgAutoencoder};

use crate::TrainError;
use crate::data::{Classes, Fingerprint, Recipe, Stream};
use crate::flow::{LatentBatch, LatentSource};

/// A set of pictures, encoded by a frozen autoencoder whenever they are asked for.
pub struct OnlineLatents<E: FeatureEncoder> {
    set: Arc<ImageSet>,
    recipe: Recipe,
    space: SvgAutoencoder<E>,
    workers: usize,
    device: Device,
    fingerprint: Fingerprint,
    classes: Classes,
    stream: Option<(Place, Stream)>,
    /// Whether it was said that pictures are smaller than the crop.
    smaller_said: bool,
}

/// Where a stream stands.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Place {
    seed: u64,
    cursor: u64,
    size: usize,
}

impl<E: FeatureEncoder> OnlineLatents<E> {
    /// The latents of `set`, cut by `recipe`. `space` has its latent statistics; `workers` threads decode,
    /// 0 for as many as the machine runs at once.
    ///
    /// # Errors
    ///
    /// [`TrainError::Unfit`] if images of the recipe's size have another grid than the space, and
    /// [`TrainError::Data`] if a picture lies in no folder, which would be its class.
    pub fn new(
        set: Arc<ImageSet>,
        recipe: Recipe,
        space: SvgAutoencoder<E>,
        workers: usize,
        device: &Device,
    ) -> Result<Self, TrainError> {
        let (side, Grid { rows, columns, .. }) = (recipe.size as usize, space.grid());
        let patch = space.encoder.semantic.patch_size();
        if (rows * patch, columns * patch) != (side, side) {
            return Err(TrainError::Unfit {
                reason: format!(
                    "data.size is {side}, but the bundle was made for images of {} x {}, {rows} x \
                     {columns} tokens; set data.size to {}",
                    rows * patch,
                    columns * patch,
                    rows * patch
                ),
            });
        }
        Ok(Self {
            fingerprint: Fingerprint::of(&set)?,
            classes: Classes::of(&set)?,
            set,
            recipe,
            space,
            workers,
            device: device.clone().without_autodiff(),
            stream: None,
            smaller_said: false,
        })
    }

    fn stream(&self, place: Place) -> Stream {
        let Place { seed, cursor, size } = place;
        let (set, recipe) = (self.set.clone(), self.recipe.clone());
        Stream::new(set, recipe, seed, cursor, size, self.workers)
    }
}

impl<E: FeatureEncoder> LatentSource for OnlineLatents<E> {
    fn batch(&mut self, seed: u64, cursor: u64, size: usize) -> Result<LatentBatch, TrainError> {
        let place = Place { seed, cursor, size };
        let mut stream = match self.stream.take() {
            Some((at, stream)) if at == place => stream,
            _ => self.stream(place),
        };
        let batch = stream.next_batch()?;
        let cursor_after = batch.cursor_after;
        let after = Place {
            cursor: cursor_after,
            ..place
        };
        self.stream = Some((after, stream));
        let skipped = batch.errors.iter().map(|error| format!("skipped: {error}"));
        let mut remarks: Vec<_> = skipped.collect();
        if batch.enlarged > 0 && !self.smaller_said {
            self.smaller_said = true;
            remarks.push(self.recipe.enlarging());
        }
        let labels = batch
            .indices
            .iter()
            .map(|&index| self.classes.labels[index]);
        Ok(LatentBatch {
            latents: self.space.encode(batch.to_tensor(&self.device)),
            labels: labels.collect(),
            cursor_after,
            remarks,
        })
    }

    fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    fn classes(&self) -> &[String] {
        &self.classes.names
    }

    fn kind(&self) -> String {
        "pictures, encoded as they come".to_string()
    }
}
