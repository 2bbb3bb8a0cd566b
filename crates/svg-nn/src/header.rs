//! The header of a safetensors file, in one order.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// What a header with metadata begins with; the length of the header is before it.
const METADATA: &[u8] = b"{\"__metadata__\":";

/// Bytes of the length of the header.
const LENGTH: usize = size_of::<u64>();

/// Puts the metadata of a file that was just written into the order of their names.
///
/// The writer takes them from a hash map, whose order is another in every process. In any order they have
/// the same length, so those in the file are written over.
pub(crate) fn sort_metadata(path: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    let mut length = [0; LENGTH];
    file.read_exact(&mut length)?;
    let mut header = Vec::new();
    Read::by_ref(&mut file)
        .take(u64::from_le_bytes(length))
        .read_to_end(&mut header)?;
    let Some(entries) = header.strip_prefix(METADATA) else {
        return Ok(());
    };
    let mut values =
        serde_json::Deserializer::from_slice(entries).into_iter::<BTreeMap<String, String>>();
    let sorted = values.next().ok_or(io::ErrorKind::UnexpectedEof)??;
    let sorted = serde_json::to_vec(&sorted)?;
    if sorted.len() != values.byte_offset() {
        return Err(io::Error::other("the metadata cannot be sorted in place"));
    }
    file.seek(SeekFrom::Start((LENGTH + METADATA.len()) as u64))?;
    file.write_all(&sorted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{StoredTensor, TensorFile, save_tensors};
    use burn::store::bridge;
    use burn::tensor::TensorData;
    use safetensors::tensor::TensorView;
    use std::collections::HashMap;

    fn tensors() -> Vec<StoredTensor> {
        let tensor =
            |name: &str| bridge::from_data(TensorData::from([1.0f32, 2.0]), name.to_string(), None);
        vec![tensor("b"), tensor("a")]
    }

    /// Ten entries in a map of its own order, with everything that JSON escapes.
    fn metadata() -> HashMap<String, String> {
        let entry = |number: u32| {
            (
                format!("key \"{number}\""),
                format!("{number} \\ é\n\u{1}\"}}"),
            )
        };
        (0..10).map(entry).collect()
    }

    #[test]
    fn the_same_contents_are_the_same_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.safetensors");
        let save = || {
            save_tensors(&path, &tensors(), metadata()).unwrap();
            std::fs::read(&path).unwrap()
        };
        let first = save();
        assert!((1..20).all(|_| save() == first));
        let file = TensorFile::open(&path).unwrap();
        assert_eq!(file.metadata(), &metadata());
        assert_eq!(file.tensors().len(), 2);
    }

    #[test]
    fn a_file_without_metadata_stays_what_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.safetensors");
        let view = TensorView::new(safetensors::Dtype::U8, vec![1], &[7]).unwrap();
        safetensors::serialize_to_file([("a", view)], None, &path).unwrap();
        let before = std::fs::read(&path).unwrap();
        sort_metadata(&path).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }
}
