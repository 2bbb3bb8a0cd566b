//! Latents of pictures that are encoded as they come.

use std::sync::Arc;

use burn::prelude::*;
use svg_image::ImageSet;
use svg_roles::{Draw, LatentSpace};

use crate::TrainError;
use crate::data::{Classes, Fingerprint, Pictures, Recipe};
use crate::flow::{LatentBatch, LatentSource};

/// A set of pictures, encoded whenever they are asked for.
#[derive(Debug)]
pub struct OnlineLatents {
    pictures: Pictures,
    space: Arc<dyn LatentSpace>,
    device: Device,
    fingerprint: Fingerprint,
    classes: Classes,
}

impl OnlineLatents {
    /// The latents of `set`, cut by `recipe`, in a normalised space. `workers` threads decode, 0 for as many
    /// as the machine runs at once.
    ///
    /// # Errors
    ///
    /// [`TrainError::Unfit`] if images of the recipe's size have another grid than the space, and
    /// [`TrainError::Data`] if a picture lies in no folder, which would be its class.
    pub fn new(
        set: Arc<ImageSet>,
        recipe: Recipe,
        space: Arc<dyn LatentSpace>,
        workers: usize,
        device: &Device,
    ) -> Result<Self, TrainError> {
        let (side, geometry) = (recipe.size as usize, space.geometry());
        let ([height, width], [rows, columns]) = (geometry.image, geometry.grid());
        if [height, width] != [side, side] {
            return Err(TrainError::Unfit {
                reason: format!(
                    "data.size is {side}, but the bundle was made for images of {height} x {width}, {rows} x \
                     {columns} tokens; set data.size to {height}"
                ),
            });
        }
        Ok(Self {
            fingerprint: Fingerprint::of(&set)?,
            classes: Classes::of(&set)?,
            pictures: Pictures::new(set, recipe, workers),
            space,
            device: device.clone().without_autodiff(),
        })
    }
}

impl LatentSource for OnlineLatents {
    fn batch(&mut self, seed: u64, cursor: u64, size: usize) -> Result<LatentBatch, TrainError> {
        let (batch, remarks) = self.pictures.batch(seed, cursor, size)?;
        let labels = batch.indices.iter();
        let labels = labels.map(|&index| self.classes.labels[index]);
        Ok(LatentBatch {
            latents: self.space.encode(batch.to_tensor(&self.device), Draw::Mode),
            labels: labels.collect(),
            cursor_after: batch.cursor_after,
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
