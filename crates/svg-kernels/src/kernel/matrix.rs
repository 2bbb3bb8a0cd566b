//! Matrices in ordinary memory, and their product.

use gemm::Parallelism;

/// A matrix in somebody's memory, element `(i, j)` at `i * row + j * column`.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a> {
    numbers: &'a [f32],
    rows: usize,
    columns: usize,
    row: usize,
    column: usize,
}

impl<'a> Matrix<'a> {
    /// Row by row, `row` numbers from one to the next.
    pub fn by_rows(numbers: &'a [f32], rows: usize, columns: usize, row: usize) -> Self {
        assert!(rows > 0 && columns > 0 && numbers.len() >= (rows - 1) * row + columns);
        Self {
            numbers,
            rows,
            columns,
            row,
            column: 1,
        }
    }

    /// So many rows from one on.
    pub fn part(self, first: usize, rows: usize) -> Self {
        assert!(first + rows <= self.rows);
        Self {
            numbers: &self.numbers[first * self.row..],
            rows,
            ..self
        }
    }

    /// Rows and columns exchanged, in the same memory.
    pub fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row: self.column,
            column: self.row,
            ..self
        }
    }

    /// `out = self right`, or `out += self right`, row by row and without gaps, on this thread.
    pub fn multiply(self, right: Self, out: &mut [f32], add: bool) {
        self.multiply_scaled(right, 1.0, out, add);
    }

    /// [`multiply`](Self::multiply) with every product times `factor`.
    pub fn multiply_scaled(self, right: Self, factor: f32, out: &mut [f32], add: bool) {
        assert!(self.columns == right.rows && out.len() == self.rows * right.columns);
        // SAFETY: all elements of a matrix lie inside its slice, by the assertions of `by_rows`; those
        // of the result do by the one above.
        unsafe {
            gemm::gemm(
                self.rows,
                right.columns,
                self.columns,
                out.as_mut_ptr(),
                1,
                right.columns as isize,
                add,
                self.numbers.as_ptr(),
                self.column as isize,
                self.row as isize,
                right.numbers.as_ptr(),
                right.column as isize,
                right.row as isize,
                1.0,
                factor,
                false,
                false,
                false,
                Parallelism::None,
            );
        }
    }
}
