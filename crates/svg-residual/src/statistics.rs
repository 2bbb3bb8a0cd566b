//! Statistics for the alignment.

use burn::prelude::*;
use burn::tensor::DType;
use serde::{Deserialize, Serialize};

/// Mean and standard deviation of tokens, averaged over channels.
///
/// The deviation is the mean of the channels' deviations, not the deviation of all values.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Moments {
    /// Mean over channels of the channels' means.
    pub mean: f64,
    /// Mean over channels of the channels' unbiased standard deviations.
    pub std: f64,
}

/// Moments of the semantic features and of the residual.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statistics {
    /// Moments of the frozen encoder's tokens.
    pub semantic: Moments,
    /// Moments of the residual before alignment.
    pub residual: Moments,
}

impl Moments {
    /// Moments of a batch: mean and unbiased deviation of each channel over batch and tokens, averaged over
    /// channels. No gradient flows through them.
    ///
    /// # Shapes
    ///
    /// - tokens: `[batch, tokens, channels]`
    ///
    /// # Panics
    ///
    /// If there are fewer than two tokens in all, since their deviation is undefined.
    pub fn of(tokens: Tensor<3>) -> Self {
        let [mean, std] = read(scalars(tokens));
        Self { mean, std }
    }
}

impl Statistics {
    /// Moments of the two parts of a batch, as the published code uses for the alignment.
    ///
    /// # Shapes
    ///
    /// - semantic and residual: `[batch, tokens, channels]`, on one device; the channels may differ
    ///
    /// # Panics
    ///
    /// As [`Moments::of`].
    pub fn of(semantic: Tensor<3>, residual: Tensor<3>) -> Self {
        // Both are read in one synchronisation with the device.
        let [semantic, residual] = [semantic, residual].map(scalars);
        let [a, b, c, d] = read(Tensor::cat(vec![semantic, residual], 0));
        let moments = |mean, std| Moments { mean, std };
        Self {
            semantic: moments(a, b),
            residual: moments(c, d),
        }
    }
}

/// Mean and deviation on the device. tokens: `[batch, tokens, channels]`; output: `[2]`
fn scalars(tokens: Tensor<3>) -> Tensor<1> {
    let [batch, count, channels] = tokens.dims();
    let rows = batch * count;
    assert!(rows > 1, "a deviation needs two tokens, got {rows}");
    let values = tokens.detach().cast(DType::F32).reshape([rows, channels]);
    let std = values.clone().var(0).sqrt().mean(); // divides by rows - 1
    Tensor::cat(vec![values.mean_dim(0).mean(), std], 0)
}

fn read<const N: usize>(numbers: Tensor<1>) -> [f64; N] {
    let data = numbers.into_data().convert::<f64>();
    let numbers = data.try_to_vec::<f64>().expect("converted to f64");
    numbers.try_into().expect("N numbers")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deviation_is_unbiased_and_averaged_over_channels() {
        // Channels {0, 2, 4, 6} and {5, 5, 5, 5}: deviations sqrt(20 / 3) and 0.
        let tokens = Tensor::<3>::from_floats(
            [[[0.0, 5.0], [2.0, 5.0]], [[4.0, 5.0], [6.0, 5.0]]],
            &Default::default(),
        );
        let moments = Moments::of(tokens);
        assert!((moments.mean - 4.0).abs() < 1e-6);
        assert!((moments.std - (20.0f64 / 3.0).sqrt() / 2.0).abs() < 1e-6);
    }

    #[test]
    fn semantic_and_residual_moments_are_separate() {
        let device = Default::default();
        let wave = |channels: usize, speed: f32| {
            let count = 2 * 5 * channels;
            let wave = Tensor::<1, Int>::arange(0..count as i64, &device).float();
            (wave * speed).sin().reshape([2, 5, channels])
        };
        let (semantic, residual) = (wave(6, 0.7), wave(3, 1.9));
        let statistics = Statistics::of(semantic.clone(), residual.clone());
        assert_eq!(statistics.semantic, Moments::of(semantic));
        assert_eq!(statistics.residual, Moments::of(residual));
    }

    #[test]
    #[should_panic(expected = "a deviation needs two tokens, got 1")]
    fn moments_of_one_token_panic() {
        Moments::of(Tensor::zeros([1, 1, 4], &Default::default()));
    }
}
