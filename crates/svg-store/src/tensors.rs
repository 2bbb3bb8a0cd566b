//! Safetensors files.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;

use memmap2::Mmap;
use safetensors::tensor::TensorInfo;
use safetensors::{Dtype, SafeTensors};
use serde::{Serialize, Serializer};

use crate::file::{WriteError, map, map_file, write_file};

/// Size of the length at the beginning of the file, and alignment of the header.
const ALIGNMENT: usize = size_of::<u64>();
/// Length of the longest header that readers accept.
const LONGEST_HEADER: usize = 100_000_000;

/// A memory-mapped safetensors file. Tensors are read when their bytes are accessed.
///
/// The file must not be modified while it is mapped.
#[derive(Debug)]
pub struct Safetensors {
    map: Mmap,
    tensors: Vec<TensorEntry>,
    metadata: HashMap<String, String>,
}

/// A tensor in a [`Safetensors`] file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorEntry {
    /// Name of the tensor.
    pub name: String,
    /// Type of its elements.
    pub dtype: Dtype,
    /// Sizes of its axes.
    pub shape: Vec<usize>,
    /// Range of its bytes in the file.
    pub range: Range<usize>,
}

/// Error of opening a file. The message does not name the file.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file could not be opened or mapped.
    #[error(transparent)]
    System(#[from] io::Error),
    /// The file is damaged or not a safetensors file.
    #[error("{0}")]
    Malformed(String),
}

impl Safetensors {
    /// Maps a file and reads its header, which must describe every byte after it.
    ///
    /// # Errors
    ///
    /// [`OpenError`].
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        Self::of(map(path)?)
    }

    /// As [`open`](Self::open), of a file that is open already, whatever has become of its name.
    ///
    /// # Errors
    ///
    /// [`OpenError`].
    pub fn of_file(file: &File) -> Result<Self, OpenError> {
        Self::of(map_file(file)?)
    }

    fn of(map: Mmap) -> Result<Self, OpenError> {
        let (header, parsed) = SafeTensors::read_metadata(&map)
            .map_err(|error| OpenError::Malformed(error.to_string()))?;
        let start = ALIGNMENT + header;
        let mut tensors = Vec::new();
        for (name, info) in parsed.tensors() {
            let (begin, end) = info.data_offsets;
            let range = start + begin..start + end;
            if !are_sizes(&info.shape) {
                return Err(OpenError::Malformed(format!(
                    "{name} has the impossible sizes {:?}",
                    info.shape
                )));
            }
            if map.get(range.clone()).is_none() {
                return Err(OpenError::Malformed(format!(
                    "{name} extends beyond the file"
                )));
            }
            tensors.push(TensorEntry {
                name,
                dtype: info.dtype,
                shape: info.shape.clone(),
                range,
            });
        }
        tensors.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Self {
            map,
            tensors,
            metadata: parsed.metadata().clone().unwrap_or_default(),
        })
    }

    /// All tensors, sorted by name.
    pub fn tensors(&self) -> &[TensorEntry] {
        &self.tensors
    }

    /// The tensor with the given name.
    pub fn tensor(&self, name: &str) -> Option<&TensorEntry> {
        let found = self
            .tensors
            .binary_search_by(|tensor| tensor.name.as_str().cmp(name));
        found.ok().map(|place| &self.tensors[place])
    }

    /// Metadata of the header.
    pub fn metadata(&self) -> &HashMap<String, String> {
        &self.metadata
    }

    /// Elements of a tensor of this file, in row-major order, little-endian.
    ///
    /// # Panics
    ///
    /// If the tensor belongs to another file and its range is beyond the end of this one.
    pub fn data(&self, tensor: &TensorEntry) -> &[u8] {
        &self.map[tensor.range.clone()]
    }

    /// All bytes of the file, which the ranges of the tensors refer to.
    pub fn bytes(&self) -> &[u8] {
        &self.map
    }
}

/// Whether sizes can be those of a tensor: also without elements, no product of some of them overflows.
pub(crate) fn are_sizes(shape: &[usize]) -> bool {
    let mut sides = shape.iter().filter(|side| **side > 0);
    let bytes = sides.try_fold(size_of::<u64>(), |bytes, side| bytes.checked_mul(*side));
    bytes.is_some_and(|bytes| isize::try_from(bytes).is_ok())
}

/// Description of a tensor to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorHeader<'a> {
    /// Unique name of the tensor.
    pub name: &'a str,
    /// Type of its elements.
    pub dtype: Dtype,
    /// Sizes of its axes.
    pub shape: &'a [usize],
}

/// Writes a safetensors file atomically, one tensor at a time, so that at most one is in memory. The same
/// contents give the same bytes.
///
/// `bytes` returns the elements of the tensor at an index of `tensors`, in row-major order, little-endian. In
/// the file, tensors are sorted by the size of their type and then by name, and the `metadata` by name.
///
/// # Errors
///
/// [`WriteError`] if a name occurs twice, the number of bytes of a tensor does not match its shape and type,
/// `bytes` fails, or the file cannot be written.
pub fn write_safetensors(
    path: impl AsRef<Path>,
    tensors: &[TensorHeader],
    metadata: &BTreeMap<String, String>,
    bytes: impl Fn(usize) -> io::Result<Vec<u8>>,
) -> Result<(), WriteError> {
    write_file(path, |file| {
        let (text, ranges) = header(tensors, metadata)?;
        file.write_all(&text)?;
        let mut order: Vec<usize> = (0..tensors.len()).collect();
        order.sort_by_key(|&index| ranges[index].start);
        for index in order {
            let (name, bytes) = (tensors[index].name, bytes(index)?);
            let (found, expected) = (bytes.len(), ranges[index].len());
            if found != expected {
                return Err(io::Error::other(format!(
                    "{name} has {found} bytes, but its shape and type need {expected}"
                )));
            }
            file.write_all(&bytes)?;
        }
        Ok(())
    })
}

/// The bytes before the first tensor, and the place of each tensor after them.
pub(crate) fn header(
    tensors: &[TensorHeader],
    metadata: &BTreeMap<String, String>,
) -> io::Result<(Vec<u8>, Vec<Range<usize>>)> {
    let mut order: Vec<usize> = (0..tensors.len()).collect();
    order.sort_by(|&a, &b| {
        let (a, b) = (&tensors[a], &tensors[b]);
        b.dtype.cmp(&a.dtype).then(a.name.cmp(b.name))
    });
    let placed = placed(order.iter().map(|&index| &tensors[index]))?;
    let entries = placed
        .iter()
        .map(|(name, info)| (*name, Entry::Tensor(info)));
    let metadata = [("__metadata__", Entry::Metadata(metadata))].into_iter();
    let mut text = vec![0; ALIGNMENT];
    serde_json::Serializer::new(&mut text).collect_map(metadata.chain(entries))?;
    text.resize(text.len().next_multiple_of(ALIGNMENT), b' ');
    let length = text.len() - ALIGNMENT;
    if length > LONGEST_HEADER {
        return Err(io::Error::other(format!(
            "its header would have {length} bytes, and readers accept {LONGEST_HEADER}: too many tensors or names \
             for one file; write several"
        )));
    }
    text[..ALIGNMENT].copy_from_slice(&(length as u64).to_le_bytes());
    let mut ranges = vec![0..0; tensors.len()];
    for (index, (_, info)) in order.into_iter().zip(&placed) {
        ranges[index] = info.data_offsets.0..info.data_offsets.1;
    }
    Ok((text, ranges))
}

/// Entry of the header.
#[derive(Serialize)]
#[serde(untagged)]
enum Entry<'a> {
    Metadata(&'a BTreeMap<String, String>),
    Tensor(&'a TensorInfo),
}

/// Names and places of tensors that follow one another in the file.
fn placed<'a>(
    tensors: impl Iterator<Item = &'a TensorHeader<'a>>,
) -> io::Result<Vec<(&'a str, TensorInfo)>> {
    let (mut seen, mut begin) = (HashSet::new(), 0);
    let placed = tensors.map(|tensor| {
        let name = tensor.name;
        if !seen.insert(name) {
            return Err(io::Error::other(format!("{name} is there twice")));
        }
        let bits = tensor.shape.iter().product::<usize>() * tensor.dtype.bitsize();
        let end = begin + bits / 8;
        let info = TensorInfo {
            dtype: tensor.dtype,
            shape: tensor.shape.to_vec(),
            data_offsets: (begin, end),
        };
        begin = end;
        Ok((name, info))
    });
    placed.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use safetensors::tensor::TensorView;

    const DATA: [&[u8]; 3] = [&[1, 2, 3, 4, 5, 6, 7, 8], &[9, 10], &[11, 12, 13, 14]];

    fn header<'a>(name: &'a str, dtype: Dtype, shape: &'a [usize]) -> TensorHeader<'a> {
        TensorHeader { name, dtype, shape }
    }

    fn tensors() -> [TensorHeader<'static>; 3] {
        [
            header("b", Dtype::F32, &[2, 1]),
            header("c \"quoted\"", Dtype::U8, &[2]),
            header("a", Dtype::F32, &[1]),
        ]
    }

    fn write(path: &Path, metadata: &BTreeMap<String, String>) {
        write_safetensors(path, &tensors(), metadata, |index| Ok(DATA[index].to_vec())).unwrap();
    }

    /// Ten entries with all characters that JSON escapes.
    fn metadata() -> BTreeMap<String, String> {
        let entry = |number: u32| {
            (
                format!("key \"{number}\""),
                format!("{number} \\ é\n\u{1}\"}}"),
            )
        };
        (0..10).map(entry).collect()
    }

    #[test]
    fn written_files_equal_the_reference_writer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.safetensors");
        // One entry, because the reference writes several in arbitrary order.
        let one = BTreeMap::from([("format".to_string(), "pt \\ é\n".to_string())]);
        for metadata in [BTreeMap::new(), one] {
            write(&path, &metadata);
            let tensors = tensors();
            let views = tensors.iter().zip(DATA).map(|(tensor, data)| {
                let view = TensorView::new(tensor.dtype, tensor.shape.to_vec(), data).unwrap();
                (tensor.name, view)
            });
            let metadata = metadata.into_iter().collect();
            let expected = safetensors::serialize(views, Some(metadata)).unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), expected);
        }
    }

    #[test]
    fn tensors_and_metadata_roundtrip_through_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.safetensors");
        write(&path, &metadata());
        let file = Safetensors::open(&path).unwrap();
        assert_eq!(file.metadata(), &metadata().into_iter().collect());
        let names: Vec<_> = file.tensors().iter().map(|t| t.name.as_str()).collect();
        assert_eq!(names, ["a", "b", "c \"quoted\""]);
        for (tensor, data) in tensors().iter().zip(DATA) {
            let found = file.tensor(tensor.name).unwrap();
            assert_eq!(
                (found.dtype, found.shape.as_slice()),
                (tensor.dtype, tensor.shape)
            );
            assert_eq!(file.data(found), data);
            assert_eq!(&file.bytes()[found.range.clone()], data);
        }
        assert!(file.tensor("d").is_none());
        assert_eq!(file.bytes(), std::fs::read(&path).unwrap());
    }

    #[test]
    fn truncated_files_and_inconsistent_headers_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.safetensors");
        write(&path, &metadata());
        let whole = std::fs::read(&path).unwrap();
        for length in 0..whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            assert!(Safetensors::open(&path).is_err(), "{length} bytes");
        }
        for header in [
            r#"{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,8]}}"#,
            r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}}"#,
            r#"{"a":{"dtype":"F32","shape":[18446744073709551615,2],"data_offsets":[0,8]}}"#,
            r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}"#,
        ] {
            let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
            bytes.extend(header.as_bytes());
            bytes.extend([0; 8]);
            std::fs::write(&path, &bytes).unwrap();
            assert!(Safetensors::open(&path).is_err(), "{header}");
        }
    }

    #[test]
    fn sizes_of_tensors_without_elements_are_checked_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.safetensors");
        let opened = |shape: &str| {
            let header =
                format!(r#"{{"a":{{"dtype":"F32","shape":{shape},"data_offsets":[0,0]}}}}"#);
            let length = (header.len() as u64).to_le_bytes();
            std::fs::write(&path, [&length[..], header.as_bytes()].concat()).unwrap();
            crate::RowReader::open(&path, "a")
        };
        assert_eq!(opened("[0,384]").unwrap().unwrap().shape(), [0, 384]);
        // Of 2^65 elements, if the first axis were not empty.
        let error = opened("[0,4611686018427387904,8]").unwrap_err();
        assert!(error.to_string().contains("impossible sizes"), "{error}");
    }

    #[test]
    fn inconsistent_tensors_are_errors_and_leave_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.safetensors");
        let attempt = |tensors: &[TensorHeader], bytes: io::Result<Vec<u8>>| {
            let bytes = std::cell::RefCell::new(Some(bytes));
            let take = |_| bytes.take().unwrap();
            let result = write_safetensors(&path, tensors, &BTreeMap::new(), take);
            result.unwrap_err().to_string()
        };
        let one = header("a", Dtype::U8, &[2]);
        let error = attempt(&[one.clone(), one.clone()], Ok(vec![]));
        assert!(error.contains("a is there twice"), "{error}");
        let error = attempt(std::slice::from_ref(&one), Ok(vec![0; 3]));
        assert!(
            error.contains("a has 3 bytes, but its shape and type need 2"),
            "{error}"
        );
        let error = attempt(&[one], Err(io::Error::other("gone")));
        assert!(error.contains("gone"), "{error}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[cfg(unix)]
    #[test]
    fn written_files_have_default_permissions() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (ours, ordinary) = (folder.path().join("ours"), folder.path().join("ordinary"));
        write(&ours, &metadata());
        std::fs::write(&ordinary, "").unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode();
        assert_eq!(mode(&ours), mode(&ordinary));
    }
}
