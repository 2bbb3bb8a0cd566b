//! Images to features: frozen semantics and a residual, joined.

use std::sync::Arc;

use burn::prelude::*;
use svg_residual::{ResidualEncoder, Statistics, align};
use svg_roles::Encoder;

use super::Alignment;

/// `features = [semantic ; align(residual)]`, the frozen encoder's channels first (arXiv 2510.15301, section
/// 3.2).
#[derive(Clone, Debug)]
pub struct SvgEncoder {
    /// The frozen encoder.
    pub semantic: Arc<dyn Encoder>,
    /// The residual encoder; `None` for the frozen features alone.
    pub residual: Option<ResidualEncoder>,
    /// How the residual is aligned.
    pub alignment: Alignment,
    /// What it is aligned by in [`Alignment::Frozen`]; `None` if it is not known yet.
    pub statistics: Option<Statistics>,
}

impl SvgEncoder {
    /// Whether [`features`](Self::features) can be computed: frozen alignment of a residual needs
    /// statistics.
    pub fn is_ready(&self) -> bool {
        self.residual.is_none() || self.alignment != Alignment::Frozen || self.statistics.is_some()
    }

    /// Whether features of an image depend on the other images of its batch.
    pub fn depends_on_batch(&self) -> bool {
        self.residual.is_some() && self.alignment == Alignment::Batch
    }

    /// The two branches before alignment: the frozen features, and the residual if there is one.
    ///
    /// # Shapes
    ///
    /// - images: `[batch, 3, height, width]` in [-1, 1], on a device without autodiff
    /// - output: `[batch, tokens, channels]` each
    ///
    /// # Panics
    ///
    /// As the networks: if a side is no multiple of the patch size.
    pub fn branches(&self, images: Tensor<4>) -> (Tensor<3>, Option<Tensor<3>>) {
        let residual = self.residual.as_ref();
        let residual = residual.map(|residual| residual.forward(images.clone()));
        (self.semantic.tokens(images).patches, residual)
    }

    /// Features of images, with the residual as [`alignment`](SvgEncoder::alignment) says.
    ///
    /// # Shapes
    ///
    /// - images: `[batch, 3, height, width]` in [-1, 1], sides multiples of the patch size
    /// - output: `[batch, tokens, channels]`, row by row, the frozen encoder's channels first
    ///
    /// # Panics
    ///
    /// If the encoder [is not ready](Self::is_ready), and as the networks.
    pub fn features(&self, images: Tensor<4>) -> Tensor<3> {
        let (semantic, residual) = self.branches(images);
        let statistics = match (&residual, self.alignment) {
            (None, _) | (_, Alignment::None) => None,
            (Some(residual), Alignment::Batch) => {
                Some(Statistics::of(semantic.clone(), residual.clone()))
            }
            (_, Alignment::Frozen) => Some(
                self.statistics
                    .expect("frozen alignment needs statistics; set them, or use Alignment::Batch"),
            ),
        };
        join(semantic, residual, statistics.as_ref())
    }
}

/// Features from the two branches, aligned by `statistics`; without them the residual stays as it is.
///
/// Training and inference join features by this function alone.
///
/// # Shapes
///
/// - semantic, residual: `[batch, tokens, channels]` each
/// - output: `[batch, tokens, channels of both]`
pub fn join(
    semantic: Tensor<3>,
    residual: Option<Tensor<3>>,
    statistics: Option<&Statistics>,
) -> Tensor<3> {
    let Some(residual) = residual else {
        return semantic;
    };
    let residual = match statistics {
        Some(statistics) => align(residual, statistics),
        None => residual,
    };
    Tensor::cat(vec![semantic, residual], 2)
}
