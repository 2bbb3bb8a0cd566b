//! The sixteen matrices of Winograd's filtering.

use super::matrix::Matrix;
use super::scratch::{Lent, Scratch};
use super::target::Target;

/// Sixteen matrices of one size, one for each number of a tile.
#[derive(Debug)]
pub struct Planes<'a> {
    numbers: Lent<'a>,
    rows: usize,
    columns: usize,
    /// From one matrix to the next. Not a power of two, which would put all of them into the same
    /// places of a cache.
    stride: usize,
}

impl<'a> Planes<'a> {
    /// Holding anything.
    pub fn new(rows: usize, columns: usize, scratch: &'a Scratch) -> Self {
        let stride = rows * columns + 16;
        Self {
            numbers: scratch.take(16 * stride),
            rows,
            columns,
            stride,
        }
    }

    /// One matrix.
    pub fn matrix(&self, plane: usize) -> Matrix<'_> {
        self.some_rows(plane, 0, self.rows)
    }

    /// Some rows of one matrix.
    pub fn some_rows(&self, plane: usize, first: usize, rows: usize) -> Matrix<'_> {
        let numbers = &self.numbers[plane * self.stride + first * self.columns..];
        Matrix::by_rows(numbers, rows, self.columns, self.columns)
    }

    /// One matrix, row by row.
    pub fn plane_mut(&mut self, plane: usize) -> &mut [f32] {
        &mut self.numbers[plane * self.stride..][..self.rows * self.columns]
    }

    /// One row of every matrix.
    pub fn row(&self, row: usize) -> [&[f32]; 16] {
        std::array::from_fn(|plane| {
            &self.numbers[plane * self.stride + row * self.columns..][..self.columns]
        })
    }

    /// For threads that share the work.
    pub fn shared(&mut self) -> SharedPlanes<'_> {
        SharedPlanes {
            rows: self.rows,
            columns: self.columns,
            stride: self.stride,
            target: Target::new(&mut self.numbers),
        }
    }
}

/// [`Planes`] that several threads write, each its own rows.
#[derive(Clone, Copy, Debug)]
pub struct SharedPlanes<'a> {
    target: Target<'a>,
    rows: usize,
    columns: usize,
    stride: usize,
}

impl<'a> SharedPlanes<'a> {
    /// Some rows of one matrix.
    ///
    /// # Safety
    ///
    /// Nobody else has one of them.
    pub unsafe fn rows(self, plane: usize, first: usize, rows: usize) -> &'a mut [f32] {
        assert!(plane < 16 && first + rows <= self.rows);
        let start = plane * self.stride + first * self.columns;
        // SAFETY: the caller's promise.
        unsafe { self.target.slice(start, rows * self.columns) }
    }

    /// One row of every matrix.
    ///
    /// # Safety
    ///
    /// Nobody else has one of them.
    pub unsafe fn row(self, row: usize) -> [&'a mut [f32]; 16] {
        // SAFETY: the caller's promise.
        std::array::from_fn(|plane| unsafe { self.rows(plane, row, 1) })
    }
}
