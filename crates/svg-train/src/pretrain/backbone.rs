//! Trait for encoders in training.

use std::path::{Path, PathBuf};

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

    /// Writes the network as a file that encoders are read from, and returns its path. `note` says where it
    /// is from.
    ///
    /// # Errors
    ///
    /// [`TrainError`] if it cannot be written.
    fn write(&self, note: String, path: &Path) -> Result<PathBuf, TrainError>;
}

/// One token for each image.
pub(super) fn class_tokens(tokens: &Tokens) -> Tensor<2> {
    let summary = tokens.summary.clone();
    summary.expect("an encoder in training has a class token")
}
