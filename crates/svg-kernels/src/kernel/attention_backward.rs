//! The gradient of attention at a packed projection, on ordinary memory.

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
    let (tokens, head_dim) = (sizes.tokens, sizes.head_dim);
    let scale = (head_dim as f32).sqrt().recip();
    let mut out = vec![0.0f32; qkv.len()];
    let target = Target::new(&mut out);
    // Weights of the softmax, the gradient at them and then at the scores, and a part of the result.
    sizes.each_head(|head, [weights, scores, part]: &mut [Vec<f32>; 3]| {
        let [q, k, v] = [0, 1, 2].map(|part| head.matrix(qkv, 3, part));
        let dy = head.matrix(dy, 1, 0);
        weights.resize(tokens * tokens, 0.0);
        scores.resize(tokens * tokens, 0.0);
        part.resize(tokens * head_dim, 0.0);

        q.multiply(k.transposed(), weights, false);
        for row in weights.chunks_exact_mut(tokens) {
            row.iter_mut().for_each(|score| *score *= scale);
            let factor = unnormalised_softmax(row);
            row.iter_mut().for_each(|weight| *weight *= factor);
        }
        let square = |numbers| Matrix::by_rows(numbers, tokens, tokens, tokens);
        square(weights).transposed().multiply(dy, part, false);
        head.put(part, target, 3, 2);

        dy.multiply(v.transposed(), scores, false);
        let rows = scores.chunks_exact_mut(tokens);
        for (gradient, weights) in rows.zip(weights.chunks_exact(tokens)) {
            through_softmax(weights, gradient, scale);
        }
        square(scores).multiply(k, part, false);
        head.put(part, target, 3, 0);
        square(scores).transposed().multiply(q, part, false);
        head.put(part, target, 3, 1);
    });
    out
}
