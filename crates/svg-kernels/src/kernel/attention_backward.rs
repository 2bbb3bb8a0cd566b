//! The gradient of attention at a packed projection, on ordinary memory.

use rayon::prelude::*;

use super::attention::Sizes;
use super::exp::{through_softmax, unnormalised_softmax};
use super::matrix::Matrix;
use super::target::Target;

/// The gradient at `qkv`, given the one at the result. One head of one image at a time on each thread; the
/// weights of the softmax are computed again, which is a fifth of the products and saves the largest tensor
/// of a training step.
///
/// # Shapes
///
/// - qkv and output: `[batch, tokens, 3, heads, head_dim]`
/// - dy: `[batch, tokens, heads * head_dim]`
pub fn backward(sizes: Sizes, qkv: &[f32], dy: &[f32]) -> Vec<f32> {
    let Sizes {
        batch,
        tokens,
        heads,
        head_dim,
    } = sizes;
    let width = sizes.width();
    let mut out = vec![0.0f32; qkv.len()];
    let target = Target::new(&mut out);
    (0..batch * heads)
        .into_par_iter()
        .for_each_init(Scratch::default, |scratch, index| {
            let (image, head) = (index / heads, index % heads);
            let head = Head {
                tokens,
                head_dim,
                width,
                first: image * tokens * 3 * width + head * head_dim,
            };
            let dy = &dy[image * tokens * width + index % heads * head_dim..];
            head.backward(qkv, dy, scratch, target);
        });
    out
}

/// Working memory of a thread.
#[derive(Default)]
struct Scratch {
    /// Weights of the softmax, `[tokens, tokens]`.
    weights: Vec<f32>,
    /// The gradient at them, and then at the scores.
    scores: Vec<f32>,
    /// `[tokens, head_dim]`.
    part: Vec<f32>,
}

/// One head of one image in the packed projection.
struct Head {
    tokens: usize,
    head_dim: usize,
    width: usize,
    /// Of its queries.
    first: usize,
}

impl Head {
    fn backward(&self, qkv: &[f32], dy: &[f32], scratch: &mut Scratch, target: Target) {
        let (tokens, head_dim) = (self.tokens, self.head_dim);
        let part = |i: usize| {
            let from = &qkv[self.first + i * self.width..];
            Matrix::by_rows(from, tokens, head_dim, 3 * self.width)
        };
        let [q, k, v] = [0, 1, 2].map(part);
        let dy = Matrix::by_rows(dy, tokens, head_dim, self.width);
        let scale = (head_dim as f32).sqrt().recip();
        scratch.weights.resize(tokens * tokens, 0.0);
        scratch.scores.resize(tokens * tokens, 0.0);
        scratch.part.resize(tokens * head_dim, 0.0);

        q.multiply(k.transposed(), &mut scratch.weights, false);
        for row in scratch.weights.chunks_exact_mut(tokens) {
            row.iter_mut().for_each(|score| *score *= scale);
            let factor = unnormalised_softmax(row);
            row.iter_mut().for_each(|weight| *weight *= factor);
        }
        let square = |numbers| Matrix::by_rows(numbers, tokens, tokens, tokens);
        let weights = square(&scratch.weights);
        weights.transposed().multiply(dy, &mut scratch.part, false);
        self.put(2, &scratch.part, target);

        dy.multiply(v.transposed(), &mut scratch.scores, false);
        let rows = scratch.scores.chunks_exact_mut(tokens);
        for (gradient, weights) in rows.zip(scratch.weights.chunks_exact(tokens)) {
            through_softmax(weights, gradient, scale);
        }
        let scores = square(&scratch.scores);
        scores.multiply(k, &mut scratch.part, false);
        self.put(0, &scratch.part, target);
        scores.transposed().multiply(q, &mut scratch.part, false);
        self.put(1, &scratch.part, target);
    }

    /// Rows of a part to their places.
    fn put(&self, part: usize, rows: &[f32], target: Target) {
        for (token, row) in rows.chunks_exact(self.head_dim).enumerate() {
            let start = self.first + part * self.width + token * 3 * self.width;
            // SAFETY: each head of each image has places of its own, and each thread another head.
            unsafe { target.slice(start, self.head_dim) }.copy_from_slice(row);
        }
    }
}
