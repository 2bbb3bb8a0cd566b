//! The Fréchet distance between sets of features.

use faer::Mat;

use crate::Moments;
use crate::eigen::eigen;

/// Error of computing a Fréchet distance.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FrechetError {
    /// The features have different numbers of channels.
    #[error(
        "features of {ours} and of {theirs} channels cannot be compared; take the moments of both with \
         one encoder"
    )]
    Channels {
        /// Number of channels of the first.
        ours: usize,
        /// Number of channels of the second.
        theirs: usize,
    },
    /// There are fewer than two features, which a covariance needs.
    #[error("a covariance needs at least two images, but there are {count} on one side")]
    TooFew {
        /// Number of features.
        count: u64,
    },
    /// A feature was infinite or not a number.
    #[error("the moments are not finite because some feature was not; look for broken images")]
    NotFinite,
    /// The decomposition did not converge.
    #[error("the decomposition of a covariance did not converge; the features may be degenerate")]
    NoConvergence,
}

/// `|m1 - m2|^2 + Tr(S1) + Tr(S2) - 2 Tr((S1^{1/2} S2 S1^{1/2})^{1/2})`, the squared Fréchet (2-Wasserstein)
/// distance between Gaussians fitted to two sets of features (Dowson and Landau, 1982; Heusel et al., 2017),
/// with unbiased covariances, in f64.
///
/// The last trace is computed as the sum of the singular values of `S1^{1/2} S2^{1/2}`, which are the roots of
/// the eigenvalues of `S1^{1/2} S2 S1^{1/2}`. This avoids roots of rounding errors and complex numbers, and is
/// symmetric in its arguments. Eigenvalues of a covariance below the rounding error of their computation count
/// as zero, so covariances of low rank need no special case.
///
/// # Errors
///
/// [`FrechetError`] if the arguments have different numbers of channels, fewer than two features, or numbers that
/// are not finite.
///
/// ```
/// use burn::prelude::*;
/// use svg_eval::{Moments, frechet_distance};
///
/// let features = Tensor::<2>::from_floats([[0.0], [1.0], [2.0]], &Default::default());
/// let (mut one, mut other) = (Moments::new(), Moments::new());
/// one.push(features.clone());
/// other.push(features * 2.0); // Mean and deviation change from 1 to 2.
/// assert!((frechet_distance(&one, &other)? - 2.0).abs() < 1e-9);
/// # Ok::<(), svg_eval::FrechetError>(())
/// ```
pub fn frechet_distance(one: &Moments, other: &Moments) -> Result<f64, FrechetError> {
    for side in [one, other] {
        if side.count() < 2 {
            return Err(FrechetError::TooFew {
                count: side.count(),
            });
        }
        if !side.is_finite() {
            return Err(FrechetError::NotFinite);
        }
    }
    let (ours, theirs) = (one.channels(), other.channels());
    if ours != theirs {
        return Err(FrechetError::Channels { ours, theirs });
    }
    let means = one.mean().iter().zip(other.mean());
    let means: f64 = means.map(|(a, b)| (a - b).powi(2)).sum();
    let trace = |side: &Moments| -> f64 { (0..ours).map(|c| side.covariance(c, c)).sum() };
    let product = root(one)?.transpose() * root(other)?;
    let common: f64 = match product.nrows().min(product.ncols()) {
        0 => 0.0,
        _ => {
            let values = product.singular_values();
            let values = values.map_err(|_| FrechetError::NoConvergence)?;
            values.iter().sum()
        }
    };
    Ok((means + trace(one) + trace(other) - 2.0 * common).max(0.0))
}

/// `Q L^{1/2}` of a covariance `Q L Q^T`, without the columns of zero eigenvalues. It equals the symmetric root
/// up to a rotation, which does not change singular values.
fn root(moments: &Moments) -> Result<Mat<f64>, FrechetError> {
    let channels = moments.channels();
    let decomposed = eigen(channels, |row, column| moments.covariance(row, column));
    let (values, vectors) = decomposed.ok_or(FrechetError::NoConvergence)?;
    let largest = values.last().copied().unwrap_or(0.0).max(0.0);
    let rounding = largest * f64::EPSILON * channels as f64;
    let zeros = values.partition_point(|value| *value <= rounding);
    Ok(Mat::from_fn(channels, channels - zeros, |row, column| {
        vectors[(row, zeros + column)] * values[zeros + column].sqrt()
    }))
}

#[cfg(test)]
mod tests {
    use burn::prelude::*;
    use burn::tensor::{Distribution, TensorData};

    use super::*;

    /// Moments with exactly these numbers.
    fn gaussian(mean: &[f64], covariance: &[f64]) -> Moments {
        Moments {
            count: 11,
            mean: mean.to_vec(),
            squares: covariance.iter().map(|value| value * 10.0).collect(),
        }
    }

    fn diagonal(mean: &[f64], variances: &[f64]) -> Moments {
        let size = mean.len();
        let entry = |at: usize| match at % (size + 1) {
            0 => variances[at / size],
            _ => 0.0,
        };
        gaussian(mean, &(0..size * size).map(entry).collect::<Vec<_>>())
    }

    fn drawn(count: usize, channels: usize, shift: f64) -> Moments {
        let shape = [count, channels];
        let features = Tensor::<2>::random(shape, Distribution::Default, &Device::default());
        let mut moments = Moments::new();
        moments.push(features.cumsum(1) + shift);
        moments
    }

    fn check(one: &Moments, other: &Moments, expected: f64) {
        for (a, b) in [(one, other), (other, one)] {
            let found = frechet_distance(a, b).unwrap();
            let bar = 1e-9 * expected.max(1.0);
            assert!((found - expected).abs() < bar, "{found}, not {expected}");
        }
    }

    #[test]
    fn equal_moments_have_distance_zero() {
        let moments = drawn(200, 20, 0.0);
        check(&moments, &moments, 0.0);
    }

    #[test]
    fn the_distance_of_diagonal_covariances_follows_from_their_deviations() {
        let one = diagonal(&[0.0, 0.0], &[1.0, 4.0]);
        let other = diagonal(&[1.0, 2.0], &[4.0, 9.0]);
        check(&one, &other, 7.0);
    }

    #[test]
    fn directions_without_variance_are_supported() {
        let flat = diagonal(&[0.0; 3], &[0.0, 2.0, 0.0]);
        let full = diagonal(&[1.0, 0.0, 0.0], &[1.0, 8.0, 3.0]);
        // 1 + (0 - 1)^2 + 2 + 3
        check(&flat, &full, 7.0);
        let point = diagonal(&[0.0; 3], &[0.0; 3]);
        check(&point, &full, 13.0);
        check(&point, &point, 0.0);
    }

    #[test]
    fn covariances_that_do_not_commute_match_the_closed_form() {
        // In two dimensions, Tr(M^{1/2}) = (Tr M + 2 det(M)^{1/2})^{1/2}, and M has the trace of S1 S2.
        let (a, b) = ([2.0, 0.5, 0.5, 1.0], [1.0, -0.7, -0.7, 3.0]);
        let trace = a[0] * b[0] + 2.0 * a[1] * b[1] + a[3] * b[3];
        let determinant = |m: [f64; 4]| m[0] * m[3] - m[1] * m[2];
        let root = (trace + 2.0 * (determinant(a) * determinant(b)).sqrt()).sqrt();
        let (one, other) = (gaussian(&[0.0, 0.0], &a), gaussian(&[0.0, 0.0], &b));
        check(&one, &other, 3.0 + 4.0 - 2.0 * root);
    }

    #[test]
    fn covariances_of_rank_one_match_the_closed_form() {
        // For rank one, S = v v^T, and the last trace is |v . w|.
        let (v, w) = ([3.0, 0.0, 4.0], [1.0, 2.0, 2.0]);
        let outer = |u: [f64; 3]| -> Vec<f64> { (0..9).map(|at| u[at / 3] * u[at % 3]).collect() };
        let (one, other) = (
            gaussian(&[0.0; 3], &outer(v)),
            gaussian(&[0.0; 3], &outer(w)),
        );
        check(&one, &other, 25.0 + 9.0 - 2.0 * 11.0);
    }

    #[test]
    fn covariances_of_low_rank_give_the_distance_in_their_span() {
        let device = Device::default();
        let features = |shift: f64| -> Tensor<2> {
            let drawn = Tensor::<2>::random([10, 3], Distribution::Default, &device);
            drawn.cumsum(1) + shift
        };
        let moments = |features: Tensor<2>| {
            let mut moments = Moments::new();
            moments.push(features);
            moments
        };
        // Each channel is repeated ten times, so the covariance of thirty channels has rank three.
        let widened = |features: Tensor<2>| features.repeat_dim(1, 10) / 10f64.sqrt();
        let (one, other) = (features(0.0), features(0.5));
        let (few, many) = (
            moments(widened(one.clone())),
            moments(widened(other.clone())),
        );
        assert!(!few.is_enough());
        let expected = frechet_distance(&moments(one), &moments(other)).unwrap();
        let found = frechet_distance(&few, &many).unwrap();
        // The features themselves are in f32.
        assert!(
            (found - expected).abs() < 1e-6 * expected,
            "{found}, not {expected}"
        );
        let back = frechet_distance(&many, &few).unwrap();
        assert!((found - back).abs() < 1e-9 * found, "{found} and {back}");
        check(&few, &few, 0.0);
    }

    #[test]
    fn channels_without_variance_do_not_change_the_distance() {
        let padded = |moments: &Moments, size: usize| {
            let mut wide = Moments {
                count: moments.count,
                mean: vec![0.0; size],
                squares: vec![0.0; size * size],
            };
            for row in 0..moments.channels() {
                wide.mean[row] = moments.mean[row];
                for column in 0..moments.channels() {
                    let value = moments.squares[row * moments.channels() + column];
                    wide.squares[row * size + column] = value;
                }
            }
            wide
        };
        let (one, other) = (drawn(12, 5, 0.0), drawn(9, 5, 0.3));
        let expected = frechet_distance(&one, &other).unwrap();
        check(&padded(&one, 40), &padded(&other, 40), expected);
    }

    #[test]
    fn the_distance_of_shifted_features_is_the_squared_shift() {
        let values: Vec<f64> = (0..60).map(|i| ((i * i) % 17) as f64).collect();
        let data = TensorData::new(values, [20, 3]);
        let features = Tensor::<2>::from_data(data, &Device::default());
        let (mut one, mut other) = (Moments::new(), Moments::new());
        one.push(features.clone());
        other.push(features + 2.0);
        check(&one, &other, 12.0);
    }

    #[test]
    fn errors_name_what_cannot_be_compared() {
        let good = drawn(9, 3, 0.0);
        let said = |other: &Moments| frechet_distance(&good, other).unwrap_err().to_string();
        assert!(said(&drawn(9, 4, 0.0)).contains("of 3 and of 4 channels"));
        assert!(said(&drawn(1, 3, 0.0)).contains("there are 1"));
        assert!(said(&gaussian(&[f64::NAN; 3], &[0.0; 9])).contains("not finite"));
    }
}
