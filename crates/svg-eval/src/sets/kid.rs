//! The Kernel Inception Distance.

use rayon::prelude::*;

use crate::sets::mmd::{Estimator, Kernel, mmd};
use crate::sets::summary::{deviation, mean};
use crate::{Features, FeaturesError, NumpyRandom};

/// Which subsets [`kid`] compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KidConfig {
    /// Number of pairs of subsets. Default: 100.
    pub subsets: usize,
    /// Number of images of each. Default: 1000.
    pub subset_size: usize,
    /// Seed of NumPy's generator. Default: 2020, that of torch-fidelity.
    pub seed: u32,
}

impl Default for KidConfig {
    fn default() -> Self {
        Self {
            subsets: 100,
            subset_size: 1000,
            seed: 2020,
        }
    }
}

/// A Kernel Inception Distance. Values near 0 may be negative, because the estimate is unbiased.
#[derive(Clone, Debug, PartialEq)]
pub struct Kid {
    /// Squared discrepancy of each pair of subsets.
    pub subsets: Vec<f64>,
}

impl Kid {
    /// Mean over the subsets.
    pub fn mean(&self) -> f64 {
        mean(&self.subsets)
    }

    /// Standard deviation over the subsets, divided by their number as torch-fidelity and torchmetrics do. It measures
    /// subsets, which overlap, and is not the standard error of the mean.
    pub fn deviation(&self) -> f64 {
        deviation(&self.subsets, 0)
    }
}

/// Unbiased squared maximum mean discrepancy under the kernel `(u.v / channels + 1)^3`, over random subsets without
/// replacement (Binkowski et al., 2018), in f64.
///
/// The subsets are those of torch-fidelity with `samples` as its first input. torchmetrics draws others from PyTorch's
/// generator, clean-fid others again, so their means differ by a few standard errors. The tools compute kernels in
/// the type of the features, f32, whose rounding can change the third digit of a small distance.
///
/// # Errors
///
/// [`FeaturesError`] if the numbers of channels differ, a set is smaller than a subset, or a feature is not finite.
///
/// # Panics
///
/// If there are no subsets or they have fewer than two images.
///
/// ```
/// use svg_eval::{Features, KidConfig, kid};
///
/// let set = |shift: f32| Features::from_rows(1, (0..50).map(|i| (i % 7) as f32 + shift).collect());
/// let config = KidConfig { subsets: 10, subset_size: 20, ..KidConfig::default() };
/// let (same, shifted) = (kid(&set(0.0), &set(0.0), config)?, kid(&set(0.0), &set(3.0), config)?);
/// assert!(same.mean() < shifted.mean());
/// # Ok::<(), svg_eval::FeaturesError>(())
/// ```
pub fn kid(
    samples: &Features,
    reference: &Features,
    config: KidConfig,
) -> Result<Kid, FeaturesError> {
    let KidConfig {
        subsets,
        subset_size,
        seed,
    } = config;
    assert!(subsets > 0, "there must be at least one subset");
    assert!(subset_size > 1, "a subset has at least two images");
    let advice = "take more images or smaller subsets; values of other sizes do not compare";
    samples.check_both(reference, subset_size, advice)?;
    let mut random = NumpyRandom::new(seed);
    let draws: Vec<_> = (0..subsets)
        .map(|_| {
            let of_samples = random.choice(samples.len(), subset_size);
            (of_samples, random.choice(reference.len(), subset_size))
        })
        .collect();
    let values = draws.into_par_iter().map(|(of_samples, of_reference)| {
        let (one, other) = (samples.select(&of_samples), reference.select(&of_reference));
        mmd(&one, &other, Kernel::Cubic, Estimator::Unbiased)
    });
    let subsets = values.collect::<Result<_, _>>()?;
    Ok(Kid { subsets })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(count: usize, shift: f32) -> Features {
        let value = |at: usize| (at * at % 23) as f32 / 8.0 + shift;
        Features::from_rows(3, (0..count * 3).map(value).collect())
    }

    #[test]
    fn one_subset_of_everything_is_the_discrepancy() {
        let (one, other) = (points(30, 0.0), points(30, 0.4));
        let config = KidConfig {
            subsets: 1,
            subset_size: 30,
            seed: 1,
        };
        let found = kid(&one, &other, config).unwrap();
        let expected = mmd(&one, &other, Kernel::Cubic, Estimator::Unbiased).unwrap();
        assert!((found.mean() - expected).abs() < 1e-12);
        assert_eq!(found.deviation(), 0.0);
    }

    #[test]
    fn sets_smaller_than_a_subset_are_an_error() {
        let said = kid(&points(30, 0.0), &points(40, 0.0), KidConfig::default()).unwrap_err();
        assert!(said.to_string().contains("at least 1000 images"), "{said}");
    }
}
