//! The standard error of a Fréchet distance.

use faer::Mat;

use crate::eigen::eigen;
use crate::frechet::{FrechetError, multiplied, root};
use crate::{Features, Moments};

/// Rows that are multiplied at once.
const BLOCK: usize = 1024;

/// Standard error of [`frechet_distance`](crate::frechet_distance) `(own, other)` over the draw of the images of one side,
/// whose features and their moments are `features` and `own`.
///
/// The distance changes with an image `x` of that side by its influence
///
/// `(x - m)^T (I - T) (x - m) + 2 (m - m')^T (x - m)`, less its mean, with
/// `T = R (R^T S R)^{-1/2} R^T`, `S' = R R^T`,
///
/// where `m, S` are the mean and covariance of the side, `m', S'` those of the other, and `T` the optimal transport map
/// between the two Gaussians. The standard error is the deviation of the influences divided by the root of their number
/// (the infinitesimal jackknife; Efron, 1982). It costs one pass over the features, where a bootstrap costs hundreds of
/// decompositions. The errors of both sides are independent and add up in squares.
///
/// The error says nothing of the bias: a distance of few images is too large on average, whatever its error. It is
/// meaningful if both sides have more images than channels ([`Moments::is_enough`]).
///
/// # Errors
///
/// As [`frechet_distance`](crate::frechet_distance).
///
/// # Panics
///
/// If the features have another number of channels than their moments.
///
/// ```
/// use svg_eval::{Features, frechet_distance, frechet_error};
///
/// let line = |scale: f32| Features::from_rows(1, (0..1000).map(|i| scale * (i % 97) as f32).collect());
/// let (one, other) = (line(1.0), line(1.5));
/// let [m1, m2] = [one.moments(), other.moments()];
/// let error = frechet_error(&one, &m1, &m2)?;
/// assert!(error > 0.0 && error < 0.1 * frechet_distance(&m1, &m2)?);
/// # Ok::<(), svg_eval::FrechetError>(())
/// ```
pub fn frechet_error(
    features: &Features,
    own: &Moments,
    other: &Moments,
) -> Result<f64, FrechetError> {
    let channels = own.channels();
    assert_eq!(
        features.channels(),
        channels,
        "channels of features and of their moments"
    );
    let transport = transport(own, other)?; // [channels, rank]
    let steps: Vec<f64> = own
        .mean()
        .iter()
        .zip(other.mean())
        .map(|(m, n)| m - n)
        .collect();
    let mut influences = Vec::with_capacity(features.len());
    for first in (0..features.len()).step_by(BLOCK) {
        let rows = BLOCK.min(features.len() - first);
        let centred = Mat::from_fn(rows, channels, |row, channel| {
            f64::from(features.row(first + row)[channel]) - own.mean()[channel]
        });
        let carried = multiplied(centred.as_ref(), transport.as_ref()); // [rows, rank]
        influences.extend((0..rows).map(|row| {
            let squares = |of: &Mat<f64>| -> f64 {
                (0..of.ncols())
                    .map(|column| of[(row, column)].powi(2))
                    .sum()
            };
            let along: f64 = (0..channels).map(|c| steps[c] * centred[(row, c)]).sum();
            squares(&centred) - squares(&carried) + 2.0 * along
        }));
    }
    let n = influences.len() as f64;
    let mean = influences.iter().sum::<f64>() / n;
    let squares: f64 = influences.iter().map(|value| (value - mean).powi(2)).sum();
    Ok((squares / (n - 1.0) / n).sqrt())
}

/// `R U L^{-1/4}` with `R^T S R = U L U^T`: its product with its transpose is the transport map. With thousands of
/// channels each matrix is tens of megabytes, so none outlives its use.
fn transport(own: &Moments, other: &Moments) -> Result<Mat<f64>, FrechetError> {
    let channels = own.channels();
    let root = root(other)?; // [channels, rank]
    let carried = {
        let covariance = Mat::from_fn(channels, channels, |row, column| {
            own.covariance(row, column)
        });
        multiplied(covariance.as_ref(), root.as_ref())
    };
    let product = multiplied(root.transpose(), carried.as_ref());
    drop(carried);
    let decomposed = eigen(product.as_ref());
    drop(product);
    let (values, mut vectors) = decomposed.ok_or(FrechetError::NoConvergence)?;
    let largest = values.last().copied().unwrap_or_default().max(0.0);
    let rounding = largest * f64::EPSILON * channels as f64;
    for (column, value) in vectors.col_iter_mut().zip(values) {
        let scale = match value > rounding {
            true => value.powf(-0.25),
            false => 0.0,
        };
        column.iter_mut().for_each(|entry| *entry *= scale);
    }
    Ok(multiplied(root.as_ref(), vectors.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frechet_distance;
    use svg_store::Random;

    /// Correlated features that are no Gaussians.
    fn drawn(count: usize, channels: usize, seed: u64, scale: f32) -> Features {
        let mut random = Random::keyed([seed, 0, 0, 0]);
        let mut features = Features::new(channels);
        for _ in 0..count {
            let normal = random.gaussian(channels);
            let row: Vec<f32> = (0..channels)
                .map(|c| {
                    scale * (normal[c] + 0.5 * normal[(c + 1) % channels].abs()) + 0.1 * c as f32
                })
                .collect();
            features.push_rows(&row);
        }
        features
    }

    #[test]
    fn the_error_is_that_of_a_bootstrap() {
        let (one, other) = (drawn(600, 4, 1, 1.0), drawn(500, 4, 2, 1.4));
        let [own, fixed] = [one.moments(), other.moments()];
        let error = frechet_error(&one, &own, &fixed).unwrap();
        let mut random = Random::keyed([3, 0, 0, 0]);
        let distances: Vec<f64> = (0..400)
            .map(|_| {
                let rows: Vec<usize> = (0..600).map(|_| random.below(600) as usize).collect();
                frechet_distance(&one.select(&rows).moments(), &fixed).unwrap()
            })
            .collect();
        let mean = distances.iter().sum::<f64>() / 400.0;
        let squares: f64 = distances.iter().map(|value| (value - mean).powi(2)).sum();
        let bootstrap = (squares / 399.0).sqrt();
        // 400 resamples know their deviation to 3.5 %.
        assert!(
            (error / bootstrap - 1.0).abs() < 0.12,
            "{error} and {bootstrap}"
        );
    }

    #[test]
    fn the_error_of_one_channel_is_that_of_its_mean_and_deviation() {
        // (m - m')^2 + (s - s')^2 moves by 2 (m - m') (x - m) + (1 - s' / s) ((x - m)^2 - s^2).
        let (one, other) = (drawn(400, 1, 5, 1.0), drawn(300, 1, 6, 2.0));
        let [own, fixed] = [one.moments(), other.moments()];
        let [s, t] = [own.covariance(0, 0).sqrt(), fixed.covariance(0, 0).sqrt()];
        let step = own.mean()[0] - fixed.mean()[0];
        let influences: Vec<f64> = one
            .values()
            .iter()
            .map(|x| f64::from(*x) - own.mean()[0])
            .map(|x| 2.0 * step * x + (1.0 - t / s) * (x * x - s * s))
            .collect();
        let mean = influences.iter().sum::<f64>() / 400.0;
        let squares: f64 = influences.iter().map(|value| (value - mean).powi(2)).sum();
        let expected = (squares / 399.0 / 400.0).sqrt();
        let error = frechet_error(&one, &own, &fixed).unwrap();
        assert!(
            (error / expected - 1.0).abs() < 1e-9,
            "{error} and {expected}"
        );
    }

    #[test]
    fn the_error_shrinks_with_the_root_of_the_number_of_images() {
        let other = drawn(500, 6, 8, 1.3).moments();
        let error = |count: usize| {
            let features = drawn(count, 6, 9, 1.0);
            frechet_error(&features, &features.moments(), &other).unwrap()
        };
        let ratio = error(500) / error(8000);
        assert!((ratio / 4.0 - 1.0).abs() < 0.15, "{ratio}");
    }
}
