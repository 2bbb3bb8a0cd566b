//! Mean and covariance of features.

use burn::prelude::*;
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;

/// Rows that are added at once, as f64.
const ROWS: usize = 1024;
/// Rows of the matrix of squares that a thread updates at once.
const BAND: usize = 256;

/// Accumulates the mean and the full matrix of squared deviations of features, in f64 on the host.
///
/// Partial results are merged by the update of Chan, Golub and LeVeque (1979), so except for rounding in f64
/// the result does not depend on batches, their order, or their distribution over machines. For the same batches it
/// is the same on any number of threads. Memory is one matrix of `channels * channels` numbers, which every call of
/// `push` passes over, so large batches are faster.
///
/// Published references are often a mean and a covariance without the number of their images
/// ([`from_mean_and_covariance`](Self::from_mean_and_covariance)). Such moments can be compared but not merged.
///
/// ```
/// use burn::prelude::*;
/// use svg_eval::Moments;
///
/// let mut moments = Moments::new();
/// moments.push(Tensor::from_floats([[0.0, 0.0], [2.0, 4.0]], &Default::default()));
/// assert_eq!((moments.count(), moments.mean()), (Some(2), &[1.0, 2.0][..]));
/// assert_eq!(moments.covariance(0, 1), 4.0);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Moments {
    /// 0 if there are no features, or if their number is not known: then `squares` is the covariance.
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
    /// If the number of channels differs from earlier features, or the number of earlier features is not known.
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
    /// If the number of channels is zero, differs from earlier features, or does not divide the number of values, or if
    /// the number of earlier features is not known.
    pub fn push_values(&mut self, values: &[f64], channels: usize) {
        self.add(values, channels);
    }

    /// Adds features in f32 on the host, given row by row.
    ///
    /// # Panics
    ///
    /// As [`push_values`](Self::push_values).
    pub fn push_rows(&mut self, values: &[f32], channels: usize) {
        self.add(values, channels);
    }

    fn add<T: Copy + Into<f64>>(&mut self, values: &[T], channels: usize) {
        let rest = values.len() % channels;
        assert!(
            rest == 0,
            "the last feature has {rest} of {channels} channels"
        );
        if values.is_empty() {
            return;
        }
        self.assert_counted();
        if self.count == 0 {
            self.mean = vec![0.0; channels];
            self.squares = vec![0.0; channels * channels];
        }
        self.assert_channels(channels);
        for rows in values.chunks(ROWS * channels) {
            self.add_rows(rows);
        }
        mirror(&mut self.squares, channels);
    }

    /// Adds rows to the mean, and to the lower triangle of the squares.
    fn add_rows<T: Copy + Into<f64>>(&mut self, values: &[T]) {
        let channels = self.mean.len();
        let count = values.len() / channels;
        let mut rows: Vec<f64> = values.iter().map(|value| (*value).into()).collect();
        let mut mean = vec![0.0; channels];
        for row in rows.chunks_exact(channels) {
            mean.iter_mut()
                .zip(row)
                .for_each(|(mean, value)| *mean += value);
        }
        mean.iter_mut().for_each(|mean| *mean /= count as f64);
        for row in rows.chunks_exact_mut(channels) {
            row.iter_mut()
                .zip(&mean)
                .for_each(|(value, mean)| *value -= mean);
        }
        // The step between both means adds its own square, as one more row.
        let (n, m) = (self.count as f64, count as f64);
        let weight = (n * m / (n + m)).sqrt();
        let steps = mean.iter().zip(&self.mean);
        rows.extend(steps.map(|(mean, own)| (mean - own) * weight));
        for (own, mean) in self.mean.iter_mut().zip(&mean) {
            *own += (mean - *own) * (m / (n + m));
        }
        self.count += count as u64;

        let rows = MatRef::from_column_major_slice(&rows, channels, count + 1);
        let bands = self.squares.par_chunks_mut(BAND * channels);
        bands.enumerate().for_each(|(index, band)| {
            let (first, height) = (index * BAND, band.len() / channels);
            let left = rows.subrows(first, height);
            let right = rows.subrows(0, first + height).transpose();
            let band = MatMut::from_row_major_slice_mut(band, height, channels);
            let lower = band.subcols_mut(0, first + height);
            matmul(lower, Accum::Add, left, right, 1.0, Par::Seq);
        });
    }

    /// Adds the features of other moments.
    ///
    /// # Panics
    ///
    /// If neither is empty, and their numbers of channels differ or a number of features is not known.
    pub fn merge(&mut self, other: &Self) {
        if other.channels() == 0 {
            return;
        }
        if self.channels() == 0 {
            *self = other.clone();
            return;
        }
        self.assert_counted();
        other.assert_counted();
        self.assert_channels(other.channels());
        let ours = self.channels();
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

    /// Number of features. `None` if it is not known, because only the mean and the covariance were given.
    pub fn count(&self) -> Option<u64> {
        (self.count > 0 || self.mean.is_empty()).then_some(self.count)
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
        self.squares[row * self.channels() + column] / self.divisor()
    }

    /// The unbiased covariance, row by row. Its entries are not finite if there are fewer than two features.
    pub fn covariance_matrix(&self) -> Vec<f64> {
        let divisor = self.divisor();
        self.squares.iter().map(|square| square / divisor).collect()
    }

    fn divisor(&self) -> f64 {
        self.count().map_or(1.0, |count| count as f64 - 1.0)
    }

    /// Whether all features were finite.
    pub(crate) fn is_finite(&self) -> bool {
        self.mean.iter().chain(&self.squares).all(|v| v.is_finite())
    }

    /// Whether there are more features than channels. Otherwise the covariance is singular and distances are
    /// far too large.
    ///
    /// Features whose number is not known are taken to be enough.
    pub fn is_enough(&self) -> bool {
        self.count()
            .is_none_or(|count| count > self.channels() as u64)
    }

    fn assert_counted(&self) {
        assert!(
            self.count().is_some(),
            "nothing can be added to moments whose number of features is not known"
        );
    }

    fn assert_channels(&self, theirs: usize) {
        let ours = self.channels();
        assert!(
            ours == theirs,
            "features of {theirs} channels after features of {ours}"
        );
    }
}

/// Copies the lower triangle of a square matrix to the upper one, in tiles that stay in the processor's cache.
fn mirror(matrix: &mut [f64], size: usize) {
    const TILE: usize = 32;
    for top in (0..size).step_by(TILE) {
        for left in (0..=top).step_by(TILE) {
            for row in top..(top + TILE).min(size) {
                for column in left..(left + TILE).min(row) {
                    matrix[column * size + row] = matrix[row * size + column];
                }
            }
        }
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
    fn moments_do_not_depend_on_the_number_of_threads() {
        let values = features(2100, 300);
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
            pool.build().unwrap().install(|| {
                let mut moments = Moments::new();
                moments.push_rows(&values, 300);
                moments
            })
        };
        let one = with(1);
        assert_eq!(one, with(3));
        // The same by the definition.
        let channel = |c: usize| values.iter().skip(c).step_by(300).map(|v| f64::from(*v));
        for (a, b) in [(0, 0), (7, 290), (299, 258)] {
            let mean = |c| channel(c).sum::<f64>() / 2100.0;
            let (of_a, of_b) = (mean(a), mean(b));
            let products = channel(a)
                .zip(channel(b))
                .map(|(x, y)| (x - of_a) * (y - of_b));
            let expected = products.sum::<f64>() / 2099.0;
            let found = one.covariance(a, b);
            assert!(
                (found - expected).abs() < 1e-9 * expected.abs(),
                "{found}, not {expected}"
            );
            assert_eq!(found, one.covariance(b, a));
            assert_eq!(found, one.covariance_matrix()[a * 300 + b]);
        }
    }

    #[test]
    #[should_panic(expected = "features of 3 channels after features of 2")]
    fn merging_different_numbers_of_channels_panics() {
        let mut moments = of(&[1.0, 2.0], 2);
        moments.merge(&of(&[1.0, 2.0, 3.0], 3));
    }
}
