//! The gated feed-forward layer.

use burn::nn::{Linear, LinearConfig};
use burn::prelude::*;

use crate::linear::{linear, parameters};

/// Configuration of [`SwiGluMlp`].
#[derive(Config, Debug)]
pub struct SwiGluMlpConfig {
    /// Number of input and output channels.
    pub d_model: usize,
    /// Number of hidden channels: the rows of `gate`, without any further factor of 2/3.
    pub d_ff: usize,
}

/// `y = down(silu(gate(x)) * up(x))` (Shazeer, "GLU Variants Improve Transformer", 2020), all three
/// projections with bias.
///
/// burn-nn's `SwiGlu` is the inner half of this and has no bias by default. Checkpoints call the
/// three `w1`, `w2`, `w3`.
#[derive(Module, Debug)]
pub struct SwiGluMlp {
    /// What SiLU turns into the gate, from `d_model` to `d_ff`.
    pub gate: Linear,
    /// What the gate multiplies, from `d_model` to `d_ff`.
    pub up: Linear,
    /// Back from `d_ff` to `d_model`.
    pub down: Linear,
}

impl SwiGluMlpConfig {
    /// Initialises the layer.
    pub fn init(&self, device: &Device) -> SwiGluMlp {
        SwiGluMlp {
            gate: LinearConfig::new(self.d_model, self.d_ff).init(device),
            up: LinearConfig::new(self.d_model, self.d_ff).init(device),
            down: LinearConfig::new(self.d_ff, self.d_model).init(device),
        }
    }
}

impl SwiGluMlp {
    /// Applies the layer to every token.
    ///
    /// # Shapes
    ///
    /// - input and output: `[batch, tokens, d_model]`
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let gate = linear(&self.gate, x.clone()); // [batch, tokens, d_ff]
        let up = linear(&self.up, x); // [batch, tokens, d_ff]
        let (weight, bias) = parameters(&self.down);
        svg_kernels::gated_linear(gate, up, weight, bias)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::module::Param;

    #[test]
    fn the_gate_is_the_first_projection_and_goes_through_silu() {
        let device = Default::default();
        let mut layer = SwiGluMlpConfig::new(1, 1).init(&device);
        for (linear, weight) in [
            (&mut layer.gate, 2.0f32),
            (&mut layer.up, 3.0),
            (&mut layer.down, 1.0),
        ] {
            linear.weight = Param::from_tensor(Tensor::full([1, 1], weight, &device));
            linear.bias = Some(Param::from_tensor(Tensor::zeros([1], &device)));
        }
        let y: f32 = layer
            .forward(Tensor::ones([1, 1, 1], &device))
            .into_scalar();
        let silu = 2.0 / (1.0 + (-2.0f32).exp());
        assert!((y - silu * 3.0).abs() < 1e-6, "{y}");
    }
}
