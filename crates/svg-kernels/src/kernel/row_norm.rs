//! Norms of rows, such as tokens or the heads of a token, and their gradients.

use rayon::prelude::*;

use super::exp::add;
use super::norm::lane_sum;

/// Rows for one thread at a time. The sums of a chunk are added in the order of chunks, so a gradient does
/// not depend on the number of threads.
pub const ROWS: usize = 32;

/// `(row - mean) / sqrt(variance + epsilon) factor + term`, for rows as long as `factor`.
#[derive(Clone, Copy, Debug)]
pub struct RowNorm<'a> {
    /// A factor for each place in a row.
    pub factor: &'a [f32],
    /// A term for each place in a row.
    pub term: &'a [f32],
    /// Added to the variance.
    pub epsilon: f64,
}

impl RowNorm<'_> {
    /// In place of `rows`, one after the other.
    pub fn rows(&self, rows: &mut [f32]) {
        norm_rows(rows, self.factor, self.term, self.epsilon);
    }

    /// [`backward`](Self::backward) on this thread, adding to the gradients at factors and terms.
    pub fn through(
        &self,
        rows: &[f32],
        dy: &mut [f32],
        of_factor: &mut [f32],
        of_term: &mut [f32],
    ) {
        through_rows(rows, self.factor, self.epsilon, dy, of_factor, of_term);
    }

    /// The gradient at `rows` in place of `dy`, the one at the result; returns those at the factors and at
    /// the terms.
    ///
    /// With `n = (row - mean) scale` it is `scale (factor dy - m1 - n m2)`, where `m1` and `m2` are the means
    /// over the row of `factor dy` and of `factor dy n`.
    pub fn backward(&self, rows: &[f32], dy: &mut [f32]) -> [Vec<f32>; 2] {
        let len = self.factor.len();
        let chunks = rows
            .par_chunks(ROWS * len)
            .zip(dy.par_chunks_mut(ROWS * len));
        let sums: Vec<_> = chunks
            .map(|(rows, dy)| {
                let (mut factor, mut term) = (vec![0.0; len], vec![0.0; len]);
                self.through(rows, dy, &mut factor, &mut term);
                [factor, term]
            })
            .collect();
        let mut total = [vec![0.0; len], vec![0.0; len]];
        for chunk in sums {
            for (total, chunk) in total.iter_mut().zip(chunk) {
                add(total, &chunk);
            }
        }
        total
    }
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
    fn norm_rows(rows: &mut [f32], factor: &[f32], term: &[f32], epsilon: f64) {
        for row in rows.chunks_exact_mut(factor.len()) {
            let [mean, scale] = moments(row, epsilon);
            for ((x, factor), term) in row.iter_mut().zip(factor).zip(term) {
                *x = (*x - mean) * scale * factor + term;
            }
        }
    }
}

vectorised! {
    fn through_rows(
        rows: &[f32],
        factor: &[f32],
        epsilon: f64,
        dy: &mut [f32],
        of_factor: &mut [f32],
        of_term: &mut [f32]
    ) {
        let len = factor.len();
        let (of_factor, of_term) = (&mut of_factor[..len], &mut of_term[..len]);
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
