//! Archives of arrays.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use rawzip::{CompressionMethod, RECOMMENDED_BUFFER_SIZE, ZipFileHeaderRecord, ZipLocator};

use super::MAGIC;
use super::array::NpyArray;
use super::contents::{Contents, Entry};
use super::error::{NpyError, NpyProblem};
use super::header::Header;
use super::source::{ReadAt, Source};
use crate::regular::open_file;
use crate::words::listed;

/// Deflate makes nothing smaller than this part of its size.
const STRONGEST_DEFLATION: u64 = 1032;

/// The fixed part of the header before an entry's bytes, and what it begins with.
const LOCAL: usize = 30;
const LOCAL_MAGIC: &[u8; 4] = b"PK\x03\x04";

/// The name of the array in a file that is no archive, which is also that of the first one of `np.savez`.
const ONLY: &str = "arr_0";

/// An archive of arrays, as `np.savez` and `np.savez_compressed` write it, or a `.npy` file as an archive of one array,
/// `arr_0`. Arrays are read when they are asked for. Threads may share it.
///
/// ```
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("statistics.npz");
/// use svg_store::{Npz, NpzWriter};
///
/// let mut new = NpzWriter::create(&path)?;
/// new.array("mu", &[3], &[0.5, 1.5, 2.5])?;
/// new.finish()?;
///
/// let file = Npz::open(&path)?;
/// assert_eq!(file.names(), ["mu"]);
/// let mu = file.array("mu")?;
/// assert_eq!((mu.dtype().to_string().as_str(), mu.shape()), ("float64", &[3][..]));
/// assert_eq!(mu.read_f64()?, [0.5, 1.5, 2.5]);
/// let error = file.array("sigma").unwrap_err().to_string();
/// assert!(error.ends_with("the archive holds no array sigma; there are mu"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Npz {
    place: String,
    source: Source,
    entries: Vec<Entry>,
}

impl Npz {
    /// Opens a file and lists its arrays.
    ///
    /// # Errors
    ///
    /// [`NpyError`] if it cannot be read or is no file of NumPy; if it is cut off, its directory contradicts itself or its
    /// entries, or an entry is encrypted, compressed in another way than by deflate, or there twice.
    pub fn open(path: &Path) -> Result<Self, NpyError> {
        let place = path.display().to_string();
        let file = open_file(path).map_err(|error| NpyProblem::Read(error).at(&place))?;
        Self::of(Arc::new(file), &place)
    }

    /// As [`open`](Self::open), of bytes that are called `place` in messages.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn of(source: Arc<dyn ReadAt>, place: &str) -> Result<Self, NpyError> {
        let source = Source(source);
        Ok(Self {
            entries: entries(&source, place)?,
            place: place.to_string(),
            source,
        })
    }

    /// The names of the arrays in the order of the archive, without `.npy`. Entries that are no arrays are among them.
    pub fn names(&self) -> Vec<&str> {
        let names = self.entries.iter().map(|entry| entry.name.as_str());
        names.collect()
    }

    /// The array of that name, with or without `.npy`. Its header is read.
    ///
    /// # Errors
    ///
    /// [`NpyError`] if there is none, with the names of those that are there; if it is no array, or one of objects, records
    /// or another type that is not read; if its header is damaged, or does not fill its bytes.
    pub fn array(&self, name: &str) -> Result<NpyArray, NpyError> {
        let name = name.strip_suffix(".npy").unwrap_or(name);
        let entry = self.entries.iter().find(|entry| entry.name == name);
        let Some(entry) = entry else {
            let there = match self.entries.is_empty() {
                true => "none at all".to_string(),
                false => listed(&self.names()),
            };
            let array = name.to_string();
            return Err(NpyProblem::Missing { array, there }.at(&self.place));
        };
        let place = format!("{}/{name}", self.place);
        let header = Header::read(&mut Contents::new(&self.source, entry));
        let header = header.map_err(|problem| problem.at(&place))?;
        Ok(NpyArray::new(
            self.source.clone(),
            entry.clone(),
            header,
            place,
        ))
    }
}

fn entries(source: &Source, place: &str) -> Result<Vec<Entry>, NpyError> {
    let here = |problem: NpyProblem| problem.at(place);
    let size = source.0.size().map_err(|error| here(error.into()))?;
    let mut head = [0; MAGIC.len()];
    let length = head.len().min(usize::try_from(size).unwrap_or(head.len()));
    let read = source.fill(&mut head[..length], 0);
    read.map_err(|error| here(error.into()))?;
    if &head == MAGIC {
        return Ok(vec![Entry {
            name: ONLY.to_string(),
            start: 0,
            stored: size,
            size,
            deflated: false,
            crc: None,
        }]);
    }
    if !head.starts_with(b"PK") {
        let what = match head[..length] {
            [] => "it is empty",
            [0x80, ..] => "it is a pickle, which is never loaded here",
            _ => "it begins neither as a zip archive nor as an array",
        };
        return Err(here(NpyProblem::NotNumpy(what.to_string())));
    }
    let damaged = |error: rawzip::Error| here(NpyProblem::Archive(error.to_string()));
    let mut buffer = vec![0; RECOMMENDED_BUFFER_SIZE];
    let located = ZipLocator::new().locate_in_reader(source.clone(), &mut buffer, size);
    let archive = located.map_err(|(_, error)| damaged(error))?;
    let mut found = Vec::new();
    let mut names = HashSet::new();
    let mut count = 0;
    let mut directory = archive.entries(&mut buffer);
    while let Some(record) = directory.next_entry().map_err(damaged)? {
        count += 1;
        let name = String::from_utf8_lossy(record.file_path().as_ref()).into_owned();
        let name = name.strip_suffix(".npy").unwrap_or(&name).to_string();
        let at = |problem: NpyProblem| problem.at(&format!("{place}/{name}"));
        let entry = entry(source, size, &record, name.clone()).map_err(at)?;
        if !names.insert(name.clone()) {
            return Err(at(NpyProblem::Twice));
        }
        found.extend((!record.is_dir()).then_some(entry));
    }
    // The count has 16 bits in small archives.
    let said = archive.entries_hint();
    match count == said || (said == u64::from(u16::MAX) && count > said) {
        true => Ok(found),
        false => {
            let what = format!("it has {count} entries where it should have {said}");
            Err(here(NpyProblem::Archive(what)))
        }
    }
}

/// An entry of the directory whose bytes lie in the file, and whose own header says the same.
fn entry(
    source: &Source,
    size: u64,
    record: &ZipFileHeaderRecord<'_>,
    name: String,
) -> Result<Entry, NpyProblem> {
    if record.flags().is_encrypted() {
        return Err(NpyProblem::Encrypted);
    }
    let method = record.compression_method();
    let deflated = method == CompressionMethod::DEFLATE;
    if !deflated && method != CompressionMethod::STORE {
        return Err(NpyProblem::Compression(format!(
            "method {}",
            method.as_u16()
        )));
    }
    let damaged = |what: &str| NpyProblem::Archive(what.to_string());
    let at = record.local_header_offset();
    let path = record.file_path();
    let path = path.as_ref();
    let mut local = vec![0; LOCAL + path.len()];
    let fits = at
        .checked_add(local.len() as u64)
        .is_some_and(|end| end <= size);
    if !fits || source.fill(&mut local, at).is_err() {
        return Err(damaged("an entry lies beyond its end"));
    }
    let number = |at: usize| u16::from_le_bytes([local[at], local[at + 1]]);
    let same = local.starts_with(LOCAL_MAGIC)
        && number(8) == method.as_u16()
        && usize::from(number(26)) == path.len()
        && &local[LOCAL..] == path;
    if !same {
        return Err(damaged("its directory and an entry contradict each other"));
    }
    let start = at + local.len() as u64 + u64::from(number(28));
    let (stored, inflated) = (
        record.compressed_size_hint(),
        record.uncompressed_size_hint(),
    );
    if start.checked_add(stored).is_none_or(|end| end > size) {
        return Err(damaged("an entry is cut off"));
    }
    let possible = match deflated {
        true => inflated.div_ceil(STRONGEST_DEFLATION) <= stored,
        false => inflated == stored,
    };
    if !possible {
        let what = format!("{stored} bytes cannot become {inflated}");
        return Err(NpyProblem::Archive(what));
    }
    Ok(Entry {
        name,
        start,
        stored,
        size: inflated,
        deflated,
        crc: Some(record.crc32()),
    })
}
