//! The maximum mean discrepancy.

use crate::sets::blocks::each_block;
use crate::{Features, FeaturesError};

/// Similarity of two features.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kernel {
    /// `(u.v / channels + 1)^3`, the kernel of the Kernel Inception Distance.
    Cubic,
    /// `exp(-|u - v|^2 / (2 sigma^2))`.
    Gaussian {
        /// Width, in units of the features.
        sigma: f64,
    },
}

/// How the expectations of kernels within a set are estimated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Estimator {
    /// Without the similarity of a feature to itself, so its mean over draws is right and it may be negative.
    Unbiased,
    /// With it: never negative but for rounding, and too large by about `2 (1 - mean kernel) / n`.
    Biased,
}

/// Squared maximum mean discrepancy `E k(x, x') + E k(y, y') - 2 E k(x, y)` (Gretton et al., 2012), in f64.
///
/// The sets may have different numbers of images.
///
/// # Errors
///
/// [`FeaturesError`] if the numbers of channels differ, a set has fewer than two images, or a feature is not finite.
///
/// # Panics
///
/// If sigma is not positive.
///
/// ```
/// use svg_eval::{Estimator, Features, Kernel, mmd};
///
/// let near = Features::from_rows(1, vec![0.0, 0.1, 0.2]);
/// let far = Features::from_rows(1, vec![9.0, 9.1]);
/// let kernel = Kernel::Gaussian { sigma: 1.0 };
/// assert!(mmd(&near, &far, kernel, Estimator::Biased)? > 1.9);
/// assert!(mmd(&near, &near, kernel, Estimator::Biased)?.abs() < 1e-12);
/// # Ok::<(), svg_eval::FeaturesError>(())
/// ```
pub fn mmd(
    one: &Features,
    other: &Features,
    kernel: Kernel,
    estimator: Estimator,
) -> Result<f64, FeaturesError> {
    if let Kernel::Gaussian { sigma } = kernel {
        assert!(sigma > 0.0, "sigma must be positive, not {sigma}");
    }
    one.check_both(other, 2, "take more images")?;
    let within = |set: &Features| {
        let n = set.len() as f64;
        let (pairs, selves) = (sum(set, set, kernel, true), selves(set, kernel));
        match estimator {
            Estimator::Unbiased => pairs / (n * (n - 1.0)),
            Estimator::Biased => (pairs + selves) / (n * n),
        }
    };
    let across = sum(one, other, kernel, false) / (one.len() as f64 * other.len() as f64);
    Ok(within(one) + within(other) - 2.0 * across)
}

/// CMMD (Jayasumana et al., 2024): 1000 times the biased squared discrepancy under a Gaussian kernel of width 10, both
/// constants as in its published implementation.
///
/// It is meant for CLIP ViT-L/14@336 embeddings of unit length; the caller normalises them.
///
/// # Errors
///
/// As [`mmd`].
pub fn cmmd(one: &Features, other: &Features) -> Result<f64, FeaturesError> {
    let kernel = Kernel::Gaussian { sigma: 10.0 };
    Ok(1000.0 * mmd(one, other, kernel, Estimator::Biased)?)
}

/// Sum of the kernel of all pairs; `distinct`: of those of different rows.
fn sum(one: &Features, other: &Features, kernel: Kernel, distinct: bool) -> f64 {
    let channels = one.channels() as f64;
    let sums = each_block(one, other, |own, with_others| {
        let mut sum = 0.0;
        with_others(&mut |others, products| {
            let columns = products.columns().zip(&others.norms);
            for (at, (products, norm)) in others.rows.clone().zip(columns) {
                for (row, product) in products.iter().enumerate() {
                    if distinct && at == own.rows.start + row {
                        continue;
                    }
                    sum += match kernel {
                        Kernel::Cubic => (product / channels + 1.0).powi(3),
                        Kernel::Gaussian { sigma } => {
                            let lengths = own.norms[row] + norm;
                            let distance = (lengths - 2.0 * product).max(0.0);
                            (-distance / (2.0 * sigma * sigma)).exp()
                        }
                    };
                }
            }
        });
        sum
    });
    sums.iter().sum()
}

/// Sum of `k(x, x)`.
fn selves(set: &Features, kernel: Kernel) -> f64 {
    let channels = set.channels() as f64;
    let of_row = |row: &[f32]| match kernel {
        Kernel::Gaussian { .. } => 1.0,
        Kernel::Cubic => {
            let length: f64 = row.iter().map(|value| f64::from(*value).powi(2)).sum();
            (length / channels + 1.0).powi(3)
        }
    };
    set.rows().map(of_row).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KERNELS: [Kernel; 2] = [Kernel::Cubic, Kernel::Gaussian { sigma: 2.0 }];

    fn points(count: usize, shift: f32) -> Features {
        let value = |at: usize| (at * at % 23) as f32 / 8.0 + shift;
        Features::from_rows(3, (0..count * 3).map(value).collect())
    }

    fn similarity(kernel: Kernel, u: &[f32], v: &[f32]) -> f64 {
        let pairs = || u.iter().zip(v).map(|(u, v)| (f64::from(*u), f64::from(*v)));
        match kernel {
            Kernel::Cubic => (pairs().map(|(u, v)| u * v).sum::<f64>() / 3.0 + 1.0).powi(3),
            Kernel::Gaussian { sigma } => {
                let distance: f64 = pairs().map(|(u, v)| (u - v).powi(2)).sum();
                (-distance / (2.0 * sigma * sigma)).exp()
            }
        }
    }

    #[test]
    fn both_estimators_equal_sums_over_pairs() {
        let (one, other) = (points(600, 0.0), points(17, 0.5));
        for kernel in KERNELS {
            let pairs = |a: &Features, b: &Features, distinct: bool| -> f64 {
                let all = (0..a.len()).flat_map(|i| (0..b.len()).map(move |j| (i, j)));
                let wanted = all.filter(|(i, j)| !distinct || i != j);
                wanted
                    .map(|(i, j)| similarity(kernel, a.row(i), b.row(j)))
                    .sum()
            };
            let (n, m) = (600.0, 17.0);
            let across = 2.0 * pairs(&one, &other, false) / (n * m);
            let within = |set: &Features, distinct, count: f64| pairs(set, set, distinct) / count;
            let unbiased = within(&one, true, n * (n - 1.0)) + within(&other, true, m * (m - 1.0));
            let biased = within(&one, false, n * n) + within(&other, false, m * m);
            for (estimator, expected) in [
                (Estimator::Unbiased, unbiased - across),
                (Estimator::Biased, biased - across),
            ] {
                let found = mmd(&one, &other, kernel, estimator).unwrap();
                let error = (found - expected).abs();
                assert!(
                    error < 1e-9 * expected.abs().max(1.0),
                    "{found}, not {expected}"
                );
            }
        }
    }

    #[test]
    fn the_discrepancy_is_symmetric_and_zero_for_equal_sets() {
        let (one, other) = (points(20, 0.0), points(31, 0.5));
        for kernel in KERNELS {
            let of = |a, b| mmd(a, b, kernel, Estimator::Biased).unwrap();
            assert!((of(&one, &other) - of(&other, &one)).abs() < 1e-10);
            assert!(of(&one, &one).abs() < 1e-10 && of(&one, &other) > 1e-3);
        }
    }

    #[test]
    fn cmmd_is_a_thousand_times_the_biased_discrepancy() {
        let (one, other) = (points(20, 0.0), points(31, 0.5));
        let kernel = Kernel::Gaussian { sigma: 10.0 };
        let expected = 1000.0 * mmd(&one, &other, kernel, Estimator::Biased).unwrap();
        assert_eq!(cmmd(&one, &other).unwrap(), expected);
    }

    #[test]
    fn one_image_is_an_error() {
        let said = mmd(
            &points(1, 0.0),
            &points(3, 0.0),
            Kernel::Cubic,
            Estimator::Biased,
        );
        assert!(said.unwrap_err().to_string().contains("at least 2 images"));
    }
}
