//! Affinities of points for t-SNE.

use rayon::prelude::*;

/// Conditional probabilities that each point chooses each other one as its neighbour, one row per point.
pub fn conditional(points: &[Vec<f32>], perplexity: f64) -> Vec<Vec<f64>> {
    let distance = |a: &[f32], b: &[f32]| -> f64 {
        assert_eq!(
            a.len(),
            b.len(),
            "points of different numbers of dimensions"
        );
        let differences = a.iter().zip(b).map(|(a, b)| f64::from(a - b));
        differences.map(|difference| difference * difference).sum()
    };
    let row = |(point, from): (usize, &Vec<f32>)| {
        let distances: Vec<f64> = points.iter().map(|to| distance(from, to)).collect();
        affinities(&distances, point, perplexity)
    };
    points.par_iter().enumerate().map(row).collect()
}

/// `p[j] = exp(-b d[j]) / sum(exp(-b d))`, with the `b` that gives the row the requested perplexity.
fn affinities(distances: &[f64], own: usize, perplexity: f64) -> Vec<f64> {
    let others = || (0..distances.len()).filter(|other| *other != own);
    let distance = |other: usize| distances[other];
    let nearest = others().map(distance).fold(f64::INFINITY, f64::min);
    let beyond = |other: usize| distances[other] - nearest;
    let spread = others().map(beyond).sum::<f64>() / distances.len() as f64;
    // Equal distances have equal affinities at any width.
    let mut sharpness = if spread > 0.0 { 1.0 / spread } else { 1.0 };
    let (mut low, mut high) = (0.0, f64::INFINITY);
    let mut row = vec![0.0; distances.len()];
    for _ in 0..100 {
        for other in others() {
            row[other] = (-sharpness * beyond(other)).exp();
        }
        let sum: f64 = row.iter().sum();
        row.iter_mut().for_each(|affinity| *affinity /= sum);
        let excess = entropy(&row) - perplexity.ln();
        if excess.abs() < 1e-6 {
            break;
        }
        let end = if excess > 0.0 { &mut low } else { &mut high };
        *end = sharpness;
        sharpness = match high.is_finite() {
            true => (low + high) / 2.0,
            false => 2.0 * sharpness,
        };
    }
    row
}

/// Entropy, the logarithm of the perplexity.
fn entropy(row: &[f64]) -> f64 {
    let positive = row.iter().filter(|affinity| **affinity > 0.0);
    -positive
        .map(|affinity| affinity * affinity.ln())
        .sum::<f64>()
}

/// `(p[i][j] + p[j][i]) / 2 n`
pub fn joint(rows: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let count = rows.len();
    let joint = |i: usize, j: usize| (rows[i][j] + rows[j][i]) / (2.0 * count as f64);
    let row = |i: usize| (0..count).map(|j| joint(i, j)).collect();
    (0..count).map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::normal;

    #[test]
    fn each_row_has_the_requested_perplexity() {
        let points: Vec<Vec<f32>> = (0..90).map(|number| normal(5, number, 8)).collect();
        for row in conditional(&points, 12.0) {
            assert!((entropy(&row).exp() - 12.0).abs() < 1e-3);
            assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn joint_affinities_are_symmetric_and_sum_to_one() {
        let points: Vec<Vec<f32>> = (0..20).map(|number| normal(6, number, 3)).collect();
        let rows = joint(&conditional(&points, 4.0));
        assert!((rows.iter().flatten().sum::<f64>() - 1.0).abs() < 1e-12);
        assert!((0..20).all(|i| rows[i][i] == 0.0 && (0..20).all(|j| rows[i][j] == rows[j][i])));
    }
}
