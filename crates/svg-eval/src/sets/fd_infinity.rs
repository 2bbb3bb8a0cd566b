//! The Fréchet distance extrapolated to infinitely many samples.

use svg_store::Random;

use crate::frechet::{Factor, distance_of};
use crate::sets::summary::mean;
use crate::{Features, FrechetError, Moments};

/// Numbers of samples whose distances are fitted.
const POINTS: usize = 15;
/// Purpose of the generator's key.
const SUBSETS: u64 = 0x6664_2d69_6e66_696e;

/// A line through Fréchet distances of growing numbers of samples.
#[derive(Clone, Debug, PartialEq)]
pub struct FdInfinity {
    /// Value of the line at `1 / n = 0`, which can be negative.
    pub value: f64,
    /// Numbers of samples.
    pub counts: Vec<usize>,
    /// Distance of each.
    pub distances: Vec<f64>,
}

/// FD-infinity (Chong and Forsyth, 2020): the Fréchet distances of 15 numbers of samples, fitted by a line in `1 / n`
/// and extrapolated to `1 / n = 0`. It removes most of the bias of finitely many samples, but not that of the reference.
///
/// The numbers are those of dgm-eval: evenly spaced from `min(5000, max(n / 10, 2))` to all `n`. Each subset is drawn
/// without replacement, here by a keyed generator; dgm-eval's draws differ at every call.
///
/// The line is meaningful if the smallest number exceeds the number of channels: the covariances of fewer have another
/// bias.
///
/// # Errors
///
/// [`FrechetError`] as for the distance, and if there are fewer than 30 samples.
///
/// ```
/// use svg_eval::{Features, fd_infinity};
///
/// let set = |step: usize| Features::from_rows(1, (0..400).map(|i| (i * step % 101) as f32).collect());
/// let found = fd_infinity(&set(7).moments(), &set(13), 0)?;
/// assert_eq!((found.counts[0], found.counts[14]), (40, 400));
/// # Ok::<(), svg_eval::FrechetError>(())
/// ```
pub fn fd_infinity(
    reference: &Moments,
    samples: &Features,
    seed: u64,
) -> Result<FdInfinity, FrechetError> {
    samples.check(
        2 * POINTS,
        "extrapolation needs differing numbers of images",
    )?;
    let reference = Factor::new(reference)?;
    let counts = counts(samples.len());
    let mut distances = Vec::with_capacity(POINTS);
    for (index, count) in counts.iter().enumerate() {
        let mut rows: Vec<usize> = (0..samples.len()).collect();
        Random::keyed([SUBSETS, seed, index as u64, 0]).shuffle(&mut rows);
        let subset = samples.select(&rows[..*count]).moments();
        distances.push(distance_of(&reference, &Factor::new(&subset)?)?);
    }
    let inverse: Vec<f64> = counts.iter().map(|count| 1.0 / *count as f64).collect();
    Ok(FdInfinity {
        value: intercept(&inverse, &distances),
        counts,
        distances,
    })
}

fn counts(all: usize) -> Vec<usize> {
    let first = (all / 10).clamp(2, 5000) as f64;
    let step = (all as f64 - first) / (POINTS - 1) as f64;
    let count = |index: usize| match index + 1 == POINTS {
        true => all,
        false => (first + step * index as f64) as usize,
    };
    (0..POINTS).map(count).collect()
}

/// Value at 0 of the line of least squares.
fn intercept(x: &[f64], y: &[f64]) -> f64 {
    let (middle, height) = (mean(x), mean(y));
    let both = || x.iter().zip(y).map(|(x, y)| (x - middle, y - height));
    let rise: f64 = both().map(|(x, y)| x * y).sum();
    let run: f64 = both().map(|(x, _)| x * x).sum();
    height - rise / run * middle
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `np.linspace(min(5000, max(n // 10, 2)), n, 15).astype('int32')` of NumPy 2.4.6
    #[test]
    fn numbers_of_samples_are_those_of_dgm_eval() {
        let small = [3, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30];
        assert_eq!(counts(30), small);
        assert_eq!(counts(1234)[..5], [123, 202, 281, 361, 440]);
        let large = counts(50_000);
        assert_eq!(large[..4], [5000, 8214, 11428, 14642]);
        assert_eq!(large[12..], [43571, 46785, 50000]);
    }

    #[test]
    fn the_intercept_of_a_line_is_exact() {
        let x = [0.1, 0.2, 0.4];
        let y = x.map(|x| 3.0 - 2.0 * x);
        assert!((intercept(&x, &y) - 3.0).abs() < 1e-12);
    }

    /// Samples of the reference's own distribution: the distance of all is biased, the extrapolation much less.
    #[test]
    fn extrapolation_removes_most_of_the_bias() {
        let gaussian = |count: usize, key| {
            let mut random = Random::keyed([0, 0, 0, key]);
            Features::from_rows(12, random.gaussian(count * 12))
        };
        let reference = gaussian(20_000, 1).moments();
        let found = fd_infinity(&reference, &gaussian(1500, 2), 0).unwrap();
        let all = found.distances[14];
        assert!(all > 0.02 && found.value.abs() < 0.5 * all, "{found:?}");
    }

    #[test]
    fn few_samples_are_an_error() {
        let set = Features::from_rows(1, vec![0.0; 29]);
        let said = fd_infinity(&set.moments(), &set, 0)
            .unwrap_err()
            .to_string();
        assert!(said.contains("at least 30 images"), "{said}");
    }
}
