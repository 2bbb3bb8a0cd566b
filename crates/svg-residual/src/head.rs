//! The head from tokens to residual channels.

use burn::nn::{Linear, LinearConfig};
use burn::prelude::*;
use burn::tensor::activation::gelu;
use svg_nn::linear;

/// `y = out(gelu(hidden(x)))` for each token, with exact GELU and without a final activation.
#[derive(Module, Debug)]
pub struct Head {
    /// Layer from `d_model` to `d_model`.
    pub hidden: Linear,
    /// Layer from `d_model` to `channels`.
    pub out: Linear,
}

impl Head {
    pub(crate) fn new(d_model: usize, channels: usize, device: &Device) -> Self {
        Self {
            hidden: LinearConfig::new(d_model, d_model).init(device),
            out: LinearConfig::new(d_model, channels).init(device),
        }
    }

    /// Applies the head.
    ///
    /// # Shapes
    ///
    /// - x: `[batch, tokens, d_model]`
    /// - output: `[batch, tokens, channels]`, in the type of `x`, not that of the weights
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let dtype = x.dtype();
        let hidden = gelu(linear(&self.hidden, x)); // [batch, tokens, d_model]
        linear(&self.out, hidden).cast(dtype) // [batch, tokens, channels]
    }
}
