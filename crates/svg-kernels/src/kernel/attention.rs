//! Attention from a packed projection, on ordinary memory.

use gemm::Parallelism;
use rayon::prelude::*;

use super::exp;

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
}

/// One head of one image at a time on each thread. Output: `[batch, tokens, heads, head_dim]`.
pub fn forward(sizes: Sizes, qkv: &[f32]) -> Vec<f32> {
    let Sizes {
        batch,
        tokens,
        heads,
        head_dim,
    } = sizes;
    let width = sizes.width();

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
    out
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
