//! From tokens to velocities.

use burn::nn::{Initializer, Linear};
use burn::prelude::*;
use burn::tensor::DType;
use svg_nn::{adaptive_layer_norm, linear};

use crate::modulate::{NORM_EPS, parts};
use crate::{SitConfig, init};

/// `linear(modulate(norm(x)))`, with shift and scale from the condition.
///
/// Both layers begin with zeros, so the output of a new network is zero.
#[derive(Module, Debug)]
pub struct FinalLayer {
    /// From `d_model` to the channels of a latent, or to twice as many.
    pub linear: Linear,
    /// From the condition to shift and scale. `adaLN_modulation.1` in the checkpoint.
    pub adaln: Linear,
}

impl FinalLayer {
    pub(crate) fn new(config: &SitConfig, device: &Device) -> Self {
        let (width, zeros) = (config.d_model, Initializer::Zeros);
        Self {
            linear: init::linear(width, config.out_channels(), zeros.clone(), device),
            adaln: init::linear(width, 2 * width, zeros, device),
        }
    }

    /// # Shapes
    ///
    /// - x: `[batch, tokens, d_model]`, f32
    /// - condition: `[batch, d_model]`
    /// - output: `[batch, tokens, out_channels]`, f32
    pub fn forward(&self, x: Tensor<3>, condition: Tensor<2>) -> Tensor<3> {
        let [shift, scale] = parts(&self.adaln, condition);
        let normed = adaptive_layer_norm(x, shift, scale, NORM_EPS);
        linear(&self.linear, normed).cast(DType::F32)
    }
}
