//! Trait for latent spaces.

use std::fmt::Debug;
use std::sync::Arc;

use burn::prelude::*;

use crate::Geometry;

/// Where the randomness of an encoding comes from.
///
/// Encoders that give a distribution, such as those of variational autoencoders, use it; deterministic ones
/// ignore it.
#[derive(Clone, Debug)]
pub enum Draw {
    /// The mode of the distribution: the same latents every time.
    Mode,
    /// Standard normal numbers of the shape of the latents, `[batch, tokens, channels]`.
    Sample(Tensor<3>),
}

/// A space between images and a generative model.
///
/// What [`encode`](Self::encode) returns and [`decode`](Self::decode) takes are *features* if the space
/// stands alone and *latents* if it is wrapped in a normalisation.
pub trait LatentSpace: Debug + Send + Sync {
    /// Images to latents.
    ///
    /// # Shapes
    ///
    /// - images: `[batch, 3, height, width]` in [-1, 1]
    /// - output: `[batch, rows * columns, channels]`, row by row
    fn encode(&self, images: Tensor<4>, draw: Draw) -> Tensor<3>;

    /// Latents to images, not clamped.
    ///
    /// # Shapes
    ///
    /// - latents: `[batch, rows * columns, channels]`
    /// - grid: rows and columns
    /// - output: `[batch, 3, height, width]`, about in [-1, 1]
    fn decode(&self, latents: Tensor<3>, grid: [usize; 2]) -> Tensor<4>;

    /// As [`decode`](Self::decode), in overlapping tiles of `tile` tokens to a side where the space can, so
    /// that large images fit into memory.
    fn decode_tiled(&self, latents: Tensor<3>, grid: [usize; 2], _tile: usize) -> Tensor<4> {
        self.decode(latents, grid)
    }

    /// The sizes that the space was made for.
    fn geometry(&self) -> Geometry;

    /// Whether the latents of an image depend on the other images of its batch.
    fn depends_on_batch(&self) -> bool {
        false
    }
}

impl<L: LatentSpace + ?Sized> LatentSpace for Arc<L> {
    fn encode(&self, images: Tensor<4>, draw: Draw) -> Tensor<3> {
        (**self).encode(images, draw)
    }

    fn decode(&self, latents: Tensor<3>, grid: [usize; 2]) -> Tensor<4> {
        (**self).decode(latents, grid)
    }

    fn decode_tiled(&self, latents: Tensor<3>, grid: [usize; 2], tile: usize) -> Tensor<4> {
        (**self).decode_tiled(latents, grid, tile)
    }

    fn geometry(&self) -> Geometry {
        (**self).geometry()
    }

    fn depends_on_batch(&self) -> bool {
        (**self).depends_on_batch()
    }
}
