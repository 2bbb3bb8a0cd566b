//! The Fréchet distance between sets of features.

use faer::diag::DiagMut;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt_pivoting::factor::{cholesky_in_place, cholesky_in_place_scratch};
use faer::linalg::matmul::matmul;
use faer::linalg::svd::{ComputeSvdVectors, svd, svd_scratch};
use faer::{Accum, Mat, MatMut, MatRef, Par};

use crate::eigen::eigenvalues;
use crate::{FeaturesError, Moments};

/// Columns of a product that a thread computes at once.
const BAND: usize = 128;
/// Rounding error of eigenvalues in units in the last place of the largest. A few is usual; see the LAPACK users' guide.
const ROUNDING: f64 = 8.0;
/// What rounding may add to a distance, as a share of both traces.
const ALLOWED: f64 = 1e-9;
/// Share of the trace of a covariance that may be missing in its factor, as when it was rounded to f32.
const LOST: f64 = 1e-3;

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
    /// The features cannot be used.
    #[error(transparent)]
    Features(#[from] FeaturesError),
    /// The covariance has negative eigenvalues.
    #[error(
        "the covariance has negative eigenvalues, so it is none; the file of the reference may be damaged"
    )]
    NotCovariance,
    /// The decomposition did not converge.
    #[error("the decomposition of a covariance did not converge; the features may be degenerate")]
    NoConvergence,
}

/// `|m1 - m2|^2 + Tr(S1) + Tr(S2) - 2 Tr((S1^{1/2} S2 S1^{1/2})^{1/2})`, the squared Fréchet (2-Wasserstein)
/// distance between Gaussians fitted to two sets of features (Dowson and Landau, 1982; Heusel et al., 2017),
/// with unbiased covariances, in f64.
///
/// The last trace is the sum of the singular values of `A^T B`, where `S1 = A A^T` and `S2 = B B^T`, since those are
/// the roots of the eigenvalues of `S1 S2`. The factors come from Cholesky decompositions with pivoting, which end at
/// the rank of a covariance. So nothing takes the root of a rounding error, no number is complex, covariances of low
/// rank need no special case, and nothing is added to a diagonal. Threads compute different parts in a fixed order, so
/// the result is the same on any number of them.
///
/// With fewer features than channels the covariance is not of full rank and the distance is far too large; see
/// [`Moments::is_enough`].
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
    let (ours, theirs) = (one.channels(), other.channels());
    let either_empty = ours == 0 || theirs == 0;
    if ours != theirs && !either_empty {
        return Err(FrechetError::Channels { ours, theirs });
    }
    let (one, other) = rayon::join(|| Factor::new(one), || Factor::new(other));
    distance_of(&one?, &other?)
}

/// What a Fréchet distance needs of one side.
pub(crate) struct Factor {
    mean: Vec<f64>,
    trace: f64,
    /// `[channels, rank]`, and the covariance is its product with its transpose.
    root: Mat<f64>,
}

impl Factor {
    pub(crate) fn new(moments: &Moments) -> Result<Self, FrechetError> {
        if let Some(count) = moments.count().filter(|count| *count < 2) {
            return Err(FrechetError::TooFew { count });
        }
        if !moments.is_finite() {
            return Err(FrechetError::NotFinite);
        }
        let channels = moments.channels();
        let variances = (0..channels).map(|channel| moments.covariance(channel, channel));
        let (trace, root) = (variances.sum::<f64>(), root(moments)?);
        let lost = trace - root.as_ref().squared_norm_l2();
        if lost.is_nan() || lost.abs() > LOST * trace {
            return Err(FrechetError::NotCovariance);
        }
        Ok(Self {
            mean: moments.mean().to_vec(),
            trace,
            root,
        })
    }
}

/// The distance between both sides.
pub(crate) fn distance_of(one: &Factor, other: &Factor) -> Result<f64, FrechetError> {
    let (ours, theirs) = (one.mean.len(), other.mean.len());
    if ours != theirs {
        return Err(FrechetError::Channels { ours, theirs });
    }
    let means = one.mean.iter().zip(&other.mean);
    let means: f64 = means.map(|(a, b)| (a - b).powi(2)).sum();
    let allowed = ALLOWED * (one.trace + other.trace);
    let common = sum_of_singular_values(one.root.as_ref(), other.root.as_ref(), allowed)?;
    Ok((means + one.trace + other.trace - 2.0 * common).max(0.0))
}

/// The factor of a covariance by a Cholesky decomposition with pivoting. It ends when no variance is left that exceeds
/// the rounding error of the largest.
pub(crate) fn root(moments: &Moments) -> Result<Mat<f64>, FrechetError> {
    let channels = moments.channels();
    if (0..channels).all(|channel| moments.covariance(channel, channel) == 0.0) {
        return Ok(Mat::zeros(channels, 0));
    }
    let mut factor = Mat::from_fn(channels, channels, |row, column| {
        moments.covariance(row, column)
    });
    let (mut order, mut places) = (vec![0usize; channels], vec![0usize; channels]);
    let scratch = cholesky_in_place_scratch::<usize, f64>(channels, Par::Seq, Default::default());
    let mut memory = MemBuffer::new(scratch);
    let done = cholesky_in_place(
        factor.as_mut(),
        &mut order,
        &mut places,
        Par::Seq,
        MemStack::new(&mut memory),
        Default::default(),
    );
    let (info, _) = done.map_err(|_| FrechetError::NotCovariance)?;
    Ok(Mat::from_fn(channels, info.rank, |channel, column| {
        let row = places[channel];
        if row >= column {
            factor[(row, column)]
        } else {
            0.0
        }
    }))
}

/// Sum of the singular values of `a^T b`, to within `allowed` as far as rounding is concerned.
///
/// They are the roots of the eigenvalues of the product with its transpose, which take a third of the time of a singular
/// value decomposition. A root makes much of the rounding error of an eigenvalue that is small beside the largest, so
/// where such errors could add up to more than allowed, the decomposition decides.
fn sum_of_singular_values(
    a: MatRef<'_, f64>,
    b: MatRef<'_, f64>,
    allowed: f64,
) -> Result<f64, FrechetError> {
    let (a, b) = match a.ncols() >= b.ncols() {
        true => (a, b),
        false => (b, a),
    };
    if b.ncols() == 0 {
        return Ok(0.0);
    }
    let product = multiplied(a.transpose(), b);
    let squares = eigenvalues(gram(product.as_ref()).as_ref());
    let squares = squares.ok_or(FrechetError::NoConvergence)?;
    let largest = squares.iter().copied().fold(0.0, f64::max);
    let rounding = ROUNDING * f64::EPSILON * largest;
    let error = |square: &f64| rounding / (2.0 * square.max(rounding).sqrt());
    if squares.iter().map(error).sum::<f64>() <= allowed {
        return Ok(squares.iter().map(|square| square.max(0.0).sqrt()).sum());
    }
    singular_values(product.as_ref()).map(|values| values.iter().sum())
}

/// `a b`.
pub(crate) fn multiplied(a: MatRef<'_, f64>, b: MatRef<'_, f64>) -> Mat<f64> {
    let mut product = Mat::zeros(a.nrows(), b.ncols());
    multiply(product.as_mut(), a, b, false);
    product
}

/// The lower triangle of `m^T m`.
fn gram(m: MatRef<'_, f64>) -> Mat<f64> {
    let mut product = Mat::zeros(m.ncols(), m.ncols());
    multiply(product.as_mut(), m.transpose(), m, true);
    product
}

/// `a b`, or its lower triangle alone. Threads compute different columns, and no sum depends on how many there are.
fn multiply(product: MatMut<'_, f64>, a: MatRef<'_, f64>, b: MatRef<'_, f64>, lower: bool) {
    let (rows, columns) = (product.nrows(), product.ncols());
    if columns > BAND {
        let half = (columns / BAND).div_ceil(2) * BAND;
        let (left, right) = product.split_at_col_mut(half);
        let (first, second) = b.split_at_col(half);
        let skipped = if lower { half } else { 0 };
        let (right, below) = (
            right.subrows_mut(skipped, rows - skipped),
            a.subrows(skipped, rows - skipped),
        );
        rayon::join(
            || multiply(left, a, first, lower),
            || multiply(right, below, second, lower),
        );
    } else {
        matmul(product, Accum::Replace, a, b, 1.0, Par::Seq);
    }
}

fn singular_values(m: MatRef<'_, f64>) -> Result<Vec<f64>, FrechetError> {
    let (rows, columns) = m.shape();
    let mut values = vec![0.0; rows.min(columns)];
    let none = ComputeSvdVectors::No;
    let scratch = svd_scratch::<f64>(rows, columns, none, none, Par::Seq, Default::default());
    let mut memory = MemBuffer::new(scratch);
    svd(
        m,
        DiagMut::from_slice_mut(&mut values),
        None,
        None,
        Par::Seq,
        MemStack::new(&mut memory),
        Default::default(),
    )
    .map_err(|_| FrechetError::NoConvergence)?;
    Ok(values)
}

#[cfg(test)]
mod tests {
    use burn::prelude::*;
    use burn::tensor::{Distribution, TensorData};
    use svg_store::Random;

    use super::*;
    use crate::Features;

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
    fn roots_of_eigenvalues_are_the_singular_values_as_nearly_as_their_bound_says() {
        // Deviations that fall by `fall` decades, mixed by neighbours: with few the eigenvalues are taken, with many not.
        for (fall, exact) in [(1.0, false), (2.0, false), (6.0, true), (9.0, true)] {
            let size = 60;
            let scale = |at: usize| 10f64.powf(-fall * at as f64 / size as f64);
            let normal = Random::keyed([3, 0, 0, 0]).gaussian(size * size);
            let m = Mat::from_fn(size, size, |row, column| {
                f64::from(normal[row * size + column]) * scale(row) * scale(column)
            });
            let expected: f64 = singular_values(m.as_ref()).unwrap().iter().sum();
            let identity = Mat::<f64>::identity(size, size);
            let sum = |allowed: f64| {
                sum_of_singular_values(identity.as_ref(), m.as_ref(), allowed).unwrap()
            };
            let allowed = ALLOWED * expected;
            assert!((sum(allowed) - expected).abs() <= allowed, "{fall}");
            assert_eq!(sum(allowed) == expected, exact, "{fall}");
            // Whatever they allow, the bound of eigenvalues is kept where they are taken.
            for bound in [1e-12, 1e-10, 1e-8, 1e-6].map(|share| share * expected) {
                let found = sum(bound);
                assert!(
                    (found - expected).abs() <= bound.max(1e-14 * expected),
                    "{fall}"
                );
            }
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
    fn fewer_images_than_channels_are_at_no_distance_from_themselves() {
        // Tools that take the root of the product of both covariances find roots of rounding errors here.
        let (rows, channels) = (100, 256);
        let normal = Random::keyed([9, 0, 0, 0]).gaussian(rows * channels);
        let scaled = normal.iter().enumerate();
        let scaled = scaled.map(|(at, value)| value * (1.0 + (at % channels) as f32).powf(-0.5));
        let few = Features::from_rows(channels, scaled.collect()).moments();
        assert!(!few.is_enough());
        let found = frechet_distance(&few, &few).unwrap();
        assert!(found <= 1e-9, "{found}");
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
