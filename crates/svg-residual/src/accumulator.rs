//! Exact moments over any number of batches.

use burn::prelude::*;

use crate::Moments;

/// Accumulates the moments of a data set: the count and, for each channel, a mean and a sum of squared
/// deviations, in f64 on the host.
///
/// Partial results are combined with the pairwise update of Chan, Golub and LeVeque (1979), so the data may
/// be divided into batches and over workers in any way.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Accumulator {
    count: u64,
    means: Vec<f64>,
    squares: Vec<f64>,
}

impl Accumulator {
    /// Creates an empty accumulator.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds all tokens of a batch.
    ///
    /// # Shapes
    ///
    /// - tokens: `[batch, tokens, channels]`
    ///
    /// # Panics
    ///
    /// If the number of channels differs from earlier batches.
    pub fn push(&mut self, tokens: Tensor<3>) {
        let [batch, count, channels] = tokens.dims();
        let rows = batch * count;
        if rows == 0 {
            return;
        }
        let data = tokens.into_data().convert::<f64>();
        let values = data.try_to_vec::<f64>().expect("converted to f64");
        let mut means = vec![0.0; channels];
        for row in values.chunks_exact(channels) {
            means.iter_mut().zip(row).for_each(|(mean, v)| *mean += v);
        }
        means.iter_mut().for_each(|mean| *mean /= rows as f64);
        let mut squares = vec![0.0; channels];
        for row in values.chunks_exact(channels) {
            for ((square, mean), value) in squares.iter_mut().zip(&means).zip(row) {
                *square += (value - mean).powi(2);
            }
        }
        self.merge(Self {
            count: rows as u64,
            means,
            squares,
        });
    }

    /// Adds the tokens of another accumulator.
    ///
    /// # Panics
    ///
    /// If neither is empty and their numbers of channels differ.
    pub fn merge(&mut self, other: Self) {
        if other.count == 0 {
            return;
        }
        if self.count == 0 {
            *self = other;
            return;
        }
        let (ours, theirs) = (self.means.len(), other.means.len());
        assert!(
            ours == theirs,
            "tokens of {theirs} channels after tokens of {ours}"
        );
        let (n, m) = (self.count as f64, other.count as f64);
        for channel in 0..ours {
            let step = other.means[channel] - self.means[channel];
            self.means[channel] += step * m / (n + m);
            self.squares[channel] += other.squares[channel] + step * step * n * m / (n + m);
        }
        self.count += other.count;
    }

    /// Mean and unbiased deviation of each channel, averaged over channels; `None` if there are fewer than
    /// two tokens.
    pub fn moments(&self) -> Option<Moments> {
        let deviations = self.deviations()?;
        let channels = self.means.len() as f64;
        Some(Moments {
            mean: self.means.iter().sum::<f64>() / channels,
            std: deviations.iter().sum::<f64>() / channels,
        })
    }

    /// Number of tokens.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Mean of each channel; empty if there are no tokens.
    pub fn means(&self) -> &[f64] {
        &self.means
    }

    /// Unbiased deviation of each channel; `None` if there are fewer than two tokens.
    pub fn deviations(&self) -> Option<Vec<f64>> {
        let deviation = |square: &f64| (square / (self.count - 1) as f64).sqrt();
        (self.count > 1).then(|| self.squares.iter().map(deviation).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Distribution;

    fn random(batch: usize) -> Tensor<3> {
        let device = Device::default();
        Tensor::random([batch, 7, 5], Distribution::Normal(3.0, 2.0), &device)
    }

    fn of(batches: &[&Tensor<3>]) -> Accumulator {
        let mut accumulator = Accumulator::new();
        for batch in batches {
            accumulator.push((*batch).clone());
        }
        accumulator
    }

    fn check(accumulator: &Accumulator, expected: Moments, tolerance: f64) {
        let moments = accumulator.moments().expect("there are tokens");
        let off = (moments.mean - expected.mean).abs();
        let off = off.max((moments.std - expected.std).abs());
        assert!(off < tolerance, "off by {off:e}");
    }

    #[test]
    fn two_batches_equal_their_concatenation() {
        let (a, b) = (random(2), random(5) * 0.1);
        let both = Tensor::cat(vec![a.clone(), b.clone()], 0);
        let whole = of(&[&both]).moments().expect("there are tokens");
        check(&of(&[&a, &b]), whole, 1e-12);
        check(&of(&[&b, &a]), whole, 1e-12);
        let mut merged = of(&[&a]);
        merged.merge(of(&[&b]));
        check(&merged, whole, 1e-12);
        // The device computes in f32.
        check(&merged, Moments::of(both), 1e-5);
    }

    #[test]
    fn merging_an_empty_accumulator_changes_nothing() {
        let one = of(&[&random(2)]);
        let mut left = Accumulator::new();
        left.merge(one.clone());
        let mut right = one.clone();
        right.merge(Accumulator::new());
        assert_eq!(left, one);
        assert_eq!(right, one);
        assert_eq!(Accumulator::new().moments(), None);
    }

    #[test]
    #[should_panic(expected = "tokens of 3 channels after tokens of 5")]
    fn another_number_of_channels_panics() {
        let mut accumulator = of(&[&random(1)]);
        accumulator.push(Tensor::zeros([1, 2, 3], &Default::default()));
    }
}
