//! Columns of a parquet file, read by their rows.

use std::collections::VecDeque;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use parquet::basic::Encoding;
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::column::reader::{ColumnReader, get_column_reader, get_typed_column_reader};
use parquet::data_type::{ByteArrayType, DataType, Int32Type, Int64Type};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use parquet::file::reader::{ChunkReader, Length};
use parquet::file::serialized_reader::SerializedPageReader;

use crate::place::{Window, WindowReader};

/// Rows are decoded in runs of about so many bytes, for pictures are mostly read in their order.
const RUN: u64 = 16 << 20;

/// Bytes of decoded runs that are kept, of all files of a set together.
const KEPT: usize = 64 << 20;

/// A parquet file.
#[derive(Debug)]
pub(crate) struct Parquet {
    path: Arc<Path>,
    chunks: Arc<Chunks>,
    pub metadata: ParquetMetaData,
    recent: Arc<Recent>,
}

impl Parquet {
    pub fn open(path: &Path, window: &Window, recent: Arc<Recent>) -> Result<Self> {
        let chunks = Arc::new(Chunks(window.clone()));
        Ok(Self {
            path: path.into(),
            metadata: ParquetMetaDataReader::new().parse_and_finish(&*chunks)?,
            chunks,
            recent,
        })
    }

    /// The file on disk; `None` if that is an anonymous one.
    pub fn path(&self) -> Option<&Path> {
        self.chunks.0.path()
    }

    pub fn rows(&self, group: usize) -> usize {
        usize::try_from(self.metadata.row_group(group).num_rows()).unwrap_or(0)
    }

    /// Reads the values of a column in a group of rows.
    pub fn column(&self, group: usize, column: usize) -> Result<ColumnReader> {
        let chunk = self.metadata.row_group(group).column(column);
        let start = chunk.dictionary_page_offset();
        let start = start.unwrap_or(chunk.data_page_offset());
        if start < 0 || chunk.compressed_size() < 0 {
            return Err(general("a column begins before the file"));
        }
        let pages = Pages {
            pages: SerializedPageReader::new(self.chunks.clone(), chunk, self.rows(group), None)?,
            has_dictionary: false,
        };
        Ok(get_column_reader(chunk.column_descr_ptr(), Box::new(pages)))
    }

    /// The values of a column of text or integers, as text.
    pub fn texts(&self, group: usize, column: usize) -> Result<Vec<Option<String>>> {
        let all = 0..self.rows(group);
        let full = self.full(column);
        match self.column(group, column)? {
            reader @ ColumnReader::Int32ColumnReader(_) => {
                values::<Int32Type, _>(reader, full, all, |number| number.to_string())
            }
            reader @ ColumnReader::Int64ColumnReader(_) => {
                values::<Int64Type, _>(reader, full, all, |number| number.to_string())
            }
            reader @ ColumnReader::ByteArrayColumnReader(_) => {
                values::<ByteArrayType, _>(reader, full, all, |text| {
                    String::from_utf8_lossy(text.data()).into_owned()
                })
            }
            _ => Err(general("its labels are neither numbers nor text")),
        }
    }

    /// The bytes in a row of a column; `None` for null.
    pub fn bytes(&self, group: usize, column: usize, row: usize) -> Result<Option<Vec<u8>>> {
        let rows = self.rows(group);
        let chunk = self.metadata.row_group(group).column(column);
        let of_row = chunk.uncompressed_size().unsigned_abs() / rows.max(1) as u64;
        let length = usize::try_from(RUN / of_row.max(1)).unwrap_or(rows);
        let length = length.clamp(1, rows.max(1));
        let start = row / length * length;
        let key = (self.path.clone(), group, start);
        let run = self.recent.get(key, || {
            let run = start..rows.min(start + length);
            let reader = self.column(group, column)?;
            values::<ByteArrayType, _>(reader, self.full(column), run, |value| {
                value.data().to_vec()
            })
        })?;
        Ok(run[row - start].clone())
    }

    /// Bytes that the group of a row takes in the file, for all its rows together.
    pub fn size(&self, group: usize, column: usize) -> u64 {
        let chunk = self.metadata.row_group(group).column(column);
        chunk.compressed_size().unsigned_abs()
    }

    /// The level of definition of a value that is not null.
    fn full(&self, column: usize) -> i16 {
        let schema = self.metadata.file_metadata().schema_descr();
        schema.column(column).max_def_level()
    }
}

pub(crate) fn general(what: &str) -> ParquetError {
    ParquetError::General(what.into())
}

/// The values in a range of rows, `None` for null.
fn values<T: DataType, V>(
    reader: ColumnReader,
    full: i16,
    rows: std::ops::Range<usize>,
    each: impl Fn(T::T) -> V,
) -> Result<Vec<Option<V>>> {
    let mut reader = get_typed_column_reader::<T>(reader);
    let ended = || general("a column has fewer rows than the file says");
    if reader.skip_records(rows.start)? < rows.start {
        return Err(ended());
    }
    let mut all = Vec::new();
    while all.len() < rows.len() {
        let (mut levels, mut values) = (Vec::new(), Vec::new());
        let left = rows.len() - all.len();
        let (records, ..) = reader.read_records(left, Some(&mut levels), None, &mut values)?;
        if records == 0 {
            return Err(ended());
        }
        let mut values = values.into_iter().map(&each);
        match full {
            0 => all.extend(values.map(Some)),
            _ => all.extend(levels.into_iter().map(|level| match level == full {
                true => values.next(),
                false => None,
            })),
        }
    }
    Ok(all)
}

/// The pages of a column, checked for what its reader takes for granted.
struct Pages {
    pages: SerializedPageReader<Chunks>,
    has_dictionary: bool,
}

impl Iterator for Pages {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl PageReader for Pages {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        let page = self.pages.get_next_page()?;
        match &page {
            Some(Page::DictionaryPage { .. }) => self.has_dictionary = true,
            Some(page) if is_of_dictionary(page.encoding()) && !self.has_dictionary => {
                return Err(general("a page refers to a dictionary that is not there"));
            }
            _ => (),
        }
        Ok(page)
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.pages.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.pages.skip_next_page()
    }
}

fn is_of_dictionary(encoding: Encoding) -> bool {
    matches!(
        encoding,
        Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY
    )
}

type Key = (Arc<Path>, usize, usize);
type Run = Arc<Vec<Option<Vec<u8>>>>;

/// Runs of rows that were decoded last.
#[derive(Debug, Default)]
pub(crate) struct Recent(Mutex<VecDeque<(Key, Run)>>);

impl Recent {
    fn get(&self, key: Key, decode: impl FnOnce() -> Result<Vec<Option<Vec<u8>>>>) -> Result<Run> {
        let mut kept = self.0.lock().expect("nothing panics while it is held");
        if let Some((_, run)) = kept.iter().find(|(other, _)| *other == key) {
            return Ok(run.clone());
        }
        drop(kept);
        let run = Arc::new(decode()?);
        kept = self.0.lock().expect("nothing panics while it is held");
        kept.push_front((key, run.clone()));
        let mut total = 0;
        let size = |run: &Run| run.iter().flatten().map(Vec::len).sum::<usize>();
        let within = kept.iter().take_while(|(_, run)| {
            total += size(run);
            total <= KEPT
        });
        let count = within.count().max(1);
        kept.truncate(count);
        Ok(run)
    }
}

/// What the reader of parquet asks of a file.
#[derive(Debug)]
struct Chunks(Window);

impl Length for Chunks {
    fn len(&self) -> u64 {
        self.0.size()
    }
}

impl ChunkReader for Chunks {
    type T = io::BufReader<WindowReader>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        let mut reader = self.0.reader()?;
        reader.seek(SeekFrom::Start(start))?;
        // Headers of pages are read byte by byte; a page itself is larger than the buffer and read past it.
        Ok(io::BufReader::with_capacity(512, reader))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        let ended = || ParquetError::EOF(format!("it ends before {length} bytes at {start}"));
        let part = self.0.part(start, length as u64).ok_or_else(ended)?;
        let mut bytes = Vec::new();
        part.reader()?.take(length as u64).read_to_end(&mut bytes)?;
        Ok(bytes.into())
    }
}
