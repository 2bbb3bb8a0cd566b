//! Archives of arrays that are written piece by piece.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use super::MAGIC;
use crate::file::{Pending, WriteError};

/// The length of a header is a multiple of this, by which NumPy aligns the elements.
const ALIGNMENT: usize = 64;
/// NumPy leaves room for the first axis to grow to so many digits.
const GROWTH: usize = 21;

/// Trait for the elements that an [`NpzWriter`] takes.
pub trait NpyElement: Copy {
    /// NumPy's name of the type.
    const DESCR: &'static str;

    /// Appends the bytes of elements, little-endian.
    fn put(elements: &[Self], bytes: &mut Vec<u8>);
}

macro_rules! elements {
    ($($type:ty, $descr:literal;)*) => {$(
        impl NpyElement for $type {
            const DESCR: &'static str = $descr;

            fn put(elements: &[Self], bytes: &mut Vec<u8>) {
                bytes.extend(elements.iter().flat_map(|element| element.to_le_bytes()));
            }
        }
    )*};
}

elements! {
    u8, "|u1";
    i64, "<i8";
    f32, "<f4";
    f64, "<f8";
}

/// Writes an archive of arrays atomically, as `np.savez` does: stored, in C's order, and so that the same arrays are the same
/// bytes. Nothing is held in memory but a piece.
///
/// The file has its name when [`finish`](Self::finish) returns; one that is dropped before leaves nothing.
///
/// ```
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("samples.npz");
/// use svg_store::{Npz, NpzWriter};
///
/// let mut new = NpzWriter::create(&path)?;
/// new.begin::<u8>("arr_0", &[2, 4, 4, 3])?;
/// for level in [10, 20] {
///     new.append(&[level as u8; 4 * 4 * 3])?;
/// }
/// new.array("arr_1", &[2], &[207_i64, 360])?;
/// assert!(!path.exists());
/// new.finish()?;
///
/// let mut rows = Npz::open(&path)?.array("arr_0")?.rows_u8()?;
/// assert_eq!((rows.len(), rows.row_shape()), (2, &[4, 4, 3][..]));
/// assert_eq!(rows.read(1)?, [20; 48]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct NpzWriter {
    path: PathBuf,
    zip: ZipWriter<Pending>,
    /// The array that is being written, and what of it is missing.
    begun: Option<Begun>,
    buffer: Vec<u8>,
}

#[derive(Debug)]
struct Begun {
    name: String,
    descr: &'static str,
    missing: u64,
}

impl NpzWriter {
    /// Begins a file.
    ///
    /// # Errors
    ///
    /// [`WriteError`] if the folder does not exist or is not writable, or if there is a folder, a pipe, a socket or a
    /// device at `path`.
    pub fn create(path: &Path) -> Result<Self, WriteError> {
        let file = Pending::beside(path).map_err(WriteError::of(path))?;
        Ok(Self {
            path: path.to_path_buf(),
            zip: ZipWriter::new(file),
            begun: None,
            buffer: Vec::new(),
        })
    }

    /// Begins an array, whose elements [`append`](Self::append) gives. Names are without `.npy`.
    ///
    /// # Errors
    ///
    /// [`WriteError`] if it cannot be written, or if there is an array of that name already.
    ///
    /// # Panics
    ///
    /// If the array before has too few elements, or the shape has more bytes than a file.
    pub fn begin<T: NpyElement>(&mut self, name: &str, shape: &[usize]) -> Result<(), WriteError> {
        self.check_whole();
        let product = |product: u64, axis: &usize| product.checked_mul(*axis as u64);
        let missing = shape.iter().try_fold(1, product);
        let bytes = missing.and_then(|count| count.checked_mul(size_of::<T>() as u64));
        let (Some(missing), Some(bytes)) = (missing, bytes) else {
            panic!("{name} of {shape:?} has more bytes than a file");
        };
        let header = header(T::DESCR, shape);
        let is_large = bytes + header.len() as u64 > u64::from(u32::MAX);
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .last_modified_time(DateTime::DEFAULT)
            .unix_permissions(0o644)
            .large_file(is_large);
        let started = self.zip.start_file(format!("{name}.npy"), options);
        let written = started
            .map_err(io::Error::from)
            .and_then(|()| self.zip.write_all(&header));
        self.begun = Some(Begun {
            name: name.to_string(),
            descr: T::DESCR,
            missing,
        });
        written.map_err(WriteError::of(&self.path))
    }

    /// Appends elements to the array that was begun, in C's order.
    ///
    /// # Errors
    ///
    /// [`WriteError`] if they cannot be written.
    ///
    /// # Panics
    ///
    /// If no array was begun, if it is of another type, or if there are more elements than its shape has.
    pub fn append<T: NpyElement>(&mut self, elements: &[T]) -> Result<(), WriteError> {
        let begun = self.begun.as_mut().expect("`begin` comes before `append`");
        assert_eq!(begun.descr, T::DESCR, "elements of {}", begun.name);
        let missing = begun.missing.checked_sub(elements.len() as u64);
        begun.missing = missing.unwrap_or_else(|| panic!("{} has too many elements", begun.name));
        self.buffer.clear();
        T::put(elements, &mut self.buffer);
        let written = self.zip.write_all(&self.buffer);
        written.map_err(WriteError::of(&self.path))
    }

    /// Writes an array that is there as a whole.
    ///
    /// # Errors
    ///
    /// As [`begin`](Self::begin).
    ///
    /// # Panics
    ///
    /// If the number of elements is not that of the shape.
    pub fn array<T: NpyElement>(
        &mut self,
        name: &str,
        shape: &[usize],
        elements: &[T],
    ) -> Result<(), WriteError> {
        self.begin::<T>(name, shape)?;
        self.append(elements)?;
        self.check_whole();
        Ok(())
    }

    /// Writes the directory, synchronises the file to disk and gives it its name, in the place of one that is there.
    ///
    /// # Errors
    ///
    /// [`WriteError`] if it cannot be written; the path then has its previous content.
    ///
    /// # Panics
    ///
    /// If the last array has too few elements.
    pub fn finish(self) -> Result<(), WriteError> {
        self.check_whole();
        let file = self.zip.finish().map_err(io::Error::from);
        let written = file.and_then(Pending::commit);
        written.map_err(WriteError::of(&self.path))
    }

    fn check_whole(&self) {
        if let Some(Begun { name, missing, .. }) = &self.begun {
            assert_eq!(*missing, 0, "elements that {name} lacks");
        }
    }
}

/// The header of an array in C's order, byte for byte as NumPy writes it.
fn header(descr: &str, shape: &[usize]) -> Vec<u8> {
    let axes = match shape {
        [only] => format!("({only},)"),
        axes => {
            let axes: Vec<_> = axes.iter().map(usize::to_string).collect();
            format!("({})", axes.join(", "))
        }
    };
    let mut text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {axes}, }}");
    if let Some(first) = shape.first() {
        text += &" ".repeat(GROWTH.saturating_sub(first.to_string().len()));
    }
    let start = MAGIC.len() + 4;
    // As NumPy does it, which adds a whole stretch where none is needed.
    let length = ((start + text.len() + 1) / ALIGNMENT + 1) * ALIGNMENT - start;
    let mut bytes = MAGIC.to_vec();
    bytes.extend([1, 0]);
    // At most 64 axes of 20 digits: far below the limit of 16 bits.
    bytes.extend((length as u16).to_le_bytes());
    bytes.extend(text.as_bytes());
    bytes.resize(start + length - 1, b' ');
    bytes.push(b'\n');
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.npz");
        (folder, path)
    }

    #[test]
    fn a_file_that_is_not_finished_leaves_what_was_there() {
        let (folder, path) = place();
        std::fs::write(&path, "old").unwrap();
        let mut new = NpzWriter::create(&path).unwrap();
        new.array("a", &[2], &[1.0_f64, 2.0]).unwrap();
        drop(new);
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn the_same_arrays_are_the_same_bytes() {
        let (folder, path) = place();
        let write = |path: &Path| {
            let mut new = NpzWriter::create(path).unwrap();
            new.array("a", &[2], &[1.0_f32, 2.0]).unwrap();
            new.array("b", &[], &[7_i64]).unwrap();
            new.finish().unwrap();
            std::fs::read(path).unwrap()
        };
        let one = write(&path);
        assert_eq!(write(&folder.path().join("other.npz")), one);
        assert_eq!(write(&path), one);
    }

    #[test]
    fn an_array_of_a_name_that_is_there_is_an_error() {
        let (folder, path) = place();
        let mut new = NpzWriter::create(&path).unwrap();
        new.array("a", &[1], &[1_u8]).unwrap();
        let error = new.array("a", &[1], &[1_u8]).unwrap_err();
        assert!(error.to_string().contains("x.npz"), "{error}");
        drop(new);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    #[should_panic(expected = "elements that arr_0 lacks")]
    fn an_array_with_too_few_elements_panics() {
        let (_folder, path) = place();
        let mut new = NpzWriter::create(&path).unwrap();
        new.begin::<u8>("arr_0", &[2, 3]).unwrap();
        new.append(&[1_u8; 5]).unwrap();
        let _ = new.finish();
    }

    #[test]
    #[should_panic(expected = "arr_0 has too many elements")]
    fn an_array_with_too_many_elements_panics() {
        let (_folder, path) = place();
        let mut new = NpzWriter::create(&path).unwrap();
        new.begin::<u8>("arr_0", &[2, 3]).unwrap();
        let _ = new.append(&[1_u8; 7]);
    }
}
