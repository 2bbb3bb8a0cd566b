//! The header of a `.npy` file.

use super::MAGIC;
use super::contents::Contents;
use super::error::NpyProblem;
use super::kind::NpyType;
use super::literal;

/// Longest dictionary that is read; NumPy reads 10,000 characters unless it is told otherwise.
const LONGEST: u64 = 1 << 16;

/// What stands before the elements.
#[derive(Debug, Clone)]
pub(super) struct Header {
    pub dtype: NpyType,
    pub shape: Vec<usize>,
    pub fortran: bool,
    /// Its bytes, with those before the dictionary.
    pub length: u64,
    pub elements: u64,
}

impl Header {
    /// Reads a header from the beginning of an entry. The shape fills the rest of the entry exactly, or it is an error.
    pub fn read(contents: &mut Contents) -> Result<Self, NpyProblem> {
        let size = contents.left();
        let mut start = [0; 8];
        contents.fill(&mut start[..size.min(8) as usize])?;
        let [magic @ .., major, minor] = start;
        if &magic != MAGIC {
            return Err(NpyProblem::NotAnArray);
        }
        if size < 10 {
            return Err(NpyProblem::Header("it ends too early".to_string()));
        }
        let mut length = [0; 4];
        match (major, minor) {
            (1, 0) => contents.fill(&mut length[..2])?,
            (2 | 3, 0) => contents.fill(&mut length)?,
            _ => return Err(NpyProblem::Version(major, minor)),
        }
        let length = u64::from(u32::from_le_bytes(length));
        if length > LONGEST {
            let what = format!("it has {length} bytes, more than {LONGEST}");
            return Err(NpyProblem::Header(what));
        }
        let mut text = vec![0; length as usize];
        contents.fill(&mut text)?;
        let found = literal::parse(&text)?;
        let what = format!("{} {:?}", found.dtype, found.shape);
        let (elements, promised) = sizes(&found.shape, found.dtype.size())
            .ok_or_else(|| NpyProblem::Shape(format!("{what} is more than any file holds")))?;
        let there = contents.left();
        if promised != there {
            return Err(NpyProblem::Size {
                what,
                promised,
                there,
            });
        }
        Ok(Self {
            dtype: found.dtype,
            shape: found.shape,
            fortran: found.fortran,
            length: size - there,
            elements,
        })
    }
}

/// Numbers of elements and bytes; `None` if the axes that are not empty alone are too much, as in NumPy.
fn sizes(shape: &[usize], element: usize) -> Option<(u64, u64)> {
    let mut product = element as u64;
    for &axis in shape.iter().filter(|axis| **axis > 0) {
        product = product.checked_mul(axis as u64)?;
    }
    if product > i64::MAX as u64 {
        return None;
    }
    match shape.contains(&0) {
        true => Some((0, 0)),
        false => Some((product / element as u64, product)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_that_overflow_are_none_although_an_axis_is_empty() {
        assert_eq!(sizes(&[], 8), Some((1, 8)));
        assert_eq!(sizes(&[3, 4], 2), Some((12, 24)));
        assert_eq!(sizes(&[3, 0], 2), Some((0, 0)));
        assert_eq!(sizes(&[1 << 62, 8], 1), None);
        assert_eq!(sizes(&[0, 1 << 62, 8], 1), None);
        assert_eq!(sizes(&[1 << 60], 8), None);
        assert_eq!(sizes(&[usize::MAX], 1), None);
    }
}
