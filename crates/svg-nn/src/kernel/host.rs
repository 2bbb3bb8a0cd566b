//! The kernels on ordinary memory.

use burn::prelude::*;
use burn::tensor::TensorData;
use gemm::Parallelism;
use rayon::prelude::*;

use super::{erf, exp};
use crate::Rotation;

/// Numbers for one thread at a time: a multiple of every vector, small enough for its cache.
const CHUNK: usize = 16 * 1024;

/// In place of `gate`, if nobody else holds it.
pub fn silu_product(gate: Tensor<3>, up: Tensor<3>) -> Tensor<3> {
    let device = gate.device();
    let (mut gate, up) = (gate.into_data(), up.into_data());
    let pieces = numbers_mut(&mut gate).par_chunks_mut(CHUNK);
    let pieces = pieces.zip(numbers(&up).par_chunks(CHUNK));
    pieces.for_each(|(gate, up)| exp::silu_product(gate, up));
    Tensor::from_data(gate, &device)
}

/// In place of `x`, if nobody else holds it.
pub fn gelu(x: Tensor<3>) -> Tensor<3> {
    let device = x.device();
    let mut x = x.into_data();
    let pieces = numbers_mut(&mut x).par_chunks_mut(CHUNK);
    pieces.for_each(erf::gelu);
    Tensor::from_data(x, &device)
}

/// In place of `x`, if nobody else holds it.
pub fn gelu_tanh(x: Tensor<3>) -> Tensor<3> {
    let device = x.device();
    let mut x = x.into_data();
    let pieces = numbers_mut(&mut x).par_chunks_mut(CHUNK);
    pieces.for_each(exp::gelu_tanh);
    Tensor::from_data(x, &device)
}

/// In place of `dy`, if nobody else holds it.
pub fn gelu_backward(x: Tensor<3>, dy: Tensor<3>) -> Tensor<3> {
    through(x, dy, erf::gelu_backward)
}

/// In place of `dy`, if nobody else holds it.
pub fn gelu_tanh_backward(x: Tensor<3>, dy: Tensor<3>) -> Tensor<3> {
    through(x, dy, exp::gelu_tanh_backward)
}

/// A gradient number by number in place of `dy`.
fn through(x: Tensor<3>, dy: Tensor<3>, step: fn(&[f32], &mut [f32])) -> Tensor<3> {
    let device = x.device();
    let (x, mut dy) = (x.into_data(), dy.into_data());
    let pieces = numbers_mut(&mut dy).par_chunks_mut(CHUNK);
    let pieces = numbers(&x).par_chunks(CHUNK).zip(pieces);
    pieces.for_each(|(x, dy)| step(x, dy));
    Tensor::from_data(dy, &device)
}

/// The sum over rows of `width` numbers.
pub fn column_sums<const D: usize>(rows: Tensor<D>, width: usize) -> Tensor<1> {
    let device = rows.device();
    let rows = rows.into_data();
    let sums: Vec<_> = numbers(&rows)
        .par_chunks(CHUNK.div_ceil(width) * width)
        .map(|rows| {
            let mut sum = vec![0.0f32; width];
            rows.chunks_exact(width)
                .for_each(|row| exp::add(&mut sum, row));
            sum
        })
        .collect();
    let mut total = vec![0.0f32; width];
    sums.iter().for_each(|sum| exp::add(&mut total, sum));
    Tensor::from_data(TensorData::new(total, [width]), &device)
}

/// One head of one image at a time on each thread, straight from the packed projection.
pub fn packed_attention(qkv: Tensor<5>, rotation: Option<&Rotation>) -> Tensor<3> {
    let device = qkv.device();
    let [batch, tokens, _, heads, head_dim] = qkv.dims();
    let width = heads * head_dim;
    let mut qkv = qkv.into_data();
    if let Some(rotation) = rotation {
        rotate_in_place(numbers_mut(&mut qkv), rotation, width, head_dim);
    }
    let qkv = numbers(&qkv);

    let mut by_head = vec![0.0f32; batch * width * tokens]; // [batch, heads, tokens, head_dim]
    let outputs = by_head.par_chunks_mut(tokens * head_dim).enumerate();
    outputs.for_each_init(
        || vec![0.0f32; tokens * tokens],
        |scores, (index, out)| {
            let (image, head) = (index / heads, index % heads);
            let image = &qkv[image * tokens * 3 * width..(image + 1) * tokens * 3 * width];
            let part = |i: usize| &image[i * width + head * head_dim..];
            let head = Head {
                tokens,
                head_dim,
                row: 3 * width,
            };
            head.attend(part(0), part(1), part(2), scores, out);
        },
    );

    let mut out = vec![0.0f32; batch * tokens * width]; // [batch, tokens, heads, head_dim]
    let images = out
        .par_chunks_mut(tokens * width)
        .zip(by_head.par_chunks(tokens * width));
    images.for_each(|(out, by_head)| {
        for (head, from) in by_head.chunks_exact(tokens * head_dim).enumerate() {
            for (token, from) in from.chunks_exact(head_dim).enumerate() {
                let start = token * width + head * head_dim;
                out[start..start + head_dim].copy_from_slice(from);
            }
        }
    });
    Tensor::from_data(TensorData::new(out, [batch, tokens, width]), &device)
}

/// In place of `qkv`, if nobody else holds it.
pub fn rotate_packed(qkv: Tensor<5>, rotation: &Rotation) -> Tensor<5> {
    let device = qkv.device();
    let [.., heads, head_dim] = qkv.dims();
    let mut qkv = qkv.into_data();
    rotate_in_place(numbers_mut(&mut qkv), rotation, heads * head_dim, head_dim);
    Tensor::from_data(qkv, &device)
}

fn rotate_in_place(qkv: &mut [f32], rotation: &Rotation, width: usize, head_dim: usize) {
    let (cos, sin) = rotation.table();
    let (cos, sin) = (numbers(&cos), numbers(&sin));
    let tokens = rotation.tokens();
    qkv.par_chunks_mut(3 * width)
        .enumerate()
        .for_each(|(row, qkv)| {
            let token = row % tokens * head_dim..(row % tokens + 1) * head_dim;
            for channels in qkv[..2 * width].chunks_exact_mut(head_dim) {
                exp::rotate(channels, &cos[token.clone()], &sin[token.clone()]);
            }
        });
}

/// One head of one image: `tokens` rows of `head_dim` numbers, `row` numbers apart.
struct Head {
    tokens: usize,
    head_dim: usize,
    row: usize,
}

impl Head {
    /// `softmax(q k^T / sqrt(head_dim)) v` into `out`, `[tokens, head_dim]`.
    fn attend(&self, q: &[f32], k: &[f32], v: &[f32], scores: &mut [f32], out: &mut [f32]) {
        let Self {
            tokens,
            head_dim,
            row,
        } = *self;
        let span = (tokens - 1) * row + head_dim;
        assert!(q.len() >= span && k.len() >= span && v.len() >= span);
        assert!(scores.len() == tokens * tokens && out.len() == tokens * head_dim);
        let (one, row) = (1, row as isize);
        let scale = (head_dim as f32).sqrt().recip();
        // SAFETY: the assertions above are that every row of every operand lies inside its slice.
        unsafe {
            let (k_columns, k_rows) = (row, one); // k transposed
            let scores = scores.as_mut_ptr();
            let columns = (1, tokens as isize);
            product(
                (tokens, tokens, head_dim),
                (scores, columns),
                (q.as_ptr(), (one, row)),
                (k.as_ptr(), (k_columns, k_rows)),
                scale,
            );
        }
        let factors: Vec<f32> = scores
            .chunks_exact_mut(tokens)
            .map(exp::unnormalised_softmax)
            .collect();
        // SAFETY: as above.
        unsafe {
            product(
                (tokens, head_dim, tokens),
                (out.as_mut_ptr(), (1, head_dim as isize)),
                (scores.as_ptr(), (1, tokens as isize)),
                (v.as_ptr(), (one, row)),
                1.0,
            );
        }
        for (row, factor) in out.chunks_exact_mut(head_dim).zip(factors) {
            row.iter_mut().for_each(|value| *value *= factor);
        }
    }
}

/// `out = factor * left * right`, on this thread. Sizes are (m, n, k), strides (column, row).
///
/// # Safety
///
/// Every element that the sizes and strides reach lies inside its allocation.
unsafe fn product(
    (m, n, k): (usize, usize, usize),
    (out, (out_column, out_row)): (*mut f32, (isize, isize)),
    (left, (left_column, left_row)): (*const f32, (isize, isize)),
    (right, (right_column, right_row)): (*const f32, (isize, isize)),
    factor: f32,
) {
    // SAFETY: the caller's promise.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out,
            out_column,
            out_row,
            false,
            left,
            left_column,
            left_row,
            right,
            right_column,
            right_row,
            0.0,
            factor,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

/// What a tensor of f32 holds.
pub fn numbers(data: &TensorData) -> &[f32] {
    data.as_slice().expect("the caller has checked for f32")
}

/// What a tensor of f32 holds.
pub fn numbers_mut(data: &mut TensorData) -> &mut [f32] {
    data.as_mut_slice().expect("the caller has checked for f32")
}
