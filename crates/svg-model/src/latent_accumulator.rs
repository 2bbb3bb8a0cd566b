//! Latent statistics over any number of batches.

use burn::prelude::*;
use svg_residual::Accumulator;

use crate::LatentStatistics;

/// The moments of the features of a data set, for each channel, in f64 on the host.
///
/// It does not matter how the data were cut into batches or spread over workers. Deviations are unbiased,
/// over `n - 1`, as those of `torch.std`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LatentAccumulator(Accumulator);

impl LatentAccumulator {
    /// Of no tokens yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in every token of a batch.
    ///
    /// # Shapes
    ///
    /// - features: `[batch, tokens, channels]`
    ///
    /// # Panics
    ///
    /// If the number of channels is not that of earlier batches.
    pub fn push(&mut self, features: Tensor<3>) {
        self.0.push(features);
    }

    /// Takes in everything that another accumulator has seen.
    ///
    /// # Panics
    ///
    /// If both have seen tokens, of different numbers of channels.
    pub fn merge(&mut self, other: Self) {
        self.0.merge(other.0);
    }

    /// How many tokens were seen.
    pub fn tokens(&self) -> u64 {
        self.0.count()
    }

    /// The statistics; `None` before the second token.
    pub fn statistics(&self) -> Option<LatentStatistics> {
        let deviations = self.0.deviations()?;
        Some(LatentStatistics {
            mean: self.0.means().to_vec(),
            std: deviations,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_are_those_of_each_channel_with_unbiased_deviations() {
        let device = Device::default();
        let mut all = LatentAccumulator::new();
        assert_eq!(all.statistics(), None);
        all.push(Tensor::from_data([[[1.0f32, 10.0], [2.0, 10.5]]], &device));
        let mut other = LatentAccumulator::new();
        other.push(Tensor::from_data(
            [[[3.0f32, 11.0]], [[6.0, 12.5]]],
            &device,
        ));
        all.merge(other);
        let LatentStatistics { mean, std } = all.statistics().unwrap();
        assert_eq!(all.tokens(), 4);
        assert_eq!(mean, [3.0, 11.0]);
        // Sums of squares 14 and 3.5, over three.
        for (found, expected) in std.iter().zip([14.0 / 3.0, 3.5 / 3.0]) {
            assert!((found - f64::sqrt(expected)).abs() < 1e-15, "{found}");
        }
    }
}
