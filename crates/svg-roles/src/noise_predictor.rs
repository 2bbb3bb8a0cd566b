//! Trait for networks that predict noise.

use std::fmt::Debug;
use std::sync::Arc;

use burn::prelude::*;

use crate::{Condition, VelocitySpec};

/// What a [`NoisePredictor`] predicts of samples at one noise level.
#[derive(Clone, Debug)]
pub struct PredictedNoise {
    /// The noise in the samples, `[batch, tokens, channels]`.
    pub noise: Tensor<3>,
    /// For networks with a learned variance, where it lies between its smallest value (-1) and its largest (1), in
    /// logarithms, of the same shape.
    pub range: Option<Tensor<3>>,
}

/// Trait for networks that predict the noise in samples of a diffusion with discrete noise levels, such as DiT.
///
/// They are sampled by steps between these levels, of which ancestral ones are no ordinary differential equation, so
/// they are no [`Velocity`](crate::Velocity) by themselves.
pub trait NoisePredictor: Debug + Send + Sync {
    /// Prediction for each sample at its own noise level.
    ///
    /// # Shapes
    ///
    /// - x: `[batch, tokens, channels]`
    /// - index: `[batch]`, f32, the index of the noise level, 0 next to the data
    ///
    /// # Panics
    ///
    /// If a shape or the kind of condition does not match the network.
    fn predict(&self, x: Tensor<3>, index: Tensor<1>, condition: &Condition) -> PredictedNoise;

    /// The condition of the unconditional branch of guidance that corresponds to `condition`.
    fn unconditional(&self, condition: &Condition) -> Condition;

    /// Sizes of the network.
    fn spec(&self) -> VelocitySpec;

    /// Number of noise levels that it was trained with.
    fn levels(&self) -> usize;

    /// Number of parameters, if known.
    fn parameters(&self) -> Option<usize> {
        None
    }
}

impl<P: NoisePredictor + ?Sized> NoisePredictor for Arc<P> {
    fn predict(&self, x: Tensor<3>, index: Tensor<1>, condition: &Condition) -> PredictedNoise {
        (**self).predict(x, index, condition)
    }

    fn unconditional(&self, condition: &Condition) -> Condition {
        (**self).unconditional(condition)
    }

    fn spec(&self) -> VelocitySpec {
        (**self).spec()
    }

    fn levels(&self) -> usize {
        (**self).levels()
    }

    fn parameters(&self) -> Option<usize> {
        (**self).parameters()
    }
}
