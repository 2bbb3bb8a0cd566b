//! Norms of the queries and keys of each head, in place in the packed projection.

use burn::nn::LayerNorm;
use burn::prelude::*;
use burn::tensor::{DType, TensorData};
use rayon::prelude::*;

use crate::ParameterGradients;
use crate::adaptive_norm::{normed, through};
use crate::attention::QK_NORM_EPS;
use crate::kernel::exp::add;
use crate::kernel::host::{numbers, numbers_mut};
use crate::kernel::on_host;
use crate::kernel::row_norm::RowNorm;

/// Tokens for one thread at a time.
const TOKENS: usize = 32;

/// Norms of queries and keys in f32, values as they are.
///
/// # Shapes
///
/// - qkv and output: `[batch, tokens, 3, heads, head_dim]`
pub(crate) fn normalise_heads(qkv: Tensor<5>, q_norm: &LayerNorm, k_norm: &LayerNorm) -> Tensor<5> {
    if on_host(&qkv) {
        return on_the_host(qkv, [q_norm, k_norm]);
    }
    let dtype = qkv.dtype();
    let part = |i| qkv.clone().narrow(2, i, 1);
    let normed = |norm: &LayerNorm, i| norm.forward(part(i).cast(DType::F32)).cast(dtype);
    Tensor::cat(vec![normed(q_norm, 0), normed(k_norm, 1), part(2)], 2)
}

/// The gradient at `qkv`, given the one at the result; notes those of both norms' parameters.
///
/// # Shapes
///
/// - qkv, dy and output: `[batch, tokens, 3, heads, head_dim]`
pub(crate) fn normalise_heads_backward(
    qkv: Tensor<5>,
    norms: [&LayerNorm; 2],
    dy: Tensor<5>,
    gradients: &mut ParameterGradients,
) -> Tensor<5> {
    if on_host(&qkv) && on_host(&dy) {
        return on_the_host_backward(qkv, norms, dy, gradients);
    }
    let dtype = qkv.dtype();
    let part = |of: &Tensor<5>, i| of.clone().narrow(2, i, 1).cast(DType::F32);
    let mut parts = Vec::new();
    for (i, norm) in norms.into_iter().enumerate() {
        let (normed, deviation) = normed(part(&qkv, i), QK_NORM_EPS);
        let dy = part(&dy, i);
        let sums = |of: Tensor<5>| crate::kernel::column_sums(of);
        gradients.of_norm(norm, sums(dy.clone() * normed.clone()), sums(dy.clone()));
        let gamma = norm.gamma.val().unsqueeze::<5>();
        parts.push(through(dy * gamma, normed, deviation).cast(dtype));
    }
    parts.push(dy.narrow(2, 2, 1));
    Tensor::cat(parts, 2)
}

/// Factors and terms of a norm.
fn parameters(norm: &LayerNorm) -> [TensorData; 2] {
    let gamma = norm.gamma.val();
    let beta = norm.beta.as_ref().map(|beta| beta.val());
    let beta = beta.unwrap_or_else(|| gamma.zeros_like());
    [gamma.into_data(), beta.into_data()]
}

fn on_the_host(qkv: Tensor<5>, norms: [&LayerNorm; 2]) -> Tensor<5> {
    let device = qkv.device();
    let [_, _, _, heads, head_dim] = qkv.dims();
    let width = heads * head_dim;
    let parameters = norms.map(parameters);
    let norms = parameters.each_ref().map(row_norm);
    let mut qkv = qkv.into_data();
    let tokens = numbers_mut(&mut qkv).par_chunks_mut(3 * width);
    tokens.for_each(|token| {
        let parts = token.chunks_exact_mut(width);
        parts.zip(&norms).for_each(|(heads, norm)| norm.rows(heads));
    });
    Tensor::from_data(qkv, &device)
}

fn on_the_host_backward(
    qkv: Tensor<5>,
    norms: [&LayerNorm; 2],
    dy: Tensor<5>,
    gradients: &mut ParameterGradients,
) -> Tensor<5> {
    let device = qkv.device();
    let [_, _, _, heads, head_dim] = qkv.dims();
    let width = heads * head_dim;
    let values = norms.map(parameters);
    let row_norms = values.each_ref().map(row_norm);
    let (qkv, mut dy) = (qkv.into_data(), dy.into_data());
    let chunk = TOKENS * 3 * width;
    let chunks = numbers(&qkv)
        .par_chunks(chunk)
        .zip(numbers_mut(&mut dy).par_chunks_mut(chunk));
    // For each norm the sums at its factors and at its terms, one after the other.
    let sums: Vec<[Vec<f32>; 2]> = chunks
        .map(|(qkv, dy)| {
            let mut sums = [(); 2].map(|()| vec![0.0f32; 2 * head_dim]);
            let tokens = qkv
                .chunks_exact(3 * width)
                .zip(dy.chunks_exact_mut(3 * width));
            for (qkv, dy) in tokens {
                let parts = qkv.chunks_exact(width).zip(dy.chunks_exact_mut(width));
                for ((norm, sums), (heads, dy)) in row_norms.iter().zip(&mut sums).zip(parts) {
                    let (factor, term) = sums.split_at_mut(head_dim);
                    norm.through(heads, dy, factor, term);
                }
            }
            sums
        })
        .collect();
    for (i, norm) in norms.into_iter().enumerate() {
        let mut total = vec![0.0f32; 2 * head_dim];
        sums.iter().for_each(|chunk| add(&mut total, &chunk[i]));
        let vector = |numbers: &[f32]| {
            let data = TensorData::new(numbers.to_vec(), [head_dim]);
            Tensor::from_data(data, &device)
        };
        let (factor, term) = total.split_at(head_dim);
        gradients.of_norm(norm, vector(factor), vector(term));
    }
    Tensor::from_data(dy, &device)
}

fn row_norm([factor, term]: &[TensorData; 2]) -> RowNorm<'_> {
    RowNorm {
        factor: numbers(factor),
        term: numbers(term),
        epsilon: QK_NORM_EPS,
    }
}
