//! Tensors into a file that is whole or absent.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::io;
use std::path::Path;

use burn::tensor::DType;
use safetensors::{Dtype, View};

use crate::header::sort_metadata;
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
    let failure = RefCell::new(None);
    let write = || -> io::Result<()> {
        refuse_duplicates(tensors)?;
        let views = tensors.iter().map(|tensor| Stored::new(tensor, &failure));
        let file = temporary(path)?;
        let permissions = file.as_file().metadata()?.permissions();
        safetensors::serialize_to_file(
            views.collect::<io::Result<Vec<_>>>()?,
            Some(metadata),
            file.path(),
        )
        .map_err(io::Error::other)?;
        sort_metadata(file.path())?;
        // The writer makes the file anew, and private.
        std::fs::set_permissions(file.path(), permissions)?;
        match failure.take() {
            Some(reason) => Err(io::Error::other(reason)),
            None => commit(file, path),
        }
    };
    write().map_err(|source| LoadError::Write {
        path: path.to_path_buf(),
        source,
    })
}

/// The format has one place for each name.
fn refuse_duplicates(tensors: &[StoredTensor]) -> io::Result<()> {
    let mut seen = HashSet::new();
    match tensors.iter().find(|tensor| !seen.insert(&tensor.name)) {
        Some(twice) => Err(io::Error::other(format!("{} is there twice", twice.name))),
        None => Ok(()),
    }
}

/// In the same folder, because a rename does not cross file systems.
fn temporary(path: &Path) -> io::Result<tempfile::NamedTempFile> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    tempfile::Builder::new()
        .prefix(".writing-")
        .permissions_for_new_files()
        .tempfile_in(folder)
}

fn commit(file: tempfile::NamedTempFile, path: &Path) -> io::Result<()> {
    // Another handle may have written the bytes: synchronise the file, not the handle's buffer.
    std::fs::File::open(file.path())?.sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// Temporary files are private by default; a finished file should look like any other.
trait NewFilePermissions {
    fn permissions_for_new_files(&mut self) -> &mut Self;
}

impl NewFilePermissions for tempfile::Builder<'_, '_> {
    #[cfg(unix)]
    fn permissions_for_new_files(&mut self) -> &mut Self {
        use std::os::unix::fs::PermissionsExt;
        self.permissions(std::fs::Permissions::from_mode(0o666))
    }

    #[cfg(not(unix))]
    fn permissions_for_new_files(&mut self) -> &mut Self {
        self
    }
}

/// A tensor as safetensors wants to see it. Bytes are drawn when the writer reaches it.
///
/// `View` has no way to fail, so a tensor that cannot be read leaves its reason in `failure`, and the
/// file is not committed.
struct Stored<'a> {
    tensor: &'a StoredTensor,
    dtype: Dtype,
    failure: &'a RefCell<Option<String>>,
}

impl<'a> Stored<'a> {
    fn new(
        tensor: &'a StoredTensor,
        failure: &'a RefCell<Option<String>>,
    ) -> io::Result<(&'a str, Self)> {
        let dtype = match tensor.dtype {
            DType::F64 => Dtype::F64,
            DType::F32 => Dtype::F32,
            DType::F16 => Dtype::F16,
            DType::BF16 => Dtype::BF16,
            DType::I64 => Dtype::I64,
            DType::I32 => Dtype::I32,
            DType::I16 => Dtype::I16,
            DType::I8 => Dtype::I8,
            DType::U64 => Dtype::U64,
            DType::U32 => Dtype::U32,
            DType::U16 => Dtype::U16,
            DType::U8 => Dtype::U8,
            DType::Bool(_) => Dtype::BOOL,
            other => {
                let name = &tensor.name;
                return Err(io::Error::other(format!(
                    "{name} is of type {other:?}, which safetensors cannot hold"
                )));
            }
        };
        let view = Self {
            tensor,
            dtype,
            failure,
        };
        Ok((&tensor.name, view))
    }
}

impl View for Stored<'_> {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        self.tensor.shape.as_slice()
    }

    fn data(&self) -> Cow<'_, [u8]> {
        match self.tensor.to_bytes() {
            Ok(bytes) => Cow::Owned(bytes.try_into_vec().unwrap_or_else(|bytes| bytes.to_vec())),
            Err(error) => {
                *self.failure.borrow_mut() = Some(format!("{}: {error}", self.tensor.name));
                Cow::Owned(vec![0; self.data_len()])
            }
        }
    }

    fn data_len(&self) -> usize {
        self.tensor.byte_len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TensorFile;
    use burn::store::{bridge, burn_pack::Error};
    use burn::tensor::{Shape, TensorData};

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
