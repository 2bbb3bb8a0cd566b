//! Intervals of metrics.

use faer::{Accum, Mat, MatRef, Par, linalg::matmul::matmul};
use rayon::prelude::*;
use svg_store::Random;

use crate::frechet::{Factor, distance_of};
use crate::sets::inception_score::{check, score, softmax};
use crate::sets::summary::mean;
use crate::{Features, FeaturesError, FrechetError, Moments, Splits};

/// Purpose of the generator's key.
const RESAMPLE: u64 = 0x7265_7361_6d70_6c65;
/// Resamples of a part at once.
const AT_ONCE: usize = 64;

/// How an interval was computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntervalMethod {
    /// Percentiles of the metric over resamples of the images with replacement (Efron, 1979).
    Bootstrap {
        /// Number of resamples.
        resamples: usize,
    },
    /// Percentiles of the metric over subsets without replacement, moved to the metric of all images and scaled to
    /// their number (Politis and Romano, 1994).
    Subsampling {
        /// Number of subsets.
        subsets: usize,
        /// Images of each.
        size: usize,
    },
}

/// An interval for a metric, over the choice of the images alone: neither the reference nor the network varies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Share of repetitions that an interval should cover, such as 0.95.
    pub level: f64,
    /// How it was computed.
    pub method: IntervalMethod,
}

/// How often, at which level and with which seed is resampled. Equal values give equal intervals on every machine.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Resampling {
    /// Number of resamples or subsets. Default: 1000.
    pub count: usize,
    /// Level of the interval. Default: 0.95.
    pub level: f64,
    /// Seed. Default: 0.
    pub seed: u64,
}

impl Default for Resampling {
    fn default() -> Self {
        Self {
            count: 1000,
            level: 0.95,
            seed: 0,
        }
    }
}

impl Resampling {
    fn assert_valid(&self) {
        let Self { count, level, .. } = *self;
        assert!(count > 1, "{count} resamples make no interval");
        assert!(
            level > 0.0 && level < 1.0,
            "the level {level} is not between 0 and 1"
        );
    }

    fn random(&self, part: usize, index: usize) -> Random {
        Random::keyed([RESAMPLE, self.seed, part as u64, index as u64])
    }

    /// The interval between percentiles.
    fn percentiles(&self, mut values: Vec<f64>, method: IntervalMethod) -> Interval {
        values.sort_unstable_by(f64::total_cmp);
        let tail = (1.0 - self.level) / 2.0;
        Interval {
            low: quantile(&values, tail),
            high: quantile(&values, 1.0 - tail),
            level: self.level,
            method,
        }
    }

    fn bootstrap(&self, values: Vec<f64>) -> Interval {
        let resamples = self.count;
        self.percentiles(values, IntervalMethod::Bootstrap { resamples })
    }
}

/// Linear between sorted values, as NumPy's default.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let (low, part) = (place.floor() as usize, place.fract());
    let high = (low + 1).min(sorted.len() - 1);
    sorted[low] + part * (sorted[high] - sorted[low])
}

/// Bootstrap interval for the mean of one number per image.
///
/// Precision, density and coverage, and recall are such means (of [`Prdc`](crate::Prdc)'s fields), where the balls stay
/// those of all images; so are PSNR, SSIM and LPIPS.
///
/// # Errors
///
/// [`FeaturesError`] if there are fewer than two numbers or one is not finite.
///
/// # Panics
///
/// If there is less than two resamples or the level is not between 0 and 1.
///
/// ```
/// use svg_eval::{Resampling, bootstrap_mean};
///
/// let inside: Vec<f64> = (0..200).map(|at| f64::from(at % 4 != 0)).collect();
/// let interval = bootstrap_mean(&inside, Resampling::default())?;
/// assert!(interval.low < 0.75 && 0.75 < interval.high);
/// # Ok::<(), svg_eval::FeaturesError>(())
/// ```
pub fn bootstrap_mean(values: &[f64], resampling: Resampling) -> Result<Interval, FeaturesError> {
    resampling.assert_valid();
    let count = values.len();
    if count < 2 {
        return Err(FeaturesError::TooFew {
            count,
            needed: 2,
            advice: "take more images",
        });
    }
    if let Some(row) = values.iter().position(|value| !value.is_finite()) {
        return Err(FeaturesError::NotFinite { row });
    }
    let mean_of = |index| {
        let mut random = resampling.random(0, index);
        let drawn = (0..count).map(|_| values[random.below(count as u64) as usize]);
        drawn.sum::<f64>() / count as f64
    };
    let means = (0..resampling.count).into_par_iter().map(mean_of).collect();
    Ok(resampling.bootstrap(means))
}

/// Bootstrap interval for the mean of an Inception Score over its parts. Images are resampled within each part.
///
/// Copies in a resample make a part less diverse, so the interval lies a little too low, the more the fewer images a
/// part has.
///
/// # Errors
///
/// As [`inception_score`](crate::inception_score).
///
/// # Panics
///
/// As [`inception_score`](crate::inception_score) and [`bootstrap_mean`].
pub fn inception_score_interval(
    logits: &Features,
    splits: Splits,
    resampling: Resampling,
) -> Result<Interval, FeaturesError> {
    resampling.assert_valid();
    check(logits, splits)?;
    let classes = logits.channels();
    let mut of_parts = Vec::new();
    for (number, part) in splits.parts(logits.len()).iter().enumerate() {
        let (mut probabilities, mut entropies) = (Vec::new(), Vec::new());
        for row in part {
            let (of_row, entropy) = softmax(logits.row(*row));
            probabilities.extend(of_row);
            entropies.push(entropy);
        }
        let probabilities = MatRef::from_column_major_slice(&probabilities, classes, part.len());
        let starts: Vec<usize> = (0..resampling.count).step_by(AT_ONCE).collect();
        let scores = starts.into_par_iter().flat_map_iter(|start| {
            let width = AT_ONCE.min(resampling.count - start);
            let mut times = Mat::<f64>::zeros(part.len(), width);
            for column in 0..width {
                let mut random = resampling.random(number, start + column);
                for _ in 0..part.len() {
                    times[(random.below(part.len() as u64) as usize, column)] += 1.0;
                }
            }
            let mut sums = Mat::zeros(classes, width);
            let replace = Accum::Replace;
            matmul(
                sums.as_mut(),
                replace,
                probabilities,
                times.as_ref(),
                1.0,
                Par::Seq,
            );
            let scores = (0..width).map(|column| {
                let all = times.col(column).iter().zip(&entropies);
                let entropies = all.map(|(times, entropy)| times * entropy).sum();
                let mut sums: Vec<f64> = sums.col(column).iter().copied().collect();
                score(&mut sums, entropies, part.len() as f64)
            });
            scores.collect::<Vec<_>>()
        });
        of_parts.push(scores.collect::<Vec<_>>());
    }
    let mean_of = |index| mean(&of_parts.iter().map(|part| part[index]).collect::<Vec<_>>());
    Ok(resampling.bootstrap((0..resampling.count).map(mean_of).collect()))
}

/// Interval for the Fréchet distance of samples to a reference, by subsets of `size` images.
///
/// A bootstrap is of no use here: the copies in a resample lower the rank of the covariance. Distances of subsets are
/// too large as well, because the bias of a Fréchet distance is about proportional to `1 / n`. So their spread alone is
/// used: it is moved to the distance of all images and scaled by `(size / (n - size))^{1/2}`. The interval is one for
/// the distance of `n` images, which still contains the bias of `n`; compare distances of equal `n` only. Take `size`
/// above the number of channels, and at most half of `n`. Each subset costs one Fréchet distance, so choose a count of
/// about 20 for 2,048 channels.
///
/// # Errors
///
/// [`FrechetError`] as for the distance, and if there are not at least twice as many samples as in a subset.
///
/// # Panics
///
/// If the size is below 2, there are fewer than two subsets, or the level is not between 0 and 1.
///
/// ```
/// use svg_eval::{Features, Resampling, frechet_interval};
///
/// let set = |step: usize| Features::from_rows(1, (0..400).map(|i| (i * step % 101) as f32).collect());
/// let resampling = Resampling { count: 50, ..Resampling::default() };
/// let interval = frechet_interval(&set(7).moments(), &set(13), 100, resampling)?;
/// assert!(interval.low < interval.high);
/// # Ok::<(), svg_eval::FrechetError>(())
/// ```
pub fn frechet_interval(
    reference: &Moments,
    samples: &Features,
    size: usize,
    resampling: Resampling,
) -> Result<Interval, FrechetError> {
    resampling.assert_valid();
    assert!(size > 1, "a subset has at least two images");
    let advice = "that is twice a subset; take smaller subsets or more images";
    samples.check(2 * size, advice)?;
    let reference = Factor::new(reference)?;
    let whole = distance_of(&reference, &Factor::new(&samples.moments())?)?;
    let mut distances = Vec::with_capacity(resampling.count);
    for index in 0..resampling.count {
        let mut rows: Vec<usize> = (0..samples.len()).collect();
        resampling.random(0, index).shuffle(&mut rows);
        let subset = samples.select(&rows[..size]).moments();
        distances.push(distance_of(&reference, &Factor::new(&subset)?)?);
    }
    let middle = mean(&distances);
    let scale = (size as f64 / (samples.len() - size) as f64).sqrt();
    let moved = distances.iter().map(|d| whole + scale * (d - middle));
    let subsets = resampling.count;
    let method = IntervalMethod::Subsampling { subsets, size };
    Ok(resampling.percentiles(moved.collect(), method))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{frechet_distance, inception_score};

    fn gaussian(count: usize, channels: usize, key: u64) -> Features {
        let mut random = Random::keyed([1, 2, 3, key]);
        Features::from_rows(channels, random.gaussian(count * channels))
    }

    /// The standard error of a mean of n numbers is s / sqrt(n); 95 % are within 1.96 of it.
    #[test]
    fn the_width_of_an_interval_of_a_mean_is_that_of_its_standard_error() {
        let values = gaussian(900, 1, 0);
        let values: Vec<f64> = values.values().iter().map(|v| f64::from(*v)).collect();
        let interval = bootstrap_mean(&values, Resampling::default()).unwrap();
        let expected = 2.0 * 1.96 / 30.0;
        let width = interval.high - interval.low;
        assert!(
            (width - expected).abs() < 0.15 * expected,
            "{width}, not {expected}"
        );
        let other = Resampling {
            seed: 1,
            ..Resampling::default()
        };
        assert_ne!(bootstrap_mean(&values, other).unwrap(), interval);
        assert_eq!(
            bootstrap_mean(&values, Resampling::default()).unwrap(),
            interval
        );
    }

    #[test]
    fn quantiles_are_linear_between_values() {
        assert_eq!(quantile(&[1.0, 2.0, 4.0], 0.75), 3.0);
        assert_eq!(quantile(&[1.0, 2.0, 4.0], 1.0), 4.0);
    }

    #[test]
    fn the_interval_of_an_inception_score_is_near_the_score() {
        let logits = gaussian(600, 6, 1);
        let splits = Splits::Consecutive(300);
        let resampling = Resampling {
            count: 150,
            ..Resampling::default()
        };
        let interval = inception_score_interval(&logits, splits, resampling).unwrap();
        let score = inception_score(&logits, splits).unwrap().mean();
        assert!(
            interval.low < score && score < interval.high,
            "{score}: {interval:?}"
        );
        assert!(interval.high - interval.low < 0.3);
    }

    /// Over 40 draws of 400 samples, the spread of the distance is compared with the width of one interval.
    #[test]
    fn the_interval_of_a_distance_is_as_wide_as_distances_of_new_samples_differ() {
        let reference = gaussian(5000, 3, 0).moments();
        let drawn = |key: u64| {
            let set = gaussian(400, 3, 10 + key);
            let shifted = set.values().iter().map(|value| value * 1.5 + 0.3);
            Features::from_rows(3, shifted.collect())
        };
        let distance = |key| frechet_distance(&reference, &drawn(key).moments()).unwrap();
        let distances: Vec<f64> = (0..40).map(distance).collect();
        let spread = crate::sets::summary::deviation(&distances, 1);
        let resampling = Resampling {
            count: 200,
            ..Resampling::default()
        };
        let interval = frechet_interval(&reference, &drawn(0), 100, resampling).unwrap();
        let width = (interval.high - interval.low) / (2.0 * 1.96);
        assert!((width / spread - 1.0).abs() < 0.4, "{width} and {spread}");
        assert!(interval.low < distances[0] && distances[0] < interval.high);
    }

    #[test]
    fn too_few_images_are_errors() {
        assert!(bootstrap_mean(&[1.0], Resampling::default()).is_err());
        assert!(bootstrap_mean(&[1.0, f64::NAN], Resampling::default()).is_err());
        let set = gaussian(10, 2, 0);
        let said = frechet_interval(&set.moments(), &set, 6, Resampling::default());
        assert!(said.unwrap_err().to_string().contains("at least 12 images"));
    }

    #[test]
    #[should_panic(expected = "the level 95 is not between 0 and 1")]
    fn a_level_in_per_cent_panics() {
        let resampling = Resampling {
            level: 95.0,
            ..Resampling::default()
        };
        let _ = bootstrap_mean(&[1.0, 2.0], resampling);
    }
}
