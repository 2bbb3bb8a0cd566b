//! The role of the frozen encoder.

use burn::module::{Module, ModuleDisplay};
use burn::prelude::*;
use svg_dino::Dino;

/// An encoder whose features say what is where in an image.
pub trait FeatureEncoder: Module + ModuleDisplay {
    /// Features of images, one token for each patch, row by row.
    ///
    /// # Shapes
    ///
    /// - images: `[batch, 3, height, width]` in [-1, 1], sides multiples of the patch size
    /// - output: `[batch, tokens, channels]`
    fn features(&self, images: Tensor<4>) -> Tensor<3>;

    /// Number of channels of a token.
    fn channels(&self) -> usize;

    /// Side of a patch in pixels.
    fn patch_size(&self) -> usize;
}

/// The patch tokens after the final norm; class token and registers are left out.
impl FeatureEncoder for Dino {
    fn features(&self, images: Tensor<4>) -> Tensor<3> {
        self.forward(images).patches
    }

    fn channels(&self) -> usize {
        self.config().d_model
    }

    fn patch_size(&self) -> usize {
        self.config().patch_size
    }
}
