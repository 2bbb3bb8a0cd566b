//! Which samples look most and least like the reference, and what they resemble.

use rayon::prelude::*;
use svg_eval::Features;
use svg_train::autoencoder::spread;

/// Neighbours that decide a radius.
const NEIGHBOURS: usize = 3;
/// Features of each side that are looked at, evenly spread: the search takes as long as both numbers multiplied.
const MOST: usize = 4000;

/// A sample and the reference images that it resembles most.
pub struct Likeness {
    /// Number of the sample.
    pub sample: usize,
    /// Realism: above 1 inside the reference's neighbourhoods.
    pub realism: f64,
    /// Numbers of the nearest reference images, nearest first.
    pub nearest: Vec<usize>,
}

/// The realism score of samples (Kynkäänniemi et al., 2019, arXiv 1904.06991, equation 3), from the highest to the
/// lowest: the largest ratio of a reference feature's radius to its distance from the sample, over the half of the
/// reference with the smaller radii.
pub fn likeness(samples: &Features, reference: &Features) -> Vec<Likeness> {
    let places = spread(reference.len(), MOST);
    let reference = reference.select(&places);
    let neighbours = NEIGHBOURS.min(reference.len().saturating_sub(1));
    let radii: Vec<f64> = (0..reference.len())
        .into_par_iter()
        .map(|row| {
            let mut distances = distances(reference.row(row), &reference);
            distances.sort_unstable_by(f64::total_cmp);
            distances
                .get(neighbours)
                .copied()
                .unwrap_or_default()
                .sqrt()
        })
        .collect();
    let mut sorted = radii.clone();
    sorted.sort_unstable_by(f64::total_cmp);
    let median = sorted.get(sorted.len() / 2).copied().unwrap_or_default();
    let one = |sample: usize| {
        let distances = distances(samples.row(sample), &reference);
        let ratios = distances
            .iter()
            .zip(&radii)
            .filter(|(_, radius)| **radius <= median);
        let ratio = |(distance, radius): (&f64, &f64)| radius / distance.sqrt().max(1e-12);
        let realism = ratios.map(ratio).fold(0.0, f64::max);
        let mut nearest: Vec<usize> = (0..distances.len()).collect();
        nearest.sort_by(|a, b| distances[*a].total_cmp(&distances[*b]).then(a.cmp(b)));
        nearest.truncate(NEIGHBOURS);
        let nearest = nearest.into_iter().map(|at| places[at]).collect();
        Likeness {
            sample,
            realism,
            nearest,
        }
    };
    let looked_at = spread(samples.len(), MOST);
    let mut all: Vec<_> = looked_at.into_par_iter().map(one).collect();
    all.sort_by(|a, b| {
        b.realism
            .total_cmp(&a.realism)
            .then(a.sample.cmp(&b.sample))
    });
    all
}

/// Squared distances of a feature to all of a set.
fn distances(from: &[f32], set: &Features) -> Vec<f64> {
    let to = |row: usize| -> f64 {
        let both = from.iter().zip(set.row(row));
        both.map(|(a, b)| f64::from(a - b).powi(2)).sum()
    };
    (0..set.len()).map(to).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_on_a_reference_image_is_more_real_than_one_far_away() {
        let line = |values: &[f32]| Features::from_rows(1, values.to_vec());
        let reference = line(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
        let all = likeness(&line(&[40.0, 3.1]), &reference);
        assert_eq!(all[0].sample, 1);
        assert_eq!(all[0].nearest, [3, 4, 2]);
        assert!(all[0].realism > 1.0 && all[1].realism < 1.0);
        assert_eq!(all[1].nearest[0], 7);
    }
}
