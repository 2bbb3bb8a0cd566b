//! Pixels to patch tokens.

use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::prelude::*;
use svg_nn::patch_tokens;

/// One linear map per patch: a convolution whose stride is its size, flattened row by row.
#[derive(Module, Debug)]
pub struct PatchEmbed {
    /// From 3 to `d_model` channels.
    pub proj: Conv2d,
}

impl PatchEmbed {
    pub(crate) fn new(patch_size: usize, d_model: usize, device: &Device) -> Self {
        let size = [patch_size, patch_size];
        Self {
            proj: Conv2dConfig::new([3, d_model], size)
                .with_stride(size)
                .init(device),
        }
    }

    /// Tokens, and the grid of patches: rows and columns.
    ///
    /// # Shapes
    ///
    /// - pixels: `[batch, 3, rows * patch_size, columns * patch_size]`
    /// - output: `[batch, rows * columns, d_model]`
    ///
    /// # Panics
    ///
    /// If there are not three channels or a side is not a positive multiple of the patch size.
    pub fn forward(&self, pixels: Tensor<4>) -> (Tensor<3>, [usize; 2]) {
        patch_tokens(&self.proj, pixels)
    }
}
