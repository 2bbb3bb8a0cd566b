//! A latent space whose latents are normalised features.

use std::sync::Arc;

use burn::prelude::*;
use svg_roles::{Draw, Geometry, LatentSpace};

use crate::{LatentStatistics, ModelError};

/// `latent = (feature - mean) / std` around a space of features.
#[derive(Clone, Debug)]
pub struct Normalised {
    space: Arc<dyn LatentSpace>,
    statistics: LatentStatistics,
}

impl Normalised {
    /// Normalises the features of `space` by `statistics`.
    ///
    /// # Errors
    ///
    /// [`ModelError::Misfit`] if they have another number of channels.
    pub fn new(
        space: Arc<dyn LatentSpace>,
        statistics: LatentStatistics,
    ) -> Result<Self, ModelError> {
        statistics.check_channels(space.geometry().channels)?;
        Ok(Self { space, statistics })
    }

    /// The space of features.
    pub fn features(&self) -> &Arc<dyn LatentSpace> {
        &self.space
    }

    /// What features are normalised by.
    pub fn statistics(&self) -> &LatentStatistics {
        &self.statistics
    }
}

impl LatentSpace for Normalised {
    fn encode(&self, images: Tensor<4>, draw: Draw) -> Tensor<3> {
        self.statistics.normalise(self.space.encode(images, draw))
    }

    fn decode(&self, latents: Tensor<3>, grid: [usize; 2]) -> Tensor<4> {
        self.space
            .decode(self.statistics.denormalise(latents), grid)
    }

    fn decode_tiled(&self, latents: Tensor<3>, grid: [usize; 2], tile: usize) -> Tensor<4> {
        let features = self.statistics.denormalise(latents);
        self.space.decode_tiled(features, grid, tile)
    }

    fn geometry(&self) -> Geometry {
        self.space.geometry()
    }

    fn depends_on_batch(&self) -> bool {
        self.space.depends_on_batch()
    }
}
