//! The plain feed-forward layer.

use burn::nn::{Linear, LinearConfig};
use burn::prelude::*;

use crate::{
    ParameterGradients, gelu, gelu_backward, gelu_tanh, gelu_tanh_backward, linear, linear_backward,
};

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

/// What the way back through [`Mlp`] needs of the way there.
#[derive(Clone, Debug)]
pub struct MlpTape {
    x: Tensor<3>,
    /// Before the activation, `[batch, tokens, d_ff]`.
    hidden: Tensor<3>,
}

impl Mlp {
    /// Applies the layer to every token.
    ///
    /// # Shapes
    ///
    /// - input and output: `[batch, tokens, d_model]`
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let hidden = linear(&self.fc1, x); // [batch, tokens, d_ff]
        linear(&self.fc2, self.activate(hidden))
    }

    fn activate(&self, hidden: Tensor<3>) -> Tensor<3> {
        match self.approximate_gelu {
            true => gelu_tanh(hidden),
            false => gelu(hidden),
        }
    }

    /// As [`forward`](Self::forward), with what [`backward`](Self::backward) needs.
    ///
    /// # Shapes
    ///
    /// - input and output: `[batch, tokens, d_model]`
    pub fn record(&self, x: Tensor<3>) -> (Tensor<3>, MlpTape) {
        let hidden = linear(&self.fc1, x.clone());
        let y = linear(&self.fc2, self.activate(hidden.clone()));
        (y, MlpTape { x, hidden })
    }

    /// The gradient at the input, given the one at the result; notes those of the parameters. In closed
    /// form, outside any graph; the activation is computed again.
    ///
    /// # Shapes
    ///
    /// - dy and output: `[batch, tokens, d_model]`, f32
    pub fn backward(
        &self,
        tape: MlpTape,
        dy: Tensor<3>,
        gradients: &mut ParameterGradients,
    ) -> Tensor<3> {
        let MlpTape { x, hidden } = tape;
        let active = self.activate(hidden.clone());
        let dy = linear_backward(&self.fc2, active, dy, gradients);
        let dy = match self.approximate_gelu {
            true => gelu_tanh_backward(hidden, dy),
            false => gelu_backward(hidden, dy),
        };
        linear_backward(&self.fc1, x, dy, gradients)
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

    #[test]
    fn the_way_back_is_that_of_the_graph() {
        use burn::tensor::{Distribution, Tolerance};
        let device = Device::default();
        for approximate in [true, false] {
            let config = MlpConfig::new(6, 21).with_approximate_gelu(approximate);
            let layer = config.init(&device.clone().autodiff());
            let random = || Tensor::random([2, 5, 6], Distribution::Normal(0.0, 1.0), &device);
            let (x, dy): (Tensor<3>, Tensor<3>) = (random(), random());
            let leaf = Tensor::from_inner(x.clone()).require_grad();
            let loss = layer.forward(leaf.clone()) * Tensor::from_inner(dy.clone());
            let graph = loss.sum().backward();

            let (_, tape) = layer.valid().record(x);
            let mut gradients = ParameterGradients::default();
            let dx = layer.valid().backward(tape, dy, &mut gradients);
            let near = Tolerance::relative(1e-4).set_absolute(1e-5);
            let expected = leaf.grad(&graph).unwrap().into_data();
            dx.into_data().assert_approx_eq::<f32>(&expected, near);
            for (layer, got) in [&layer.fc2, &layer.fc1].into_iter().zip(gradients.matrices) {
                assert_eq!(layer.weight.id, got.0);
                let expected = layer.weight.val().grad(&graph).unwrap().into_data();
                got.1.into_data().assert_approx_eq::<f32>(&expected, near);
            }
            for (layer, got) in [&layer.fc2, &layer.fc1].into_iter().zip(gradients.vectors) {
                let bias = layer.bias.as_ref().unwrap();
                assert_eq!(bias.id, got.0);
                let expected = bias.val().grad(&graph).unwrap().into_data();
                got.1.into_data().assert_approx_eq::<f32>(&expected, near);
            }
        }
    }
}
