//! Sums over rows.

use burn::backend::flex::FlexTensor;
use rayon::prelude::*;

use super::exp;
use crate::array::{array, contiguous, dims, numbers};

/// Numbers for one thread at a time.
const CHUNK: usize = 16 * 1024;

/// The sum of rows of `width` numbers, in their order.
pub fn sum_of_rows(rows: impl IntoIterator<Item: AsRef<[f32]>>, width: usize) -> Vec<f32> {
    let mut sum = vec![0.0f32; width];
    rows.into_iter()
        .for_each(|row| exp::add(&mut sum, row.as_ref()));
    sum
}

/// The sums of the columns of `[rows, width]`. Partial sums are of as many rows whatever the number of threads.
pub fn column_sums(rows: &FlexTensor) -> FlexTensor {
    let [_, width] = dims(rows);
    let rows = contiguous(rows.clone());
    let sums: Vec<_> = numbers(&rows)
        .par_chunks(CHUNK.div_ceil(width) * width)
        .map(|rows| sum_of_rows(rows.chunks_exact(width), width))
        .collect();
    array(sum_of_rows(&sums, width), [width])
}
