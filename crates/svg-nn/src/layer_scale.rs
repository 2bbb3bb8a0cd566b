//! A learned factor per channel on a residual branch.

use burn::module::Param;
use burn::nn::Initializer;
use burn::prelude::*;

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
}
