//! The sliced Wasserstein distance and MIND.

use svg_store::Random;

use crate::sets::blocks::{each_block_of, products};
use crate::{Features, FeaturesError};

/// Directions at once: projections of 50,000 rows on them take 13 MB.
const AT_ONCE: usize = 32;

/// Purpose of the generator's key.
const DIRECTIONS: u64 = 0x6469_7265_6374_6e73;

/// Unit vectors, one per row: `count` directions drawn uniformly from the sphere.
///
/// # Panics
///
/// If there are no channels.
///
/// ```
/// let directions = svg_eval::random_directions(3, 8, 0);
/// let length: f32 = directions.row(2).iter().map(|value| value * value).sum();
/// assert!((length - 1.0).abs() < 1e-6);
/// ```
pub fn random_directions(count: usize, channels: usize, seed: u64) -> Features {
    let mut directions = Features::new(channels);
    for index in 0..count {
        let mut random = Random::keyed([DIRECTIONS, seed, index as u64, 0]);
        let drawn = random.gaussian(channels);
        let length = drawn.iter().map(|value| f64::from(*value).powi(2));
        let length = length.sum::<f64>().sqrt().max(1e-12);
        let unit = drawn
            .iter()
            .map(|value| (f64::from(*value) / length) as f32);
        directions.push_rows(&unit.collect::<Vec<_>>());
    }
    directions
}

/// Squared Wasserstein-2 distance of the projections of both sets on each direction, in f64.
///
/// Projected sets of `n` and `m` points are compared by their quantile functions, so all points count if the sizes
/// differ. torch-fidelity instead leaves out a random part of the larger set.
///
/// # Shapes
///
/// - directions: unit vectors of as many channels
/// - output: one number per direction
///
/// # Errors
///
/// [`FeaturesError`] if the numbers of channels differ, a set or the directions are empty, or a number is not finite.
///
/// ```
/// use svg_eval::{Features, sliced_wasserstein};
///
/// let set = Features::from_rows(2, vec![0.0, 5.0, 1.0, 6.0]);
/// let shifted = Features::from_rows(2, vec![3.0, 5.0, 4.0, 6.0]);
/// let axes = Features::from_rows(2, vec![1.0, 0.0, 0.0, 1.0]);
/// assert_eq!(sliced_wasserstein(&set, &shifted, &axes)?, [9.0, 0.0]);
/// # Ok::<(), svg_eval::FeaturesError>(())
/// ```
pub fn sliced_wasserstein(
    one: &Features,
    other: &Features,
    directions: &Features,
) -> Result<Vec<f64>, FeaturesError> {
    one.check_both(other, 1, "name some images")?;
    one.check_both(directions, 1, "name some images and directions")?;
    let ours = |block: &Features| project(block, one);
    let theirs = |block: &Features| project(block, other);
    let blocks = each_block_of(AT_ONCE, directions.len(), |rows| {
        let block = directions.select(&rows.collect::<Vec<_>>());
        let pairs = ours(&block).into_iter().zip(theirs(&block));
        let distances = pairs.map(|(mut one, mut other)| {
            one.sort_unstable_by(f64::total_cmp);
            other.sort_unstable_by(f64::total_cmp);
            squared_wasserstein(&one, &other)
        });
        distances.collect::<Vec<_>>()
    });
    Ok(blocks.concat())
}

/// MIND, the Monge Inception Distance (Berthet et al., 2026, arXiv 2605.06797): `3 channels` times the mean of
/// [`sliced_wasserstein`] over the directions, usually 1000 of [`random_directions`].
///
/// Needs far fewer images than a Fréchet distance, since no covariance is estimated. For several encoders, divide each
/// by a distance of real images as FDr-6 does; there are no published constants.
///
/// # Errors
///
/// As [`sliced_wasserstein`].
pub fn mind(one: &Features, other: &Features, directions: &Features) -> Result<f64, FeaturesError> {
    let distances = sliced_wasserstein(one, other, directions)?;
    let mean = distances.iter().sum::<f64>() / distances.len() as f64;
    Ok(3.0 * one.channels() as f64 * mean)
}

/// For each direction, the projections of all rows.
fn project(directions: &Features, set: &Features) -> Vec<Vec<f64>> {
    let mut projections = vec![Vec::with_capacity(set.len()); directions.len()];
    products(directions, set, &mut |_, products| {
        for of_row in products.columns() {
            let each = projections.iter_mut().zip(of_row);
            each.for_each(|(projections, value)| projections.push(*value));
        }
    });
    projections
}

/// `integral of (F^-1 - G^-1)^2` of sorted points. Each of `n` points fills `m` steps of `n m`, and vice versa.
fn squared_wasserstein(one: &[f64], other: &[f64]) -> f64 {
    let (n, m) = (one.len() as u64, other.len() as u64);
    if n == m {
        let squares = one.iter().zip(other).map(|(a, b)| (a - b).powi(2));
        return squares.sum::<f64>() / n as f64;
    }
    let (mut i, mut j, mut at, mut sum) = (0, 0, 0, 0.0);
    while i < n && j < m {
        let end = ((i + 1) * m).min((j + 1) * n);
        sum += (end - at) as f64 * (one[i as usize] - other[j as usize]).powi(2);
        i += u64::from(end == (i + 1) * m);
        j += u64::from(end == (j + 1) * n);
        at = end;
    }
    sum / (n as f64 * m as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(count: usize, channels: usize, shift: f32) -> Features {
        let value = |at: usize| (at * at * 13 % 101) as f32 / 8.0 + shift;
        Features::from_rows(channels, (0..count * channels).map(value).collect())
    }

    #[test]
    fn unequal_sizes_equal_repeated_points() {
        let (one, other) = (points(6, 3, 0.0), points(4, 3, 1.0));
        let repeated = |set: &Features, times: usize| {
            set.select(
                &(0..set.len() * times)
                    .map(|at| at / times)
                    .collect::<Vec<_>>(),
            )
        };
        let directions = random_directions(40, 3, 7);
        let found = sliced_wasserstein(&one, &other, &directions).unwrap();
        let (one, other) = (repeated(&one, 2), repeated(&other, 3));
        let expected = sliced_wasserstein(&one, &other, &directions).unwrap();
        for (found, expected) in found.iter().zip(&expected) {
            assert!((found - expected).abs() < 1e-12, "{found}, not {expected}");
        }
    }

    /// `3 d` times the mean of `(direction . shift)^2`, whose expectation is `|shift|^2 / d`.
    #[test]
    fn mind_of_shifted_sets_is_three_times_the_squared_shift() {
        let (one, other) = (points(50, 8, 0.0), points(50, 8, 0.5));
        let found = mind(&one, &other, &random_directions(4000, 8, 1)).unwrap();
        assert!((found - 6.0).abs() < 0.4, "{found}");
        assert_eq!(mind(&one, &one, &random_directions(9, 8, 1)).unwrap(), 0.0);
    }

    #[test]
    fn the_order_of_images_changes_nothing() {
        let (one, other) = (points(700, 3, 0.0), points(30, 3, 1.0));
        let backwards = one.select(&(0..700).rev().collect::<Vec<_>>());
        let directions = random_directions(5, 3, 0);
        let of = |set| mind(set, &other, &directions).unwrap();
        assert!((of(&one) - of(&backwards)).abs() < 1e-12 * of(&one));
    }

    #[test]
    fn directions_of_a_seed_are_a_prefix_of_more_directions() {
        let (few, many) = (random_directions(2, 5, 3), random_directions(4, 5, 3));
        assert_eq!(few.values(), &many.values()[..10]);
        assert_ne!(few, random_directions(2, 5, 4));
    }

    #[test]
    fn directions_of_other_channels_are_an_error() {
        let said = mind(
            &points(4, 3, 0.0),
            &points(4, 3, 0.0),
            &random_directions(2, 4, 0),
        );
        assert!(
            said.unwrap_err()
                .to_string()
                .contains("of 3 and of 4 channels")
        );
    }
}
