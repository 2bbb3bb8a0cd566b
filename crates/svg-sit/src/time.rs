//! The time as a condition.

use burn::nn::Linear;
use burn::prelude::*;
use burn::tensor::activation::silu;
use burn::tensor::{DType, TensorData};
use svg_nn::linear;

use crate::init;

/// Cosines of a time, and sines.
const HALF: usize = 128;

/// `fc2(silu(fc1(wave(t))))` with `wave(t) = [cos(t f_0), ..., cos(t f_127), sin(t f_0), ...]` and
/// `f_i = 10000^(-i / 128)`.
///
/// The time is in [0, 1] and not multiplied by 1000, as in SiT's and SVG's released code: only the first
/// few frequencies tell times apart.
#[derive(Module, Debug)]
pub struct TimeEmbedder {
    /// From 256 waves to `d_model`. `mlp.0` in the checkpoint.
    pub fc1: Linear,
    /// From `d_model` to `d_model`. `mlp.2` in the checkpoint.
    pub fc2: Linear,
}

impl TimeEmbedder {
    pub(crate) fn new(d_model: usize, device: &Device) -> Self {
        Self {
            fc1: init::linear(2 * HALF, d_model, init::small(), device),
            fc2: init::linear(d_model, d_model, init::small(), device),
        }
    }

    /// # Shapes
    ///
    /// - t: `[batch]`, f32
    /// - output: `[batch, d_model]`, f32
    pub fn forward(&self, t: Tensor<1>) -> Tensor<2> {
        let hidden = silu(linear(&self.fc1, waves(t))); // [batch, d_model]
        linear(&self.fc2, hidden).cast(DType::F32)
    }
}

/// `[batch]` to `[batch, 256]`.
fn waves(t: Tensor<1>) -> Tensor<2> {
    let [batch] = t.dims();
    let frequencies = TensorData::new(frequencies(), [1, HALF]);
    let frequencies = Tensor::<2>::from_data(frequencies, &t.device());
    let angles = t.reshape([batch, 1]) * frequencies; // [batch, 128]
    Tensor::cat(vec![angles.clone().cos(), angles.sin()], 1)
}

/// The exponents are rounded to f32, as the published code has them.
fn frequencies() -> Vec<f32> {
    let frequency = |i: usize| {
        let exponent = -(10000f64.ln() as f32) * i as f32 / HALF as f32;
        f64::from(exponent).exp() as f32
    };
    (0..HALF).map(frequency).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waves_of_known_times_are_known_numbers() {
        let t = Tensor::<1>::from_data([0.5, 0.25, 1.0], &Device::default());
        let got: Vec<f32> = waves(t).into_data().iter().collect();
        for (row, channel, want) in [
            (0, 0, 0.877_582_6),
            (0, 1, 0.893_693_3),
            (0, 127, 1.0),
            (0, 128, 0.479_425_5),
            (0, 129, 0.448_678_4),
            (0, 255, 5.37e-5),
            (1, 0, 0.968_912_4),
            (1, 128, 0.247_404),
            (2, 0, 0.540_302_3),
            (2, 128, 0.841_471),
        ] {
            let got = got[row * 2 * HALF + channel];
            assert!((got - want).abs() < 1e-6, "{got} for {want} at {channel}");
        }
    }

    #[test]
    fn a_time_has_a_condition_of_its_own() {
        let device = Device::default();
        let embedder = TimeEmbedder::new(16, &device);
        let alone = |t: f32| embedder.forward(Tensor::from_data([t], &device));
        let together = embedder.forward(Tensor::from_data([0.2, 0.9], &device));
        let apart = Tensor::cat(vec![alone(0.2), alone(0.9)], 0);
        let difference: f32 = (together - apart).abs().max().into_scalar();
        assert!(difference < 1e-6, "{difference}");
    }
}
