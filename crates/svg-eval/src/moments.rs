//! Mean and covariance of features.

use burn::prelude::*;
use faer::Mat;

/// Accumulates the mean and the full matrix of squared deviations of features, in f64 on the host.
///
/// Partial results are merged by the update of Chan, Golub and LeVeque (1979), so except for rounding in f64
/// the result does not depend on batches, their order, or their distribution over machines. Memory is one
/// matrix of `channels * channels` numbers.
///
/// ```
/// use burn::prelude::*;
/// use svg_eval::Moments;
///
/// let mut moments = Moments::new();
/// moments.push(Tensor::from_floats([[0.0, 0.0], [2.0, 4.0]], &Default::default()));
/// assert_eq!((moments.count(), moments.mean()), (2, &[1.0, 2.0][..]));
/// assert_eq!(moments.covariance(0, 1), 4.0);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Moments {
    pub(crate) count: u64,
    pub(crate) mean: Vec<f64>,
    /// Sum over features of `(x - mean)(x - mean)^T`, row by row.
    pub(crate) squares: Vec<f64>,
}

impl Moments {
    /// Creates empty moments.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds features.
    ///
    /// # Shapes
    ///
    /// - features: `[n, channels]`
    ///
    /// # Panics
    ///
    /// If the number of channels differs from earlier features.
    pub fn push(&mut self, features: Tensor<2>) {
        let [_, channels] = features.dims();
        let data = features.into_data().convert::<f64>();
        let values = data.try_to_vec::<f64>().expect("converted to f64");
        self.push_values(&values, channels);
    }

    /// Adds features on the host, given row by row.
    ///
    /// # Panics
    ///
    /// If the number of channels is zero, differs from earlier features, or does not divide the number of values.
    pub fn push_values(&mut self, values: &[f64], channels: usize) {
        let (count, rest) = (values.len() / channels, values.len() % channels);
        assert!(
            rest == 0,
            "the last feature has {rest} of {channels} channels"
        );
        if count == 0 {
            return;
        }
        let mut mean = vec![0.0; channels];
        for row in values.chunks_exact(channels) {
            mean.iter_mut()
                .zip(row)
                .for_each(|(mean, value)| *mean += value);
        }
        mean.iter_mut().for_each(|mean| *mean /= count as f64);
        let deviations = Mat::from_fn(count, channels, |row, channel| {
            values[row * channels + channel] - mean[channel]
        });
        let squares = deviations.transpose() * &deviations;
        self.merge(&Self {
            count: count as u64,
            mean,
            squares: (0..channels * channels)
                .map(|at| squares[(at / channels, at % channels)])
                .collect(),
        });
    }

    /// Adds the features of other moments.
    ///
    /// # Panics
    ///
    /// If neither is empty and their numbers of channels differ.
    pub fn merge(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        if self.count == 0 {
            *self = other.clone();
            return;
        }
        let (ours, theirs) = (self.channels(), other.channels());
        assert!(
            ours == theirs,
            "features of {theirs} channels after features of {ours}"
        );
        let (n, m) = (self.count as f64, other.count as f64);
        let steps = other.mean.iter().zip(&self.mean);
        let steps: Vec<f64> = steps.map(|(other, own)| other - own).collect();
        let weight = n * m / (n + m);
        for (at, square) in self.squares.iter_mut().enumerate() {
            let product = steps[at / ours] * steps[at % ours];
            *square += other.squares[at] + product * weight;
        }
        for (mean, step) in self.mean.iter_mut().zip(&steps) {
            *mean += step * m / (n + m);
        }
        self.count += other.count;
    }

    /// Number of features.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Number of channels of a feature; 0 if there are no features.
    pub fn channels(&self) -> usize {
        self.mean.len()
    }

    /// Mean of each channel.
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// Entry of the unbiased covariance, which divides by `count - 1`.
    ///
    /// # Panics
    ///
    /// If a channel is not below [`channels`](Self::channels).
    pub fn covariance(&self, row: usize, column: usize) -> f64 {
        self.squares[row * self.channels() + column] / (self.count as f64 - 1.0)
    }

    /// Whether all features were finite.
    pub(crate) fn is_finite(&self) -> bool {
        self.mean.iter().chain(&self.squares).all(|v| v.is_finite())
    }

    /// Whether there are more features than channels. Otherwise the covariance is singular and distances are
    /// far too large.
    pub fn is_enough(&self) -> bool {
        self.count > self.channels() as u64
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Distribution, TensorData};

    use super::*;

    fn features(count: usize, channels: usize) -> Vec<f32> {
        let shape = [count, channels];
        let drawn = Tensor::<2>::random(shape, Distribution::Default, &Device::default());
        let scaled = drawn.cumsum(1) * 3.0 + 100.0;
        scaled.into_data().try_into_vec().unwrap()
    }

    fn tensor(values: &[f32], channels: usize) -> Tensor<2> {
        let shape = [values.len() / channels, channels];
        Tensor::from_data(TensorData::new(values.to_vec(), shape), &Device::default())
    }

    fn of(values: &[f32], channels: usize) -> Moments {
        let mut moments = Moments::new();
        moments.push(tensor(values, channels));
        moments
    }

    fn assert_close(one: &Moments, other: &Moments) {
        assert_eq!(one.count, other.count);
        let both = one.mean.iter().zip(&other.mean);
        for (a, b) in both.chain(one.squares.iter().zip(&other.squares)) {
            assert!((a - b).abs() <= 1e-9 * a.abs().max(1.0), "{a} and {b}");
        }
    }

    #[test]
    fn merged_shards_equal_the_whole() {
        let values = features(83, 5);
        let whole = of(&values, 5);
        let mut merged = Moments::new();
        for shard in values.chunks(11 * 5) {
            merged.merge(&of(shard, 5));
        }
        assert_close(&whole, &merged);
        merged.merge(&Moments::new());
        assert_close(&whole, &merged);
    }

    #[test]
    fn moments_do_not_depend_on_the_order_of_features() {
        let values = features(40, 3);
        let mut reversed = Moments::new();
        for row in values.chunks_exact(3).rev() {
            reversed.push(tensor(row, 3));
        }
        assert_close(&of(&values, 3), &reversed);
    }

    #[test]
    fn moments_equal_values_computed_by_hand() {
        let moments = of(&[1.0, 0.0, 3.0, 1.0, 5.0, 5.0], 2);
        assert_eq!(moments.mean(), [3.0, 2.0]);
        assert_eq!(moments.covariance(0, 0), 4.0);
        assert_eq!(moments.covariance(1, 1), 7.0);
        assert_eq!(moments.covariance(0, 1), 5.0);
        assert_eq!(moments.covariance(1, 0), 5.0);
        assert!(moments.is_enough() && !of(&[1.0, 0.0, 3.0, 1.0], 2).is_enough());
    }

    #[test]
    #[should_panic(expected = "features of 3 channels after features of 2")]
    fn merging_different_numbers_of_channels_panics() {
        let mut moments = of(&[1.0, 2.0], 2);
        moments.merge(&of(&[1.0, 2.0, 3.0], 3));
    }
}
