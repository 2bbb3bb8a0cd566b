//! The role of the space in which a flow lives.

use burn::module::{Module, ModuleDisplay};
use burn::prelude::*;

/// How latents lie over an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// Tokens from top to bottom.
    pub rows: usize,
    /// Tokens from left to right.
    pub columns: usize,
    /// Numbers of one token.
    pub channels: usize,
}

/// A space between images and a generative model.
pub trait LatentSpace: Module + ModuleDisplay {
    /// Images to latents.
    ///
    /// # Shapes
    ///
    /// - images: `[batch, 3, height, width]` in [-1, 1]
    /// - output: `[batch, rows * columns, channels]`
    fn encode(&self, images: Tensor<4>) -> Tensor<3>;

    /// Latents to images, not clamped.
    ///
    /// # Shapes
    ///
    /// - latents: `[batch, rows * columns, channels]` of this space's [`grid`](Self::grid)
    /// - output: `[batch, 3, height, width]`, about in [-1, 1]
    fn decode(&self, latents: Tensor<3>) -> Tensor<4>;

    /// The grid of images of the size that the space was made for.
    fn grid(&self) -> Grid;
}
