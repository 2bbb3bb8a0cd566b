//! Rows of tokens in chunks for threads, beside vectors of their samples.

use burn::backend::flex::FlexTensor;

use crate::array::dims;

/// Rows for one thread at a time, at most.
const ROWS: usize = 32;

/// Chunks of `[batch, tokens, channels]`, of whole rows and each of one sample.
#[derive(Clone, Copy)]
pub struct SampleRows {
    /// Numbers of a row.
    pub channels: usize,
    /// Numbers of a chunk.
    pub chunk: usize,
    /// Numbers of a sample.
    sample: usize,
}

impl SampleRows {
    /// Those of a tensor.
    pub fn of(tensor: &FlexTensor) -> Self {
        let [_, tokens, channels] = dims(tensor);
        let divides = |rows: &usize| tokens.is_multiple_of(*rows);
        let rows = (1..=ROWS).rev().find(divides).unwrap_or(1);
        Self {
            channels,
            chunk: rows * channels,
            sample: tokens * channels,
        }
    }

    /// Where the vector of a chunk begins, among so many numbers: those of a vector for each sample, or of one
    /// for all.
    pub fn place(&self, vectors: usize, chunk: usize) -> usize {
        chunk * self.chunk / self.sample * self.channels % vectors
    }

    /// The vector of a chunk.
    pub fn vector<'a>(&self, vectors: &'a [f32], chunk: usize) -> &'a [f32] {
        &vectors[self.place(vectors.len(), chunk)..][..self.channels]
    }
}
