//! Trait for frozen image encoders.

use std::fmt::Debug;
use std::sync::Arc;

use burn::prelude::*;

/// Output of an [`Encoder`].
#[derive(Clone, Debug)]
pub struct Tokens {
    /// One token per patch, row by row, `[batch, rows * columns, channels]`.
    pub patches: Tensor<3>,
    /// One token per image, `[batch, channels]`, such as a class token; `None` if there is none.
    pub summary: Option<Tensor<2>>,
    /// Rows and columns of the patches.
    pub grid: [usize; 2],
}

/// Name and sizes of an [`Encoder`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncoderSpec {
    /// Name, such as `vits16plus`.
    pub name: String,
    /// Number of channels of a patch token.
    pub channels: usize,
    /// Side of a patch in pixels.
    pub patch_size: usize,
}

/// Trait for frozen image encoders that return patch tokens.
///
/// Encoders are always in inference mode. Implementations normalise images to the statistics of their network.
pub trait Encoder: Debug + Send + Sync {
    /// Encodes images into tokens.
    ///
    /// # Shapes
    ///
    /// - images: `[batch, 3, height, width]` in [-1, 1], sides multiples of the patch size
    fn tokens(&self, images: Tensor<4>) -> Tokens;

    /// Name and sizes.
    fn spec(&self) -> EncoderSpec;

    /// Number of parameters, if known.
    fn parameters(&self) -> Option<usize> {
        None
    }

    /// The same encoder on another device.
    ///
    /// On an autodiff device its weights are constants of the graph: gradients flow to the images but not to
    /// parameters.
    fn to_device(&self, device: &Device) -> Arc<dyn Encoder>;
}
