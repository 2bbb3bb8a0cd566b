//! Rows of tensors in safetensors files.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};

use safetensors::Dtype;

use crate::{OpenError, PathError, Safetensors, open_file};

/// Rows of a tensor of a safetensors file, read when they are asked for.
#[derive(Debug)]
pub struct RowReader {
    path: PathBuf,
    file: File,
    start: usize,
    shape: Vec<usize>,
    dtype: Dtype,
    row_bytes: usize,
}

impl RowReader {
    /// Opens the tensor of that name; `None` if there is none, or it has no axis.
    ///
    /// # Errors
    ///
    /// [`OpenError`].
    pub fn open(path: &Path, name: &str) -> Result<Option<Self>, OpenError> {
        let tensors = Safetensors::open(path)?;
        let Some(tensor) = tensors
            .tensor(name)
            .filter(|tensor| !tensor.shape.is_empty())
        else {
            return Ok(None);
        };
        let row: usize = tensor.shape[1..].iter().product();
        Ok(Some(Self {
            path: path.to_path_buf(),
            file: open_file(path)?,
            start: tensor.range.start,
            shape: tensor.shape.clone(),
            dtype: tensor.dtype,
            row_bytes: row * tensor.dtype.bitsize() / 8,
        }))
    }

    /// Sizes of all axes.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Type of the elements.
    pub fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// The elements of some rows, little-endian.
    ///
    /// # Errors
    ///
    /// [`PathError`] if the file cannot be read.
    ///
    /// # Panics
    ///
    /// If there are fewer rows.
    pub fn read(&mut self, rows: Range<usize>) -> Result<Vec<u8>, PathError> {
        assert!(
            rows.end <= self.shape[0],
            "rows of a tensor of {} rows",
            self.shape[0]
        );
        let place = SeekFrom::Start((self.start + rows.start * self.row_bytes) as u64);
        let mut bytes = vec![0; rows.len() * self.row_bytes];
        let read = self
            .file
            .seek(place)
            .and_then(|_| self.file.read_exact(&mut bytes));
        read.map_err(PathError::at(&self.path))?;
        Ok(bytes)
    }
}
