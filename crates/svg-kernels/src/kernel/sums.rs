//! Sums over rows.

use burn::backend::flex::FlexTensor;
use rayon::prelude::*;

use super::exp;
use crate::array::{array, contiguous, dims, numbers};

/// Numbers for one thread at a time.
const CHUNK: usize = 16 * 1024;

/// The sums of the columns of `[rows, width]`. Partial sums are of as many rows whatever the number of threads.
pub fn column_sums(rows: &FlexTensor) -> FlexTensor {
    let [_, width] = dims(rows);
    let rows = contiguous(rows.clone());
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
    array(total, [width])
}
