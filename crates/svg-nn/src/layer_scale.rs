//! A learned factor per channel on a residual branch.

use burn::module::Param;
use burn::nn::Initializer;
use burn::prelude::*;
use svg_kernels::gated_sum;

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

    /// `x + gamma * branch` in f32, the residual connection around a scaled branch.
    ///
    /// # Shapes
    ///
    /// - x, branch and output: `[batch, tokens, d_model]`
    pub fn add(&self, x: Tensor<3>, branch: Tensor<3>) -> Tensor<3> {
        gated_sum(x, self.gamma.val().unsqueeze(), branch)
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
    fn the_sum_is_that_of_the_scaled_branch() {
        let device = Default::default();
        let mut layer = LayerScaleConfig::new(2).init(&device);
        layer.gamma = Param::from_tensor(Tensor::from_floats([2.0, -1.0], &device));
        let x = Tensor::<3>::from_floats([[[1.0, 3.0], [5.0, 7.0]]], &device);
        let want = (x.clone() + layer.forward(x.clone() * 0.3)).into_data();
        let got = layer.add(x.clone(), x * 0.3).into_data();
        got.assert_eq(&want, true);
    }
}
