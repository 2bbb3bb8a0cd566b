//! Norms of the queries and keys of each head, in the packed projection.

use burn::backend::flex::FlexTensor;
use burn::prelude::*;
use burn::tensor::{DType, module};

use crate::array::{array, contiguous, dims, numbers, rewritten, rewritten_beside};
use crate::kernel::row_norm::{gradients, normalise};
use crate::kernel::sums::sum_of_rows;
use crate::operation::{Operation, on_host, run};

/// Tokens for one thread at a time.
const TOKENS: usize = 32;

/// Layer norm of the queries and of the keys of each head, in f32 whatever their type; values as they are.
///
/// On Burn's CPU backend in f32 it takes one pass over memory, outside a graph in place of `qkv` if nobody
/// else holds it; elsewhere it is composed of Burn's operations.
///
/// # Shapes
///
/// - qkv and output: `[batch, tokens, 3, heads, head_dim]`
/// - queries, keys: factors and terms of their norm, `[head_dim]` each
///
/// # Panics
///
/// If the shapes do not fit each other.
pub fn normalise_heads(
    qkv: Tensor<5>,
    queries: [Tensor<1>; 2],
    keys: [Tensor<1>; 2],
    epsilon: f64,
) -> Tensor<5> {
    let [.., head_dim] = qkv.dims();
    assert_shape!(qkv, [_, _, 3, _, _]);
    let ([a, b], [c, d]) = (queries, keys);
    let vectors = [a, b, c, d];
    for vector in &vectors {
        assert_shape!(vector, [head_dim]);
    }
    if on_host(&qkv) && vectors.iter().all(on_host) {
        let [a, b, c, d] = vectors.map(Tensor::into_dispatch);
        return run(HeadNorms { epsilon }, [qkv.into_dispatch(), a, b, c, d]);
    }
    let dtype = qkv.dtype();
    let part = |i| qkv.clone().narrow(2, i, 1);
    let normed = |i, gamma, beta| {
        module::layer_norm(part(i).cast(DType::F32), gamma, Some(beta), epsilon).cast(dtype)
    };
    let [a, b, c, d] = vectors;
    Tensor::cat(vec![normed(0, a, b), normed(1, c, d), part(2)], 2)
}

/// The inputs are `qkv`, factors and terms of the queries, factors and terms of the keys.
#[derive(Clone, Copy, Debug)]
struct HeadNorms {
    epsilon: f64,
}

impl Operation<5> for HeadNorms {
    fn keeps(&self, _wanted: [bool; 5]) -> [bool; 5] {
        [true, true, false, true, false]
    }

    fn forward(&self, [qkv, a, b, c, d]: [FlexTensor; 5]) -> FlexTensor {
        let [_, _, _, heads, head_dim] = dims(&qkv);
        let width = heads * head_dim;
        let vectors = [a, b, c, d].map(contiguous);
        let [a, b, c, d] = vectors.each_ref().map(numbers);
        let normed = rewritten(qkv, TOKENS * 3 * width, |_, tokens| {
            for token in tokens.chunks_exact_mut(3 * width) {
                let parts = token.chunks_exact_mut(width).zip([[a, b], [c, d]]);
                parts.for_each(|(heads, [a, b])| normalise(a, b, self.epsilon, heads));
            }
        });
        normed.0
    }

    fn backward(
        &self,
        [qkv, queries, _, keys, _]: [FlexTensor; 5],
        dy: FlexTensor,
        _wanted: [bool; 5],
    ) -> [Option<FlexTensor>; 5] {
        let [_, _, _, heads, head_dim] = dims(&qkv);
        let width = heads * head_dim;
        let [queries, keys] = [queries, keys].map(contiguous);
        let factors = [&queries, &keys].map(numbers);
        let (dx, sums) = rewritten_beside(dy, qkv, TOKENS * 3 * width, |_, dy, qkv| {
            // For each norm those at its factors and at its terms, one after the other.
            let mut sums = vec![0.0f32; 4 * head_dim];
            let tokens = qkv.chunks_exact(3 * width);
            for (token, dy) in tokens.zip(dy.chunks_exact_mut(3 * width)) {
                let parts = token.chunks_exact(width).zip(dy.chunks_exact_mut(width));
                let sums = sums.chunks_exact_mut(2 * head_dim);
                for ((factor, sums), (heads, dy)) in factors.into_iter().zip(sums).zip(parts) {
                    gradients(factor, self.epsilon, heads, dy, sums);
                }
            }
            sums
        });
        let total = sum_of_rows(&sums, 4 * head_dim);
        let vector = |i: usize| array(total[i * head_dim..][..head_dim].to_vec(), [head_dim]);
        [dx, vector(0), vector(1), vector(2), vector(3)].map(Some)
    }
}
