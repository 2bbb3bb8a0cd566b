//! Trait for latent spaces.

use std::fmt::Debug;
use std::sync::Arc;

use burn::prelude::*;

use crate::Geometry;

/// Randomness of an encoding.
///
/// Used by encoders that return a distribution, such as those of variational autoencoders; deterministic ones
/// ignore it.
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "tensors are handles; one draw is made per batch"
)]
pub enum Draw {
    /// Use the mode of the distribution, which gives the same latents every time.
    Mode,
    /// Sample with standard normal noise of the shape of the latents, `[batch, tokens, channels]`.
    Sample(Tensor<3>),
}

/// Trait for latent spaces between images and a generative model.
///
/// The tokens are called *features* if the space is used directly and *latents* if it is wrapped in a
/// normalisation.
pub trait LatentSpace: Debug + Send + Sync {
    /// Encodes images into latents.
    ///
    /// # Shapes
    ///
    /// - images: `[batch, 3, height, width]` in [-1, 1]
    /// - output: `[batch, rows * columns, channels]`, row by row
    fn encode(&self, images: Tensor<4>, draw: Draw) -> Tensor<3>;

    /// Decodes latents into images, not clamped.
    ///
    /// # Shapes
    ///
    /// - latents: `[batch, rows * columns, channels]`
    /// - grid: rows and columns
    /// - output: `[batch, 3, height, width]`, approximately in [-1, 1]
    fn decode(&self, latents: Tensor<3>, grid: [usize; 2]) -> Tensor<4>;

    /// [`decode`](Self::decode) in overlapping tiles of `tile` x `tile` tokens, if the space supports it, so that
    /// large images fit into memory. The default ignores `tile`.
    fn decode_tiled(&self, latents: Tensor<3>, grid: [usize; 2], _tile: usize) -> Tensor<4> {
        self.decode(latents, grid)
    }

    /// Native sizes of the space.
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
