//! Inner products of all pairs of rows, block by block.

use std::ops::Range;

use faer::{Accum, MatMut, MatRef, Par, linalg::matmul::matmul};
use rayon::prelude::*;

use crate::Features;

/// Rows of a block: a product of two blocks takes 2 MB.
const ROWS: usize = 512;

/// A block of rows in f64, as the columns of a matrix.
pub(crate) struct Block {
    pub(crate) rows: Range<usize>,
    values: Vec<f64>,
    channels: usize,
    /// Squared length of each row.
    pub(crate) norms: Vec<f64>,
}

impl Block {
    fn new(features: &Features, rows: Range<usize>) -> Self {
        let channels = features.channels();
        let values = &features.values()[rows.start * channels..rows.end * channels];
        let values: Vec<f64> = values.iter().map(|value| f64::from(*value)).collect();
        let norm = |row: &[f64]| row.iter().map(|value| value * value).sum();
        Self {
            rows,
            norms: values.chunks_exact(channels).map(norm).collect(),
            values,
            channels,
        }
    }

    fn matrix(&self) -> MatRef<'_, f64> {
        MatRef::from_column_major_slice(&self.values, self.channels, self.rows.len())
    }
}

fn ranges(count: usize, size: usize) -> Vec<Range<usize>> {
    let starts = (0..count).step_by(size);
    starts.map(|at| at..(at + size).min(count)).collect()
}

/// Calls `work` with ranges of `size` rows on all threads and returns the results in the order of the rows.
///
/// The ranges do not depend on the number of threads, so what is computed for each does not either.
pub(crate) fn each_block_of<T: Send>(
    size: usize,
    count: usize,
    work: impl Fn(Range<usize>) -> T + Sync + Send,
) -> Vec<T> {
    let ranges = ranges(count, size);
    ranges.into_par_iter().map(work).collect()
}

/// Inner products of the rows of a block with those of another.
pub(crate) struct Products {
    values: Vec<f64>,
    rows: usize,
}

impl Products {
    /// For each row of the other block, its products with all rows of the own one.
    pub(crate) fn columns(&self) -> std::slice::ChunksExact<'_, f64> {
        self.values.chunks_exact(self.rows)
    }
}

/// What is called with every other block.
pub(crate) type Visit<'a> = dyn FnMut(&Block, &Products) + 'a;

/// Calls `visit` with every block of a set and its products with the own block, on the calling thread.
fn with_each(own: &Block, set: &Features, visit: &mut Visit<'_>) {
    let rows = own.rows.len();
    let values = Vec::new();
    let mut products = Products { values, rows };
    for range in ranges(set.len(), ROWS) {
        let block = Block::new(set, range);
        products.values.resize(rows * block.rows.len(), 0.0);
        let values = &mut products.values;
        let all = MatMut::from_column_major_slice_mut(values, rows, block.rows.len());
        let (left, right) = (own.matrix().transpose(), block.matrix());
        matmul(all, Accum::Replace, left, right, 1.0, Par::Seq);
        visit(&block, &products);
    }
}

/// [`with_each`] block of `other`, of all rows of `one` at once.
pub(crate) fn products(one: &Features, other: &Features, visit: &mut Visit<'_>) {
    with_each(&Block::new(one, 0..one.len()), other, visit);
}

/// Calls `work` with each block of rows of `one`, on all threads, and returns the results in the order of the blocks.
///
/// `work` gets a function that visits the products with each block of `other`. A product is computed by one thread in
/// one order.
pub(crate) fn each_block<T: Send>(
    one: &Features,
    other: &Features,
    work: impl Fn(&Block, &dyn Fn(&mut Visit<'_>)) -> T + Sync + Send,
) -> Vec<T> {
    each_block_of(ROWS, one.len(), |rows| {
        let own = Block::new(one, rows);
        work(&own, &|visit| with_each(&own, other, visit))
    })
}

/// `|u - v|^2` without cancellation; the same for `(v, u)`.
pub(crate) fn squared_distance(u: &[f32], v: &[f32]) -> f64 {
    let differences = u.iter().zip(v).map(|(u, v)| f64::from(*u) - f64::from(*v));
    differences.map(|difference| difference * difference).sum()
}
