//! Safetensors files that are written row by row.

mod earlier;
mod error;
mod journal;

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crc32c::crc32c_append;
use safetensors::Dtype;
use serde::{Deserialize, Serialize};

pub use self::error::RowFileError;
use self::error::write_error;
use self::journal::{FORMAT, Journal};
use crate::file::{rename, write_file};
use crate::lock::is_at;
use crate::printable::printable_path;
use crate::regular::check_replaceable;
use crate::tensors::{TensorHeader, header};

/// Bytes that are copied at once.
const COPIED: usize = 1 << 20;

/// A tensor whose first axis counts rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RowTensor {
    /// Unique name of the tensor.
    pub name: String,
    /// Type of its elements.
    pub dtype: Dtype,
    /// Sizes of the axes of one row.
    pub row: Vec<usize>,
}

impl RowTensor {
    /// Bytes of one row.
    pub fn row_bytes(&self) -> usize {
        self.row.iter().product::<usize>() * self.dtype.bitsize() / 8
    }
}

/// A safetensors file that is filled row by row, which a killed process can go on with.
///
/// Rows are written to their places in `FILE.partial`. [`commit`](Self::commit) synchronises them and notes
/// their number and checksum in `FILE.partial.json`, and [`finish`](Self::finish) makes the file whole and renames it. At
/// most the rows of one call are in memory.
///
/// The space is for a row of each *item*. Items without a row are allowed; then the file is copied once at the
/// end, without their space.
///
/// ```
/// use std::collections::BTreeMap;
/// use svg_store::{Dtype, RowFile, RowTensor, Safetensors};
///
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("numbers.safetensors");
/// let tensor = RowTensor { name: "x".to_string(), dtype: Dtype::U8, row: vec![2] };
/// let (what, metadata) = (BTreeMap::new(), BTreeMap::new());
/// let mut file = RowFile::open(&path, &what, &[tensor], 2, &metadata, |_, _| ())?;
/// file.append(&[&[1, 2]], 1, &[])?;
/// file.append(&[&[3, 4]], 1, &[])?;
/// file.finish(&metadata)?;
/// let file = Safetensors::open(&path).unwrap();
/// assert_eq!(file.data(file.tensor("x").unwrap()), [1, 2, 3, 4]);
/// # Ok::<(), svg_store::RowFileError>(())
/// ```
#[derive(Debug)]
pub struct RowFile {
    path: PathBuf,
    /// Locked while this is alive.
    file: File,
    journal: Journal,
    /// Where each tensor begins in the partial file, in the order of the journal's list.
    starts: Vec<u64>,
}

impl RowFile {
    /// Begins a file, or goes on with the one that a process has left.
    ///
    /// `what` describes everything that the rows depend on, by name. It must be the same to go on, unless
    /// nothing has been committed. `metadata` is that of a file in which every item has a row: it reserves the
    /// space of the header.
    ///
    /// Rows that are there are read, to see that they are those that were written; `checked` is told how many bytes
    /// of how many it were.
    ///
    /// # Errors
    ///
    /// [`RowFileError::Other`] if the file was begun with another `what` or other tensors,
    /// [`RowFileError::Damaged`] if it or its journal is not what was written, [`RowFileError::Held`], and [`RowFileError::Write`] also if the header would be
    /// longer than readers accept.
    pub fn open(
        path: &Path,
        what: &BTreeMap<String, String>,
        tensors: &[RowTensor],
        items: usize,
        metadata: &BTreeMap<String, String>,
        checked: impl FnMut(u64, u64),
    ) -> Result<Self, RowFileError> {
        let failed = |cause| write_error(path, cause);
        let (text, offsets) =
            header(&headers(tensors, &shapes(tensors, items)), metadata).map_err(failed)?;
        let starts: Vec<u64> = offsets
            .iter()
            .map(|o| (text.len() + o.start) as u64)
            .collect();
        let new = Journal {
            format: FORMAT,
            what: what.clone(),
            tensors: tensors.to_vec(),
            items,
            header: text.len() as u64,
            done: 0,
            left_out: Vec::new(),
            sums: vec![0; tensors.len()],
        };
        let partial = partial(path);
        for place in [path, &partial] {
            check_replaceable(place).map_err(|cause| write_error(place, cause))?;
        }
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = options
            .open(&partial)
            .map_err(|cause| write_error(&partial, cause))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(RowFileError::Held(path.to_path_buf())),
            Err(TryLockError::Error(cause)) => return Err(failed(cause)),
        }
        let length = file.metadata().map_err(failed)?.len();
        let expected = offsets.iter().map(|o| o.end).max().unwrap_or(0) + text.len();
        let damaged = |reason: String| RowFileError::Damaged {
            partial: partial.clone(),
            reason,
        };
        let found = match (Journal::read(path)?, length) {
            // A process was killed right after its file got its name, or right at the beginning.
            (_, 0) => None,
            (None, _) => return Err(damaged("it is no file of this program".to_string())),
            (Some(found), _) => (found.done > 0).then_some(found),
        };
        let path = path.to_path_buf();
        let journal = match found {
            Some(found) => {
                found.compare(&new, &partial)?;
                if length != expected as u64 {
                    let needs = format!("it has {length} bytes where its journal needs {expected}");
                    return Err(damaged(needs));
                }
                let mut found = found;
                earlier::check(&file, &mut found, &starts, checked).map_err(damaged)?;
                found
            }
            None => {
                new.write(&path)?;
                let sized = file.set_len(0).and_then(|()| file.set_len(expected as u64));
                sized.map_err(|cause| write_error(&path, cause))?;
                new
            }
        };
        Ok(Self {
            path,
            file,
            journal,
            starts,
        })
    }

    /// Items that are done, with a row or without.
    pub fn done(&self) -> usize {
        self.journal.done
    }

    /// Rows that are written.
    pub fn rows(&self) -> usize {
        self.journal.done - self.journal.left_out.len()
    }

    /// The items that are done and have no row, in order.
    pub fn left_out(&self) -> &[usize] {
        &self.journal.left_out
    }

    /// The file that holds the rows until the end.
    pub fn partial(&self) -> PathBuf {
        partial(&self.path)
    }

    /// Bytes of the file if every item has a row.
    pub fn bytes(&self) -> u64 {
        let Journal {
            tensors,
            items,
            header,
            ..
        } = &self.journal;
        let rows: usize = tensors.iter().map(RowTensor::row_bytes).sum();
        header + (items * rows) as u64
    }

    /// Writes the rows of the next `items` items, those of `left_out` excepted. `rows` has the elements of each
    /// tensor, in the order of [`open`](Self::open), little-endian.
    ///
    /// # Errors
    ///
    /// [`RowFileError::Write`] if the system cannot write, such as on a full disk. The rows may be written
    /// again.
    ///
    /// # Panics
    ///
    /// If the number of bytes is not that of the rows, or there are more items than in the file.
    pub fn append(
        &mut self,
        rows: &[&[u8]],
        items: usize,
        left_out: &[usize],
    ) -> Result<(), RowFileError> {
        assert!(
            self.journal.done + items <= self.journal.items,
            "more items than the file has"
        );
        assert_eq!(
            rows.len(),
            self.journal.tensors.len(),
            "as many parts as tensors"
        );
        let (first, count) = (self.rows(), items - left_out.len());
        let mut sums = self.journal.sums.clone();
        let places = self.journal.tensors.iter().zip(&self.starts);
        for ((bytes, (tensor, start)), sum) in rows.iter().zip(places).zip(&mut sums) {
            let row = tensor.row_bytes();
            assert_eq!(
                bytes.len(),
                count * row,
                "bytes of {count} rows of {}",
                tensor.name
            );
            let place = SeekFrom::Start(start + (first * row) as u64);
            let written = self
                .file
                .seek(place)
                .and_then(|_| self.file.write_all(bytes));
            written.map_err(|cause| write_error(&self.path, cause))?;
            *sum = crc32c_append(*sum, bytes);
        }
        self.journal.sums = sums;
        self.journal.done += items;
        self.journal.left_out.extend(left_out);
        Ok(())
    }

    /// Synchronises what is written, so that another process can go on from here.
    ///
    /// # Errors
    ///
    /// [`RowFileError::Write`].
    pub fn commit(&mut self) -> Result<(), RowFileError> {
        let synchronised = self.in_place().and_then(|()| self.file.sync_data());
        synchronised.map_err(|cause| write_error(&self.path, cause))?;
        self.journal.write(&self.path)
    }

    /// Makes the file whole and gives it its name.
    ///
    /// # Errors
    ///
    /// [`RowFileError::Write`]; what was committed is kept.
    ///
    /// # Panics
    ///
    /// If not all items are done.
    pub fn finish(mut self, metadata: &BTreeMap<String, String>) -> Result<(), RowFileError> {
        let Journal { items, done, .. } = self.journal;
        assert_eq!(done, items, "items that are done");
        let written = self.finished(metadata);
        written.map_err(|cause| write_error(&self.path, cause))
    }

    /// Whether the partial file still has its name, which another process may have given to a file of its own.
    fn in_place(&self) -> io::Result<()> {
        let partial = self.partial();
        match is_at(&self.file, &partial) {
            true => Ok(()),
            false => Err(io::Error::other(format!(
                "{} was removed or replaced while rows were written to it; give the command again",
                printable_path(&partial)
            ))),
        }
    }

    fn finished(&mut self, metadata: &BTreeMap<String, String>) -> io::Result<()> {
        self.in_place()?;
        let (tensors, rows) = (&self.journal.tensors, self.rows());
        let (text, offsets) = header(&headers(tensors, &shapes(tensors, rows)), metadata)?;
        let partial = self.partial();
        if rows == self.journal.items && text.len() as u64 == self.journal.header {
            self.file.seek(SeekFrom::Start(0))?;
            self.file.write_all(&text)?;
            self.file.sync_all()?;
            rename(&partial, &self.path)?;
        } else {
            let mut order: Vec<_> = offsets.iter().zip(&self.starts).collect();
            order.sort_by_key(|(offsets, _)| offsets.start);
            let file = &mut self.file;
            let copied = write_file(&self.path, |out| {
                out.write_all(&text)?;
                for (offsets, start) in order {
                    file.seek(SeekFrom::Start(*start))?;
                    let rows = (&*file).take(offsets.len() as u64);
                    io::copy(&mut BufReader::with_capacity(COPIED, rows), out)?;
                }
                Ok(())
            });
            copied.map_err(|error| error.cause)?;
            fs::remove_file(partial)?;
        }
        fs::remove_file(journal::place(&self.path))
    }

    /// Removes the partial file and its journal.
    ///
    /// # Errors
    ///
    /// [`RowFileError::Write`] if they cannot be removed.
    pub fn discard(self) -> Result<(), RowFileError> {
        let removed =
            fs::remove_file(journal::place(&self.path)).and(fs::remove_file(self.partial()));
        removed.map_err(|cause| write_error(&self.path, cause))
    }
}

/// `FILE.partial`
fn partial(path: &Path) -> PathBuf {
    ended(path, ".partial")
}

fn ended(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_os_string();
    name.push(ending);
    name.into()
}

fn shapes(tensors: &[RowTensor], rows: usize) -> Vec<Vec<usize>> {
    let shape = |tensor: &RowTensor| [&[rows], tensor.row.as_slice()].concat();
    tensors.iter().map(shape).collect()
}

fn headers<'a>(tensors: &'a [RowTensor], shapes: &'a [Vec<usize>]) -> Vec<TensorHeader<'a>> {
    let header = |(tensor, shape): (&'a RowTensor, &'a Vec<usize>)| TensorHeader {
        name: &tensor.name,
        dtype: tensor.dtype,
        shape,
    };
    tensors.iter().zip(shapes).map(header).collect()
}

#[cfg(test)]
mod tests;
