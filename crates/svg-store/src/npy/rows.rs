//! Rows of an array that is larger than memory.

use std::io;

use super::array::NpyArray;
use super::contents::Contents;
use super::error::{NpyError, NpyProblem};
use super::kind::NpyType;

/// Reads an array of uint8 row by row along its first axis and holds one row at a time.
///
/// Rows may be asked for in any order. In an array that is not compressed, each is read where it lies; in a compressed one,
/// those in between are inflated, from the beginning if the row lies before the last one. The checksum is compared when
/// the last row is reached from the first without a leap.
#[derive(Debug)]
pub struct NpyRows {
    array: NpyArray,
    row: Vec<u8>,
    bytes: usize,
    /// Reads on from a row.
    reader: Option<(usize, Contents)>,
}

impl NpyRows {
    /// Most bytes of a row.
    pub const MOST_BYTES: u64 = 1 << 30;

    pub(super) fn new(array: NpyArray) -> Result<Self, NpyProblem> {
        let shape = array.shape();
        if array.dtype() != NpyType::UINT8 {
            return Err(NpyProblem::OtherType {
                found: array.dtype().to_string(),
                wanted: "uint8",
            });
        }
        if array.is_fortran() && shape.len() > 1 {
            return Err(NpyProblem::Fortran);
        }
        let Some((&count, axes)) = shape.split_first() else {
            return Err(NpyProblem::Shape("it is a scalar without rows".to_string()));
        };
        // The product fits, since the header was checked.
        let bytes: usize = axes.iter().product();
        if bytes == 0 && count > 0 {
            let what = format!("{shape:?} has rows without a byte");
            return Err(NpyProblem::Shape(what));
        }
        if bytes as u64 > Self::MOST_BYTES && count > 0 {
            return Err(NpyProblem::TooLarge {
                what: "bytes in a row",
                found: bytes as u64,
                most: Self::MOST_BYTES,
            });
        }
        Ok(Self {
            array,
            row: Vec::new(),
            bytes,
            reader: None,
        })
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.array.shape()[0]
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Sizes of the axes of a row.
    pub fn row_shape(&self) -> &[usize] {
        &self.array.shape()[1..]
    }

    /// The bytes of a row, in C's order.
    ///
    /// # Errors
    ///
    /// [`NpyError`] if the file cannot be read, or, where that is seen, if its bytes are not those that were written.
    ///
    /// # Panics
    ///
    /// If there are fewer rows.
    pub fn read(&mut self, index: usize) -> Result<&[u8], NpyError> {
        let count = self.len();
        assert!(index < count, "row {index} of an array of {count} rows");
        match self.fill(index) {
            Ok(()) => Ok(&self.row),
            Err(problem) => {
                self.reader = None;
                Err(problem.at(&self.array.place))
            }
        }
    }

    fn fill(&mut self, index: usize) -> Result<(), NpyProblem> {
        if self.row.len() != self.bytes {
            let reserved = self.row.try_reserve_exact(self.bytes);
            reserved.map_err(io::Error::from)?;
            self.row.resize(self.bytes, 0);
        }
        let is_next = match &self.reader {
            Some((next, _)) => *next == index,
            None => index == 0,
        };
        if let Some(start) = self.array.stored_at()
            && !is_next
        {
            let place = start + index as u64 * self.bytes as u64;
            return Ok(self.array.source.fill(&mut self.row, place)?);
        }
        let (mut next, mut contents) = match self.reader.take() {
            Some((next, contents)) if next <= index => (next, contents),
            _ => (0, self.array.contents()?),
        };
        while next <= index {
            contents.fill(&mut self.row)?;
            next += 1;
        }
        if next == self.len() {
            contents.end()?;
        }
        self.reader = Some((next, contents));
        Ok(())
    }
}
