//! From a token to its place among prototypes.

use burn::nn::{Initializer, Linear, LinearConfig};
use burn::prelude::*;
use burn::tensor::activation::gelu;

/// Added to a squared length before its root is taken, so that a token of zeros has a gradient.
const TINY: f64 = 1e-12;

/// The projection head of DINO (Caron et al., 2021, arXiv 2104.14294, appendix C): three layers to a
/// bottleneck, a sphere, and prototypes on it.
///
/// Prototypes have length 1, so that a score is the cosine of an angle and none can win by being long.
#[derive(Module, Debug)]
pub(crate) struct ProjectionHead {
    /// From tokens to hidden channels.
    pub fc1: Linear,
    /// Among them.
    pub fc2: Linear,
    /// To the bottleneck.
    pub fc3: Linear,
    /// One prototype in each column, of any length, `[bottleneck, prototypes]`; without bias.
    pub last_layer: Linear,
}

impl ProjectionHead {
    /// Draws a head for tokens of `d_model` channels.
    pub(crate) fn new(
        d_model: usize,
        hidden: usize,
        bottleneck: usize,
        prototypes: usize,
        device: &Device,
    ) -> Self {
        let (mean, std) = (0.0, 0.02);
        let drawn = |from, to, bias| {
            LinearConfig::new(from, to)
                .with_bias(bias)
                .with_initializer(Initializer::Normal { mean, std })
                .init(device)
        };
        let layer = |from, to| Linear {
            bias: Some(Initializer::Zeros.init([to], device)),
            ..drawn(from, to, true)
        };
        Self {
            fc1: layer(d_model, hidden),
            fc2: layer(hidden, hidden),
            fc3: layer(hidden, bottleneck),
            last_layer: drawn(bottleneck, prototypes, false),
        }
    }

    /// The cosine of each of the tokens `[count, d_model]` with each prototype, `[count, prototypes]`.
    pub(crate) fn forward(&self, tokens: Tensor<2>) -> Tensor<2> {
        let hidden = gelu(self.fc1.forward(tokens));
        let hidden = gelu(self.fc2.forward(hidden));
        let directions = unit(self.fc3.forward(hidden), 1);
        directions.matmul(unit(self.last_layer.weight.val(), 0))
    }
}

/// Vectors along `axis`, at length 1.
pub(super) fn unit(vectors: Tensor<2>, axis: usize) -> Tensor<2> {
    let lengths = (vectors.clone().square().sum_dim(axis) + TINY).sqrt();
    vectors / lengths
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Distribution;

    #[test]
    fn scores_are_cosines_and_the_length_of_a_prototype_does_not_matter() {
        let device = Device::default();
        device.seed(1);
        let mut head = ProjectionHead::new(6, 16, 4, 9, &device);
        let tokens = Tensor::random([5, 6], Distribution::Normal(0.0, 1.0), &device);
        let scores = head.forward(tokens.clone());
        assert_eq!(scores.dims(), [5, 9]);
        let largest: f32 = scores.clone().abs().max().into_scalar();
        assert!(largest <= 1.0 + 1e-5, "{largest}");

        head.last_layer.weight = head.last_layer.weight.map(|weight| weight * 7.0);
        let difference: f32 = (head.forward(tokens) - scores).abs().max().into_scalar();
        assert!(difference < 1e-5, "{difference}");
    }

    #[test]
    fn a_token_of_zeros_has_finite_scores_and_gradients() {
        let device = Device::default().autodiff();
        let head = ProjectionHead::new(6, 16, 4, 9, &device);
        let tokens = Tensor::<2>::zeros([2, 6], &device).require_grad();
        let gradients = head.forward(tokens.clone()).sum().backward();
        let gradient = tokens.grad(&gradients).unwrap();
        let largest: f32 = gradient.abs().max().into_scalar();
        assert!(largest.is_finite());
    }
}
