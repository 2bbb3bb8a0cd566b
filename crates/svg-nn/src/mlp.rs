//! The plain feed-forward layer.

use burn::nn::{Linear, LinearConfig};
use burn::prelude::*;

use crate::Activation;
use crate::linear::{linear, parameters};

/// Configuration of [`Mlp`].
#[derive(Config, Debug)]
pub struct MlpConfig {
    /// Number of input and output channels.
    pub d_model: usize,
    /// Number of hidden channels.
    pub d_ff: usize,
    /// Whether GELU is its tanh approximation, as in SiT and DiT, instead of exact, as in DINOv3 and
    /// torchvision's ViT. Default: false
    #[config(default = false)]
    pub approximate_gelu: bool,
}

/// `y = fc2(gelu(fc1(x)))`, both projections with bias.
#[derive(Module, Debug)]
pub struct Mlp {
    /// From `d_model` to `d_ff`.
    pub fc1: Linear,
    /// From `d_ff` to `d_model`.
    pub fc2: Linear,
    approximate_gelu: bool,
}

impl MlpConfig {
    /// Initialises the layer.
    pub fn init(&self, device: &Device) -> Mlp {
        Mlp {
            fc1: LinearConfig::new(self.d_model, self.d_ff).init(device),
            fc2: LinearConfig::new(self.d_ff, self.d_model).init(device),
            approximate_gelu: self.approximate_gelu,
        }
    }
}

impl Mlp {
    /// Applies the layer to every token.
    ///
    /// # Shapes
    ///
    /// - input and output: `[batch, tokens, d_model]`
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let hidden = linear(&self.fc1, x); // [batch, tokens, d_ff]
        let activation = match self.approximate_gelu {
            true => Activation::GeluTanh,
            false => Activation::Gelu,
        };
        let (weight, bias) = parameters(&self.fc2);
        svg_kernels::activated_linear(activation, hidden, weight, bias)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::module::Param;

    /// `fc1` and `fc2` are the identity on one channel, so the layer is GELU itself.
    fn bare_gelu(approximate_gelu: bool) -> f32 {
        let device = Default::default();
        let mut mlp = MlpConfig::new(1, 1)
            .with_approximate_gelu(approximate_gelu)
            .init(&device);
        for layer in [&mut mlp.fc1, &mut mlp.fc2] {
            layer.weight = Param::from_tensor(Tensor::ones([1, 1], &device));
            layer.bias = Some(Param::from_tensor(Tensor::zeros([1], &device)));
        }
        mlp.forward(Tensor::ones([1, 1, 1], &device)).into_scalar()
    }

    #[test]
    fn gelu_is_exact_unless_asked_otherwise() {
        // gelu(1) = (1 + erf(1 / sqrt 2)) / 2; the tanh form differs in the fourth digit.
        assert!((bare_gelu(false) - 0.841_344_7).abs() < 1e-6);
        assert!((bare_gelu(true) - 0.841_192).abs() < 1e-6);
    }
}
