//! An array and its numbers.

use std::io::Write;

use super::contents::{Contents, Entry};
use super::error::{NpyError, NpyProblem};
use super::header::Header;
use super::kind::NpyType;
use super::rows::NpyRows;
use super::source::Source;

/// An array of an [`Npz`](super::Npz). Its elements are read when they are asked for.
#[derive(Debug, Clone)]
pub struct NpyArray {
    pub(super) source: Source,
    pub(super) entry: Entry,
    pub(super) header: Header,
    pub(super) place: String,
}

impl NpyArray {
    /// Most elements that are read at once: of a covariance of 8,192 features, half a gigabyte as f64.
    pub const MOST_ELEMENTS: u64 = 1 << 26;

    pub(super) fn new(source: Source, entry: Entry, header: Header, place: String) -> Self {
        Self {
            source,
            entry,
            header,
            place,
        }
    }

    /// Its name in the archive, without `.npy`.
    pub fn name(&self) -> &str {
        &self.entry.name
    }

    /// The file and its name, for messages.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Type of its elements.
    pub fn dtype(&self) -> NpyType {
        self.header.dtype
    }

    /// Sizes of its axes; none of a scalar.
    pub fn shape(&self) -> &[usize] {
        &self.header.shape
    }

    /// Whether its elements are stored in Fortran's order, the first axis running fastest.
    pub fn is_fortran(&self) -> bool {
        self.header.fortran
    }

    /// All elements as f64, in C's order, the last axis running fastest. Integers of more than 53 bits are rounded. Values
    /// that are not finite are no error.
    ///
    /// # Errors
    ///
    /// [`NpyError`] if there are more than [`MOST_ELEMENTS`](Self::MOST_ELEMENTS), if the file cannot be read, or if its
    /// bytes are not those that were written.
    pub fn read_f64(&self) -> Result<Vec<f64>, NpyError> {
        let dtype = self.header.dtype;
        self.elements(|bytes| Ok(dtype.to_f64(bytes)))
    }

    /// All elements of an array of integers, in C's order.
    ///
    /// # Errors
    ///
    /// [`NpyError`] as for [`read_f64`](Self::read_f64), and if they are no integers or one is above the largest i64.
    pub fn read_i64(&self) -> Result<Vec<i64>, NpyError> {
        let dtype = self.header.dtype;
        let other = || NpyProblem::OtherType {
            found: dtype.to_string(),
            wanted: "int64",
        };
        if !dtype.is_integer() {
            return Err(other().at(&self.place));
        }
        self.elements(|bytes| dtype.to_i64(bytes).ok_or_else(other))
    }

    /// Its rows along the first axis, one at a time, of an array of uint8.
    ///
    /// # Errors
    ///
    /// [`NpyError`] if it is of another type, has no axis, is stored in Fortran's order, or has rows without a byte or of
    /// more than [`NpyRows::MOST_BYTES`].
    pub fn rows_u8(&self) -> Result<NpyRows, NpyError> {
        NpyRows::new(self.clone()).map_err(|problem| problem.at(&self.place))
    }

    /// Where its elements begin in the file, if they lie there as they are.
    pub fn stored_at(&self) -> Option<u64> {
        (!self.entry.deflated).then_some(self.entry.start + self.header.length)
    }

    /// Bytes of its elements.
    pub fn size(&self) -> u64 {
        self.entry.size - self.header.length
    }

    /// Reads it to its end and compares the checksum that the archive has. Nothing is kept.
    ///
    /// # Errors
    ///
    /// [`NpyError`] if the file cannot be read or its bytes are not those that were written.
    pub fn check(&self) -> Result<(), NpyError> {
        self.copy_to(&mut std::io::sink())
    }

    /// Writes the bytes of its elements as they are stored, inflated.
    ///
    /// # Errors
    ///
    /// [`NpyError`] as for [`check`](Self::check), after some bytes may have been written, and errors of `out`.
    pub fn copy_to(&self, out: &mut dyn Write) -> Result<(), NpyError> {
        let copy = |piece: &[u8]| out.write_all(piece).map_err(NpyProblem::from);
        self.pieces(copy).map_err(|problem| problem.at(&self.place))
    }

    /// The bytes of an entry behind the header.
    pub(super) fn contents(&self) -> Result<Contents, NpyProblem> {
        let mut contents = Contents::new(&self.source, &self.entry);
        contents.pieces(self.header.length, |_| Ok(()))?;
        Ok(contents)
    }

    fn pieces(&self, each: impl FnMut(&[u8]) -> Result<(), NpyProblem>) -> Result<(), NpyProblem> {
        let mut contents = self.contents()?;
        contents.pieces(self.size(), each)?;
        contents.end()
    }

    fn elements<T: Copy>(
        &self,
        number: impl Fn(&[u8]) -> Result<T, NpyProblem>,
    ) -> Result<Vec<T>, NpyError> {
        let Header {
            dtype,
            shape,
            fortran,
            elements,
            ..
        } = &self.header;
        let read = || {
            let mut numbers = room(*elements)?;
            self.pieces(|piece| {
                // Pieces hold whole elements: their length is a multiple of every size.
                for bytes in piece.chunks_exact(dtype.size()) {
                    numbers.push(number(bytes)?);
                }
                Ok(())
            })?;
            match *fortran && shape.len() > 1 {
                true => in_c_order(&numbers, shape),
                false => Ok(numbers),
            }
        };
        read().map_err(|problem: NpyProblem| problem.at(&self.place))
    }
}

/// Memory for so many numbers, which the file holds.
fn room<T>(count: u64) -> Result<Vec<T>, NpyProblem> {
    let most = NpyArray::MOST_ELEMENTS;
    if count > most {
        return Err(NpyProblem::TooLarge {
            what: "elements",
            found: count,
            most,
        });
    }
    let mut numbers = Vec::new();
    let reserved = numbers.try_reserve_exact(count as usize);
    reserved.map_err(std::io::Error::from)?;
    Ok(numbers)
}

/// Elements of which the first axis runs fastest, with the last running fastest.
fn in_c_order<T: Copy>(numbers: &[T], shape: &[usize]) -> Result<Vec<T>, NpyProblem> {
    let mut ordered = room(numbers.len() as u64)?;
    let mut strides = Vec::with_capacity(shape.len());
    let mut stride = 1;
    for &axis in shape {
        strides.push(stride);
        stride *= axis;
    }
    let (mut index, mut at) = (vec![0; shape.len()], 0);
    for _ in 0..numbers.len() {
        ordered.push(numbers[at]);
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            at += strides[axis];
            if index[axis] < shape[axis] {
                break;
            }
            at -= strides[axis] * shape[axis];
            index[axis] = 0;
        }
    }
    Ok(ordered)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_axis_runs_fastest_after_reordering() {
        // [[0, 1, 2], [3, 4, 5]]
        let ordered = in_c_order(&[0, 3, 1, 4, 2, 5], &[2, 3]).unwrap();
        assert_eq!(ordered, [0, 1, 2, 3, 4, 5]);
        let shape = [2, 3, 4];
        let fortran: Vec<usize> = (0..24)
            .map(|at| (at % 2) * 12 + (at / 2 % 3) * 4 + at / 6)
            .collect();
        let ordered = in_c_order(&fortran, &shape).unwrap();
        assert_eq!(ordered, (0..24).collect::<Vec<_>>());
        assert!(in_c_order::<u8>(&[], &[0, 3]).unwrap().is_empty());
    }

    #[test]
    fn more_elements_than_the_limit_are_refused_with_both_numbers() {
        let error = room::<f64>(NpyArray::MOST_ELEMENTS + 1).unwrap_err();
        let expected =
            "it has 67108865 elements, and at most 67108864 are read at once; save a smaller array";
        assert_eq!(error.to_string(), expected);
    }
}
