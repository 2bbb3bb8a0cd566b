//! Trait for frozen image encoders.

use std::fmt::Debug;
use std::sync::Arc;

use burn::prelude::*;

/// What an [`Encoder`] says about images.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// One token per patch, row by row, `[batch, rows * columns, channels]`.
    pub patches: Tensor<3>,
    /// One token per image, `[batch, channels]`, such as a class token; `None` if there is none.
    pub summary: Option<Tensor<2>>,
    /// Rows and columns of the patches.
    pub grid: [usize; 2],
}

/// Facts about an [`Encoder`] that do not depend on an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncoderSpec {
    /// A name for people, such as `vits16plus`.
    pub name: String,
    /// Channels of a patch token.
    pub channels: usize,
    /// Side of a patch in pixels.
    pub patch_size: usize,
}

/// A frozen image encoder whose patch tokens say what is where in an image.
///
/// It is always in inference mode. An implementation normalises images to the statistics of its own
/// network.
pub trait Encoder: Debug + Send + Sync {
    /// Tokens of images.
    ///
    /// # Shapes
    ///
    /// - images: `[batch, 3, height, width]` in [-1, 1], sides multiples of the patch size
    fn tokens(&self, images: Tensor<4>) -> Tokens;

    /// Sizes and name.
    fn spec(&self) -> EncoderSpec;

    /// Number of parameters, if it is known.
    fn parameters(&self) -> Option<usize> {
        None
    }

    /// The same encoder on another device.
    ///
    /// On a device with autodiff its weights are constants of the graph: gradients reach the images and
    /// no parameter.
    fn to_device(&self, device: &Device) -> Arc<dyn Encoder>;
}
