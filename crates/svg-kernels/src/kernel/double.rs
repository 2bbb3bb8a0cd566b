//! Images of twice the size, pixel by pixel.

use burn::backend::flex::FlexTensor;
use rayon::prelude::*;

use crate::array::{array, contiguous, dims, numbers};

/// Each pixel as a square of two by two.
///
/// # Shapes
///
/// - x: `[batch, channels, height, width]`
/// - output: `[batch, channels, 2 height, 2 width]`
pub fn forward(x: FlexTensor) -> FlexTensor {
    let [batch, channels, height, width] = dims(&x);
    let x = contiguous(x);
    let mut out = vec![0.0f32; 4 * numbers(&x).len()];
    let rows = out.par_chunks_mut(4 * width);
    rows.zip(numbers(&x).par_chunks(width))
        .for_each(|(out, row)| {
            let (upper, lower) = out.split_at_mut(2 * width);
            for (pair, pixel) in upper.chunks_exact_mut(2).zip(row) {
                pair.fill(*pixel);
            }
            lower.copy_from_slice(upper);
        });
    array(out, [batch, channels, 2 * height, 2 * width])
}

/// The gradient of [`forward`] at `x`, given the one at the result: the sum over each square.
pub fn backward(dy: FlexTensor) -> FlexTensor {
    let [batch, channels, height, width] = dims(&dy);
    let dy = contiguous(dy);
    let mut out = vec![0.0f32; numbers(&dy).len() / 4];
    let rows = numbers(&dy).par_chunks(2 * width);
    rows.zip(out.par_chunks_mut(width / 2))
        .for_each(|(rows, out)| {
            let (upper, lower) = rows.split_at(width);
            let pairs = upper.chunks_exact(2).zip(lower.chunks_exact(2));
            for (out, (upper, lower)) in out.iter_mut().zip(pairs) {
                *out = (upper[0] + upper[1]) + (lower[0] + lower[1]);
            }
        });
    array(out, [batch, channels, height / 2, width / 2])
}
