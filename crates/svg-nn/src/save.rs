//! Tensors into a file that is whole or absent.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::Path;

use svg_store::{TensorHeader, WriteError, write_safetensors};

use crate::dtype::to_stored;
use crate::{LoadError, StoredTensor};

/// Writes tensors as safetensors, one at a time, so that memory holds no more than the largest.
///
/// `metadata` becomes the header's `__metadata__`. The same contents are the same bytes.
///
/// # Errors
///
/// [`LoadError::Write`] if the file cannot be written or a tensor cannot be read; nothing is left under
/// `path` then, and a file that was there before is still there.
pub fn save_tensors(
    path: &Path,
    tensors: &[StoredTensor],
    metadata: HashMap<String, String>,
) -> Result<(), LoadError> {
    let headers = tensors.iter().map(|tensor| {
        let dtype = to_stored(tensor.dtype).ok_or_else(|| {
            let (name, dtype) = (&tensor.name, tensor.dtype);
            io::Error::other(format!(
                "{name} is of type {dtype:?}, which safetensors cannot hold"
            ))
        })?;
        Ok(TensorHeader {
            name: &tensor.name,
            dtype,
            shape: tensor.shape.as_slice(),
        })
    });
    let headers: Vec<_> = headers
        .collect::<io::Result<_>>()
        .map_err(|cause| WriteError {
            path: path.to_path_buf(),
            cause,
        })?;
    let bytes = |index: usize| {
        let tensor: &StoredTensor = &tensors[index];
        let bytes = tensor
            .to_bytes()
            .map_err(|error| io::Error::other(format!("{}: {error}", tensor.name)))?;
        Ok(bytes.try_into_vec().unwrap_or_else(|bytes| bytes.to_vec()))
    };
    let metadata: BTreeMap<_, _> = metadata.into_iter().collect();
    Ok(write_safetensors(path, &headers, &metadata, bytes)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TensorFile;
    use burn::store::{bridge, burn_pack::Error};
    use burn::tensor::{DType, Shape, TensorData};

    fn tensor(name: &str) -> StoredTensor {
        let data = TensorData::from([[1.0f32, 2.0], [3.0, 4.0]]);
        bridge::from_data(data, name.to_string(), None)
    }

    #[cfg(unix)]
    #[test]
    fn a_file_has_the_permissions_of_any_other() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (ours, other) = (folder.path().join("ours"), folder.path().join("other"));
        save_tensors(&ours, &[tensor("a")], HashMap::new()).unwrap();
        std::fs::write(&other, "").unwrap();
        let mode = |path| std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(ours), mode(other));
    }

    #[test]
    fn what_is_saved_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.safetensors");
        let metadata = HashMap::from([("made".to_string(), "here".to_string())]);
        save_tensors(&path, &[tensor("b"), tensor("a")], metadata.clone()).unwrap();
        let file = TensorFile::open(&path).unwrap();
        assert_eq!(file.metadata(), &metadata);
        let names: Vec<_> = file.tensors().iter().map(|t| t.name.clone()).collect();
        assert_eq!(names, ["a", "b"]);
        let bytes = file.tensors()[0].to_bytes().unwrap();
        assert_eq!(bytes.to_vec(), tensor("a").to_bytes().unwrap().to_vec());
    }

    #[test]
    fn the_same_contents_are_the_same_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let written = |name: &str| {
            let path = folder.path().join(name);
            // Each hash map has an order of its own.
            let metadata = "abcdefgh".chars().map(|c| (c.to_string(), c.to_string()));
            save_tensors(&path, &[tensor("b"), tensor("a")], metadata.collect()).unwrap();
            std::fs::read(path).unwrap()
        };
        assert_eq!(written("one"), written("two"));
    }

    #[test]
    fn a_failed_write_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.safetensors");
        std::fs::write(&path, b"old").unwrap();
        let broken = StoredTensor::deferred(
            "broken".to_string(),
            DType::F32,
            Shape::from([2]),
            None,
            8,
            || Err(Error::IoError("gone".to_string())),
        );
        let error = save_tensors(&path, &[tensor("a"), broken], HashMap::new()).unwrap_err();
        assert!(error.to_string().contains("broken"), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_name_given_twice_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.safetensors");
        let error = save_tensors(&path, &[tensor("a"), tensor("a")], HashMap::new()).unwrap_err();
        assert!(error.to_string().contains("a is there twice"), "{error}");
    }

    #[test]
    fn an_absent_folder_is_named() {
        let path = Path::new("/nowhere/at/all.safetensors");
        let error = save_tensors(path, &[tensor("a")], HashMap::new()).unwrap_err();
        assert!(error.to_string().contains("/nowhere/at/all"), "{error}");
    }
}
