//! Trait for encoders in training.

use std::path::{Path, PathBuf};

use burn::optim::GradientsParams;
use burn::prelude::*;
use svg_roles::{Encoder, EncoderSpec, Tokens};

use crate::TrainError;
use crate::run::Network;

/// An encoder that self-distillation can train: it has a class token, and some of its patches can be hidden.
pub trait Backbone: Network + Encoder {
    /// Sizes of a network of this configuration.
    fn spec_of(config: &Self::Config) -> EncoderSpec;

    /// Tokens of images, some of whose patches are replaced by a learned token.
    ///
    /// # Shapes
    ///
    /// - images: `[batch, 3, height, width]` in [-1, 1]
    /// - mask: `[batch, rows * columns]`, true where a patch is hidden
    fn masked(&self, images: Tensor<4>, mask: Tensor<2, Bool>) -> Tokens;

    /// A pass that can be gone back, of a network outside autodiff. Override it for a network that has a
    /// better way than Burn's graph.
    ///
    /// # Shapes
    ///
    /// As [`masked`](Self::masked); images are outside autodiff.
    fn pass(&self, images: Tensor<4>, mask: Option<Tensor<2, Bool>>) -> BackbonePass<'_> {
        let network = self.clone().train();
        let images = Tensor::from_inner(images);
        let tokens = match mask {
            Some(mask) => network.masked(images, Tensor::from_inner(mask)),
            None => network.tokens(images),
        };
        let (summary, patches) = (class_tokens(&tokens), tokens.patches);
        BackbonePass {
            summary: summary.clone().inner(),
            patches: patches.clone().inner(),
            backward: Box::new(move |at_summary, at_patches| {
                let pull = (summary * Tensor::from_inner(at_summary)).sum()
                    + (patches * Tensor::from_inner(at_patches)).sum();
                GradientsParams::from_grads(pull.backward(), &network)
            }),
        }
    }

    /// Writes the network as a file that encoders are read from, and returns its path. `note` says where it
    /// is from.
    ///
    /// # Errors
    ///
    /// [`TrainError`] if it cannot be written.
    fn write(&self, note: String, path: &Path) -> Result<PathBuf, TrainError>;
}

/// A pass that can be gone back once. Its tensors are outside autodiff.
pub struct BackbonePass<'a> {
    /// Class tokens, `[batch, channels]`.
    pub summary: Tensor<2>,
    /// Patch tokens, `[batch, rows * columns, channels]`.
    pub patches: Tensor<3>,
    /// From the gradients at both to those of the parameters. The learned token of hidden patches is among
    /// them if there was a mask.
    pub backward: Box<dyn FnOnce(Tensor<2>, Tensor<3>) -> GradientsParams + 'a>,
}

/// One token for each image.
///
/// # Panics
///
/// If the encoder has none, which no [`Backbone`] is.
pub(super) fn class_tokens(tokens: &Tokens) -> Tensor<2> {
    let summary = tokens.summary.clone();
    summary.expect("an encoder in training has a class token")
}
