//! A learned factor per channel on a residual branch.

use burn::module::Param;
use burn::nn::Initializer;
use burn::prelude::*;
use burn::tensor::DType;

use crate::ParameterGradients;
use crate::kernel::column_sums;

/// Configuration of [`LayerScale`].
#[derive(Config, Debug)]
pub struct LayerScaleConfig {
    /// Number of channels.
    pub d_model: usize,
    /// The factor at initialisation. Small values start a deep network near the identity.
    /// Default: 1e-5
    #[config(default = 1e-5)]
    pub initial: f64,
}

/// `y = gamma * x`, one learned factor per channel (Touvron et al., "Going deeper with Image
/// Transformers", 2021).
#[derive(Module, Debug)]
pub struct LayerScale {
    /// The factors, `[d_model]`.
    pub gamma: Param<Tensor<1>>,
}

impl LayerScaleConfig {
    /// Initialises the layer.
    pub fn init(&self, device: &Device) -> LayerScale {
        let initial = Initializer::Constant {
            value: self.initial,
        };
        LayerScale {
            gamma: initial.init([self.d_model], device),
        }
    }
}

impl LayerScale {
    /// Multiplies every channel by its factor.
    ///
    /// # Shapes
    ///
    /// - input and output: `[batch, tokens, d_model]`
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        x * self.gamma.val().unsqueeze()
    }

    /// The gradient at the input, given the one at the result; notes that of the factors. In closed form,
    /// outside any graph.
    ///
    /// # Shapes
    ///
    /// - x, dy and output: `[batch, tokens, d_model]`
    pub fn backward(
        &self,
        x: Tensor<3>,
        dy: Tensor<3>,
        gradients: &mut ParameterGradients,
    ) -> Tensor<3> {
        let of_gamma = column_sums(dy.clone() * x.cast(DType::F32));
        gradients.vectors.push((self.gamma.id, of_gamma));
        self.forward(dy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_channel_gets_its_own_factor() {
        let device = Default::default();
        let mut layer = LayerScaleConfig::new(2).init(&device);
        layer.gamma = Param::from_tensor(Tensor::from_floats([2.0, -1.0], &device));
        let y = layer.forward(Tensor::from_floats([[[1.0, 3.0], [5.0, 7.0]]], &device));
        y.into_data().assert_eq(
            &burn::tensor::TensorData::from([[[2.0f32, -3.0], [10.0, -7.0]]]),
            true,
        );
    }

    #[test]
    fn the_way_back_is_that_of_the_graph() {
        use burn::tensor::{Distribution, Tolerance};
        let device = Device::default();
        let config = LayerScaleConfig::new(5).with_initial(0.7);
        let layer = config.init(&device.clone().autodiff());
        let random = || Tensor::random([2, 3, 5], Distribution::Normal(0.0, 1.0), &device);
        let (x, dy): (Tensor<3>, Tensor<3>) = (random(), random());
        let leaf = Tensor::from_inner(x.clone()).require_grad();
        let loss = layer.forward(leaf.clone()) * Tensor::from_inner(dy.clone());
        let graph = loss.sum().backward();
        let mut gradients = ParameterGradients::default();
        let dx = layer.valid().backward(x, dy, &mut gradients);
        let near = Tolerance::relative(1e-5).set_absolute(1e-6);
        let expected = leaf.grad(&graph).unwrap().into_data();
        dx.into_data().assert_approx_eq::<f32>(&expected, near);
        let (id, got) = gradients.vectors.remove(0);
        assert_eq!(id, layer.gamma.id);
        let expected = layer.gamma.val().grad(&graph).unwrap().into_data();
        got.into_data().assert_approx_eq::<f32>(&expected, near);
    }
}
