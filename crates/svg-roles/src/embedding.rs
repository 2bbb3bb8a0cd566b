//! Trait for one vector per image, and the embeddings that an encoder gives.

use std::fmt::Debug;
use std::sync::Arc;

use burn::prelude::*;

use crate::Encoder;

/// One vector per image, as probes and distances between sets of images use it.
pub trait Embedding: Debug + Send + Sync {
    /// Vectors of images.
    ///
    /// # Shapes
    ///
    /// - images: `[batch, 3, height, width]` in [-1, 1]
    /// - output: `[batch, channels]`
    fn embed(&self, images: Tensor<4>) -> Tensor<2>;

    /// What the numbers are, for people and for files that must not be mixed.
    fn name(&self) -> String;
}

/// The mean of an encoder's patch tokens.
#[derive(Clone, Debug)]
pub struct MeanToken(pub Arc<dyn Encoder>);

impl Embedding for MeanToken {
    fn embed(&self, images: Tensor<4>) -> Tensor<2> {
        let patches = self.0.tokens(images).patches;
        patches.mean_dim(1).squeeze_dim::<2>(1)
    }

    fn name(&self) -> String {
        format!("mean patch token of {}", self.0.spec().name)
    }
}

/// An encoder's own summary of an image, such as its class token.
#[derive(Clone, Debug)]
pub struct SummaryToken(pub Arc<dyn Encoder>);

impl Embedding for SummaryToken {
    /// # Panics
    ///
    /// If the encoder has no summary.
    fn embed(&self, images: Tensor<4>) -> Tensor<2> {
        let summary = self.0.tokens(images).summary;
        summary.unwrap_or_else(|| panic!("{} has no class token", self.0.spec().name))
    }

    fn name(&self) -> String {
        format!("class token of {}", self.0.spec().name)
    }
}
