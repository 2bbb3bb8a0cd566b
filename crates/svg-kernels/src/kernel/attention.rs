//! Attention from a packed projection, on ordinary memory.

use rayon::prelude::*;

use super::exp;
use super::matrix::Matrix;
use super::target::Target;

/// The axes of a packed projection, `[batch, tokens, 3, heads, head_dim]`.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Images.
    pub batch: usize,
    /// Tokens of an image.
    pub tokens: usize,
    /// Heads of a token.
    pub heads: usize,
    /// Channels of a head.
    pub head_dim: usize,
}

impl Sizes {
    /// Channels of all heads.
    pub fn width(&self) -> usize {
        self.heads * self.head_dim
    }

    /// Calls `step` for each head of each image, with working memory of the thread.
    pub fn each_head<S: Default + Send>(self, step: impl Fn(Head, &mut S) + Sync + Send) {
        let heads = (0..self.batch * self.heads).into_par_iter();
        heads.for_each_init(S::default, |scratch, index| {
            let head = Head {
                sizes: self,
                image: index / self.heads,
                head: index % self.heads,
            };
            step(head, scratch);
        });
    }
}

/// One head of one image.
#[derive(Clone, Copy, Debug)]
pub struct Head {
    sizes: Sizes,
    image: usize,
    head: usize,
}

impl Head {
    /// The head in a part of a tensor, `[batch, tokens, parts, heads, head_dim]`, as `[tokens, head_dim]`.
    pub fn matrix<'a>(&self, numbers: &'a [f32], parts: usize, part: usize) -> Matrix<'a> {
        let numbers = &numbers[self.start(parts, part)..];
        let (sizes, row) = (self.sizes, parts * self.sizes.width());
        Matrix::by_rows(numbers, sizes.tokens, sizes.head_dim, row)
    }

    fn start(&self, parts: usize, part: usize) -> usize {
        let sizes = self.sizes;
        (self.image * sizes.tokens * parts + part) * sizes.width() + self.head * sizes.head_dim
    }

    /// Writes rows of `head_dim` numbers to their places in a part of such a tensor.
    pub fn put(&self, rows: &[f32], target: Target, parts: usize, part: usize) {
        let first = self.start(parts, part);
        for (token, row) in rows.chunks_exact(self.sizes.head_dim).enumerate() {
            let start = first + token * parts * self.sizes.width();
            // SAFETY: each head of each image has places of its own, and each thread another head.
            unsafe { target.slice(start, row.len()) }.copy_from_slice(row);
        }
    }
}

/// Scores that a thread holds, at most: all of 4096 tokens, and of more tokens those of some rows at a time.
const SCORES: usize = 4096 * 4096;
/// Rows at a time, at least.
const ROWS: usize = 64;

/// `softmax(q k^T / sqrt(head_dim)) v`. Output: `[batch, tokens, heads, head_dim]`.
pub fn forward(sizes: Sizes, qkv: &[f32]) -> Vec<f32> {
    forward_by(sizes, qkv, (SCORES / sizes.tokens).max(ROWS))
}

/// With the scores of so many tokens at a time.
fn forward_by(sizes: Sizes, qkv: &[f32], rows: usize) -> Vec<f32> {
    let (tokens, head_dim) = (sizes.tokens, sizes.head_dim);
    let scale = (head_dim as f32).sqrt().recip();
    let mut out = vec![0.0f32; sizes.batch * tokens * sizes.width()];
    let target = Target::new(&mut out);
    sizes.each_head(|head, [scores, attended]: &mut [Vec<f32>; 2]| {
        let [q, k, v] = [0, 1, 2].map(|part| head.matrix(qkv, 3, part));
        attended.resize(tokens * head_dim, 0.0);
        for (index, attended) in attended.chunks_mut(rows * head_dim).enumerate() {
            let count = attended.len() / head_dim;
            scores.resize(count * tokens, 0.0);
            let some = q.part(index * rows, count);
            some.multiply_scaled(k.transposed(), scale, scores, false);
            let factors: Vec<f32> = scores
                .chunks_exact_mut(tokens)
                .map(exp::unnormalised_softmax)
                .collect();
            let weights = Matrix::by_rows(scores, count, tokens, tokens);
            weights.multiply(v, attended, false);
            for (row, factor) in attended.chunks_exact_mut(head_dim).zip(factors) {
                row.iter_mut().for_each(|value| *value *= factor);
            }
        }
        head.put(attended, target, 1, 0);
    });
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Memory for scores does not grow with the square of the tokens.
    #[test]
    fn some_rows_at_a_time_are_all_rows_at_once() {
        let sizes = Sizes {
            batch: 2,
            tokens: 37,
            heads: 3,
            head_dim: 8,
        };
        let count = sizes.batch * sizes.tokens * 3 * sizes.width();
        let qkv: Vec<f32> = (0..count).map(|i| (i as f32 * 0.37).sin()).collect();
        let whole = forward(sizes, &qkv);
        for rows in [1, 8, 36, 37, 100] {
            let parts = forward_by(sizes, &qkv, rows);
            let worst = whole.iter().zip(&parts).map(|(a, b)| (a - b).abs());
            let worst = worst.fold(0.0, f32::max);
            assert!(worst < 1e-6, "{rows}: {worst}");
        }
    }
}
