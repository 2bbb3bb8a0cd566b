//! Images to features: frozen semantics and what they forget, joined.

use burn::prelude::*;
use svg_nn::Frozen;
use svg_residual::{ResidualEncoder, Statistics, align};

use crate::{Alignment, FeatureEncoder};

/// `features = [semantic ; align(residual)]`, DINO's channels first (section 3.2 of the paper).
#[derive(Module, Debug)]
pub struct SvgEncoder<E: FeatureEncoder> {
    /// The frozen encoder. It is always in inference mode and never sees an autodiff graph.
    pub semantic: Frozen<E>,
    /// The residual encoder; `None` for the frozen features alone.
    pub residual: Option<ResidualEncoder>,
    #[module(skip)]
    alignment: Alignment,
    #[module(skip)]
    statistics: Option<Statistics>,
}

impl<E: FeatureEncoder> SvgEncoder<E> {
    pub(crate) fn new(
        semantic: E,
        residual: Option<ResidualEncoder>,
        alignment: Alignment,
        statistics: Option<Statistics>,
    ) -> Self {
        Self {
            semantic: Frozen::new(semantic),
            residual,
            alignment,
            statistics,
        }
    }

    /// The same encoder with another alignment.
    pub fn with_alignment(mut self, alignment: Alignment) -> Self {
        self.alignment = alignment;
        self
    }

    /// The same encoder with these statistics for [`Alignment::Frozen`].
    pub fn with_statistics(mut self, statistics: Statistics) -> Self {
        self.statistics = Some(statistics);
        self
    }

    /// How the residual is aligned.
    pub fn alignment(&self) -> Alignment {
        self.alignment
    }

    /// The stored statistics, if there are any.
    pub fn statistics(&self) -> Option<Statistics> {
        self.statistics
    }

    /// Whether [`features`](Self::features) can be computed: frozen alignment of a residual needs
    /// statistics.
    pub fn is_ready(&self) -> bool {
        self.residual.is_none() || self.alignment != Alignment::Frozen || self.statistics.is_some()
    }

    /// Rows and columns of tokens of an image.
    pub fn grid(&self, [height, width]: [usize; 2]) -> [usize; 2] {
        let patch = self.semantic.patch_size();
        [height / patch, width / patch]
    }

    /// Number of channels of a token.
    pub fn channels(&self) -> usize {
        let residual = self.residual.as_ref();
        self.semantic.channels() + residual.map_or(0, |residual| residual.config().channels)
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
        (self.semantic.features(images), residual)
    }

    /// Features of images.
    ///
    /// With [`Alignment::Frozen`], and with [`Alignment::None`], the features of an image do not depend
    /// on the others in the batch; with [`Alignment::Batch`] they do.
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
        self.joined(semantic, residual)
    }

    /// Features of what the two [branches](Self::branches) say, for who has the frozen ones already.
    ///
    /// # Shapes
    ///
    /// - semantic, residual: `[batch, tokens, channels]` each, before alignment
    /// - output: as of [`features`](Self::features)
    ///
    /// # Panics
    ///
    /// If the encoder [is not ready](Self::is_ready).
    pub fn joined(&self, semantic: Tensor<3>, residual: Option<Tensor<3>>) -> Tensor<3> {
        let Some(residual) = residual else {
            return semantic;
        };
        let statistics = match self.alignment {
            Alignment::None => None,
            Alignment::Batch => Some(Statistics::of(semantic.clone(), residual.clone())),
            Alignment::Frozen => Some(self.statistics.expect(
                "frozen alignment needs statistics: with_statistics(..), or Alignment::Batch",
            )),
        };
        let residual = match statistics {
            Some(statistics) => align(residual, &statistics),
            None => residual,
        };
        Tensor::cat(vec![semantic, residual], 2)
    }
}
