//! What networks of discrete diffusion predict.

use burn::prelude::*;

use crate::ChannelMask;

/// Prediction of a network at one noise level.
#[derive(Clone, Debug)]
pub struct NoisePrediction {
    /// The noise in the samples, `[batch, tokens, channels]`.
    pub noise: Tensor<3>,
    /// Where between the posterior variance (-1) and beta (1) the variance of a step lies, in logarithms, of the
    /// same shape, for networks with a learned variance (arXiv 2102.09672, section 3.1).
    pub range: Option<Tensor<3>>,
}

impl NoisePrediction {
    /// Guidance of the noise on the masked channels: `u + w (c - u)` there and `c` on the others. The variance is
    /// the conditional one, as in DiT's released code.
    pub fn guided(self, unconditional: Self, scale: f64, mask: ChannelMask) -> Self {
        let unconditional = mask.select(unconditional.noise, self.noise.clone());
        Self {
            noise: unconditional.clone() + (self.noise - unconditional) * scale,
            range: self.range,
        }
    }
}

/// A field of predicted noise over variance-preserving samples; see [`NoiseSchedule`](crate::NoiseSchedule).
///
/// Every closure of this signature implements the trait.
pub trait NoiseField {
    /// Prediction for each sample at its own noise level.
    ///
    /// # Shapes
    ///
    /// - x: `[batch, tokens, channels]`
    /// - index: `[batch]`, f32: indices of the schedule, whole numbers unless a [`NoiseFlow`](crate::NoiseFlow) is
    ///   evaluated between them
    fn predict(&self, x: Tensor<3>, index: Tensor<1>) -> NoisePrediction;
}

impl<F> NoiseField for F
where
    F: Fn(Tensor<3>, Tensor<1>) -> NoisePrediction,
{
    fn predict(&self, x: Tensor<3>, index: Tensor<1>) -> NoisePrediction {
        self(x, index)
    }
}
