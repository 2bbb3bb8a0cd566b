//! t-SNE, after van der Maaten and Hinton, *Visualizing Data using t-SNE*, JMLR 9 (2008).
//!
//! This is the exact method, whose time is quadratic in the number of points; it is meant for some hundreds. Faster
//! crates exist, but they sum over threads in arbitrary order, so that their results are
//! not reproducible bit for bit.

use rayon::prelude::*;

use crate::affinity::{conditional, joint};

const STEPS: usize = 750;

/// Number of steps with early exaggeration by a factor of four.
const EARLY: usize = 150;

/// Number of steps with low momentum.
const SLOW: usize = 250;

/// Embeds points in the plane with t-SNE.
///
/// Gradient descent on `KL(P || Q)`, where `P` are symmetrised Gaussian affinities whose width at each point gives
/// the requested perplexity, and `Q` those of Student's t-distribution in the plane. The initial positions are
/// `1e-4 * start`, where `start` has two normal numbers per point. The result does not depend on threads.
///
/// The perplexity is about the number of effective neighbours. It is lowered if there are too few points.
///
/// # Panics
///
/// If the points have different numbers of dimensions, `start` does not have two numbers per point, or the
/// perplexity is not above 1.
pub fn tsne(points: &[Vec<f32>], perplexity: f64, start: &[f32]) -> Vec<[f64; 2]> {
    assert!(
        perplexity > 1.0,
        "the perplexity must be above 1, but is {perplexity}"
    );
    let count = points.len();
    let given = start.len();
    assert!(
        given == 2 * count,
        "`start` must have two numbers per point, but has {given} for {count} points"
    );
    let mut places: Vec<[f64; 2]> = start
        .chunks_exact(2)
        .map(|pair| [0, 1].map(|i| 1e-4 * f64::from(pair[i])))
        .collect();
    // Too few points to distinguish neighbours.
    if count < 5 {
        return places;
    }
    let affinities = joint(&conditional(
        points,
        perplexity.min((count - 1) as f64 / 3.0),
    ));
    // Belkina et al., Nature Communications 10 (2019), for an exaggeration of four.
    let rate = (count as f64 / 4.0).max(50.0);
    let mut moves = vec![[0.0; 2]; count];
    let mut gains = vec![[1.0f64; 2]; count];
    for step in 0..STEPS {
        let exaggeration = if step < EARLY { 4.0 } else { 1.0 };
        let momentum = if step < SLOW { 0.5 } else { 0.8 };
        let gradients = gradient(&affinities, &places, exaggeration);
        for (point, slope) in gradients.iter().enumerate() {
            for i in 0..2 {
                // Jacobs, Neural Networks 1 (1988): larger steps while the sign stays, smaller ones if it changes.
                let gain = &mut gains[point][i];
                let turned = (slope[i] > 0.0) == (moves[point][i] > 0.0);
                *gain = if turned {
                    (*gain * 0.8).max(0.01)
                } else {
                    *gain + 0.2
                };
                moves[point][i] = momentum * moves[point][i] - rate * *gain * slope[i];
                places[point][i] += moves[point][i];
            }
        }
        let middle =
            [0, 1].map(|i| places.iter().map(|place| place[i]).sum::<f64>() / count as f64);
        places
            .iter_mut()
            .for_each(|place| *place = [0, 1].map(|i| place[i] - middle[i]));
    }
    places
}

/// `4 sum_j (e p[i][j] - q[i][j]) w[i][j] (y[i] - y[j])`, where `w = 1 / (1 + |y[i] - y[j]|^2)` and `q = w / sum(w)`.
fn gradient(affinities: &[Vec<f64>], places: &[[f64; 2]], exaggeration: f64) -> Vec<[f64; 2]> {
    let weight = |from: &[f64; 2], to: &[f64; 2]| {
        let [x, y] = [from[0] - to[0], from[1] - to[1]];
        (1.0 / (1.0 + x * x + y * y), x, y)
    };
    // For each point: attraction, repulsion, and its part of the normalising sum.
    let forces = |(row, from): (&Vec<f64>, &[f64; 2])| {
        let (mut attraction, mut repulsion, mut sum) = ([0.0; 2], [0.0; 2], -1.0);
        for (affinity, to) in row.iter().zip(places) {
            let (weight, x, y) = weight(from, to);
            let (pull, push) = (exaggeration * affinity * weight, weight * weight);
            attraction = [attraction[0] + pull * x, attraction[1] + pull * y];
            repulsion = [repulsion[0] + push * x, repulsion[1] + push * y];
            sum += weight;
        }
        (attraction, repulsion, sum)
    };
    let forces: Vec<_> = affinities.par_iter().zip(places).map(forces).collect();
    let total: f64 = forces.iter().map(|(_, _, sum)| sum).sum();
    let gradient = |(attraction, repulsion, _): &([f64; 2], [f64; 2], f64)| {
        [0, 1].map(|i| 4.0 * (attraction[i] - repulsion[i] / total))
    };
    forces.iter().map(gradient).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::normal;

    /// Points around three distant centres in eight dimensions, in turn.
    fn clusters(count: usize) -> Vec<Vec<f32>> {
        let point = |number: usize| {
            let mut point = normal(5, number as u64, 8);
            point[number % 3] += 12.0;
            point
        };
        (0..count).map(point).collect()
    }

    #[test]
    fn clusters_are_separated() {
        let places = tsne(&clusters(150), 20.0, &normal(1, 0, 300));
        for (point, from) in places.iter().enumerate() {
            let others = places
                .iter()
                .enumerate()
                .filter(|(other, _)| *other != point);
            let distance = |to: &[f64; 2]| (from[0] - to[0]).hypot(from[1] - to[1]);
            let nearest = others.min_by(|a, b| distance(a.1).total_cmp(&distance(b.1)));
            assert_eq!(nearest.unwrap().0 % 3, point % 3, "point {point}");
        }
    }

    #[test]
    fn the_result_depends_on_the_start_but_not_on_threads() {
        let points = clusters(40);
        let alone = rayon::ThreadPoolBuilder::new()
            .num_threads(1)
            .build()
            .unwrap();
        let start = normal(3, 0, 80);
        let map = tsne(&points, 10.0, &start);
        assert_eq!(map, alone.install(|| tsne(&points, 10.0, &start)));
        assert_ne!(map, tsne(&points, 10.0, &normal(4, 0, 80)));
    }

    #[test]
    fn the_gradient_equals_finite_differences_of_the_divergence() {
        let affinities = joint(&conditional(&clusters(12), 3.0));
        let places: Vec<[f64; 2]> = normal(2, 0, 24)
            .chunks_exact(2)
            .map(|pair| [0, 1].map(|i| f64::from(pair[i])))
            .collect();
        let divergence = |places: &[[f64; 2]]| {
            let weight = |i: usize, j: usize| {
                let [x, y] = [0, 1].map(|axis| places[i][axis] - places[j][axis]);
                1.0 / (1.0 + x * x + y * y)
            };
            let pairs =
                || (0..12).flat_map(|i| (0..12).filter(move |j| *j != i).map(move |j| (i, j)));
            let total: f64 = pairs().map(|(i, j)| weight(i, j)).sum();
            let term = |(i, j): (usize, usize)| {
                affinities[i][j] * (affinities[i][j] / (weight(i, j) / total)).ln()
            };
            pairs().map(term).sum::<f64>()
        };
        let found = gradient(&affinities, &places, 1.0);
        for (point, axis) in [(0, 0), (5, 1), (11, 0)] {
            let moved = |by: f64| {
                let mut places = places.clone();
                places[point][axis] += by;
                divergence(&places)
            };
            let expected = (moved(1e-5) - moved(-1e-5)) / 2e-5;
            assert!(
                (found[point][axis] - expected).abs() < 1e-7,
                "{} is not {expected}",
                found[point][axis]
            );
        }
    }

    #[test]
    fn equal_points_and_few_points_have_finite_positions() {
        for points in [vec![], vec![vec![1.0; 3]; 4], vec![vec![1.0; 3]; 30]] {
            let places = tsne(&points, 30.0, &normal(0, 0, 2 * points.len()));
            assert_eq!(places.len(), points.len());
            assert!(places.iter().flatten().all(|place| place.is_finite()));
        }
    }
}
