//! Trait for image embeddings, and embeddings from an encoder.

use std::fmt::Debug;
use std::sync::Arc;

use burn::prelude::*;

use crate::Encoder;

/// Trait for image embeddings: one vector per image, for probes and distances between sets of images.
pub trait Embedding: Debug + Send + Sync {
    /// Embeds images.
    ///
    /// # Shapes
    ///
    /// - images: `[batch, 3, height, width]` in [-1, 1]
    /// - output: `[batch, channels]`
    fn embed(&self, images: Tensor<4>) -> Tensor<2>;

    /// Description of the embedding. Files with different descriptions must not be mixed.
    fn name(&self) -> String;
}

/// Mean of an encoder's patch tokens.
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

/// Summary token of an encoder, such as its class token.
#[derive(Clone, Debug)]
pub struct SummaryToken(pub Arc<dyn Encoder>);

impl Embedding for SummaryToken {
    /// # Panics
    ///
    /// If the encoder has no summary token.
    fn embed(&self, images: Tensor<4>) -> Tensor<2> {
        let summary = self.0.tokens(images).summary;
        summary.unwrap_or_else(|| panic!("{} has no class token", self.0.spec().name))
    }

    fn name(&self) -> String {
        format!("class token of {}", self.0.spec().name)
    }
}
