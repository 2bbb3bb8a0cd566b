//! The class as a condition.

use burn::nn::{Embedding, EmbeddingConfig};
use burn::prelude::*;

use crate::init;

/// A learned vector for each class, and one more for no class, which guidance compares with (Ho and
/// Salimans, "Classifier-Free Diffusion Guidance", arXiv 2207.12598).
#[derive(Module, Debug)]
pub struct LabelEmbedder {
    /// `[n_classes + 1, d_model]`; the last row is no class.
    pub embedding_table: Embedding,
}

impl LabelEmbedder {
    pub(crate) fn new(n_classes: usize, d_model: usize, device: &Device) -> Self {
        let table = EmbeddingConfig::new(n_classes + 1, d_model).with_initializer(init::small());
        Self {
            embedding_table: table.init(device),
        }
    }

    /// # Shapes
    ///
    /// - labels: `[batch]`
    /// - output: `[batch, d_model]`
    ///
    /// # Panics
    ///
    /// On CPUs, if a label is no row of the table. GPUs do not look, and what they give then means
    /// nothing: check labels where they come in.
    pub fn forward(&self, labels: Tensor<1, Int>) -> Tensor<2> {
        let [batch] = labels.dims();
        let rows = self.embedding_table.forward(labels.reshape([batch, 1])); // [batch, 1, d_model]
        rows.squeeze_dim(1)
    }
}
