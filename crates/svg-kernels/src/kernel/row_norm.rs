//! Norms of rows, such as tokens or the heads of a token, and their gradients.

use rayon::prelude::*;

use super::norm::lane_sum;
use super::sums::sum_of_rows;

/// Rows for one thread at a time. The sums of a chunk are added in the order of chunks, so a gradient does
/// not depend on the number of threads.
pub const ROWS: usize = 32;

/// [`gradients`] on all threads: with the one at `rows` in place of `dy`, those at the factors and then those at
/// the terms.
pub fn backward(factor: &[f32], epsilon: f64, rows: &[f32], dy: &mut [f32]) -> Vec<f32> {
    let len = factor.len();
    let chunks = rows.par_chunks(ROWS * len);
    let chunks = chunks.zip(dy.par_chunks_mut(ROWS * len));
    let sums = chunks.map(|(rows, dy)| {
        let mut sums = vec![0.0; 2 * len];
        gradients(factor, epsilon, rows, dy, &mut sums);
        sums
    });
    sum_of_rows(sums.collect::<Vec<_>>(), 2 * len)
}

/// The mean, and one over the deviation.
#[inline(always)]
fn moments(row: &[f32], epsilon: f64) -> [f32; 2] {
    let len = row.len() as f64;
    let mean = (lane_sum(row.len(), |i| row[i]) / len) as f32;
    let squares = lane_sum(row.len(), |i| (row[i] - mean) * (row[i] - mean));
    [mean, (squares / len + epsilon).sqrt().recip() as f32]
}

vectorised! {
    /// `(row - mean) / sqrt(variance + epsilon) factor + term` in place of `rows`, each as long as `factor` and
    /// `term`.
    pub fn normalise(factor: &[f32], term: &[f32], epsilon: f64, rows: &mut [f32]) {
        for row in rows.chunks_exact_mut(factor.len()) {
            let [mean, scale] = moments(row, epsilon);
            for ((x, factor), term) in row.iter_mut().zip(factor).zip(term) {
                *x = (*x - mean) * scale * factor + term;
            }
        }
    }

    /// The gradient of [`normalise`] at `rows` in place of `dy`, the one at the result; adds those at the factors
    /// and then those at the terms to `sums`.
    ///
    /// With `n = (row - mean) scale` it is `scale (factor dy - m1 - n m2)`, where `m1` and `m2` are the means
    /// over the row of `factor dy` and of `factor dy n`.
    pub fn gradients(
        factor: &[f32],
        epsilon: f64,
        rows: &[f32],
        dy: &mut [f32],
        sums: &mut [f32]
    ) {
        let len = factor.len();
        let (of_factor, of_term) = sums.split_at_mut(len);
        let of_term = &mut of_term[..len];
        for (row, dy) in rows.chunks_exact(len).zip(dy.chunks_exact_mut(len)) {
            let [mean, scale] = moments(row, epsilon);
            for i in 0..len {
                of_factor[i] += dy[i] * ((row[i] - mean) * scale);
                of_term[i] += dy[i];
                dy[i] *= factor[i];
            }
            let plain = (lane_sum(len, |i| dy[i]) / len as f64) as f32;
            let normed = lane_sum(len, |i| dy[i] * ((row[i] - mean) * scale));
            let normed = (normed / len as f64) as f32;
            for (x, dy) in row.iter().zip(dy) {
                *dy = scale * (*dy - plain - (*x - mean) * scale * normed);
            }
        }
    }
}
