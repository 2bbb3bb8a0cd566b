//! What weight files hold, whatever their format.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use burn::store::burn_pack::{Bytes, Error as PackError};
use svg_store::{Dtype, LeftTensor, OpenError, Safetensors, TorchError, TorchFile};

use crate::dtype::from_stored;
use crate::tensor_file::{malformed, read_error};
use crate::{LoadError, StoredTensor};

/// What a file holds; tensors are sorted by name.
#[derive(Default)]
pub(crate) struct Contents {
    pub tensors: Vec<StoredTensor>,
    pub left: Vec<LeftTensor>,
    pub metadata: HashMap<String, String>,
}

impl Contents {
    /// Of a safetensors file, memory-mapped. The path is for errors.
    pub fn of_safetensors(
        path: &Path,
        opened: Result<Safetensors, OpenError>,
    ) -> Result<Self, LoadError> {
        let file = opened.map_err(|error| match error {
            OpenError::System(source) => read_error(path, source),
            OpenError::Malformed(reason) => malformed(path, reason),
        })?;
        let file = Arc::new(file);
        let mut contents = Self {
            metadata: file.metadata().clone(),
            ..Self::default()
        };
        for tensor in file.tensors() {
            let (file, range) = (file.clone(), tensor.range.clone());
            let bytes = move || Ok(file.bytes()[range.clone()].to_vec());
            contents.add((&tensor.name, tensor.dtype, &tensor.shape), bytes);
        }
        Ok(contents)
    }

    /// Of a file of `torch.save`, memory-mapped.
    pub fn of_pytorch(path: &Path) -> Result<Self, LoadError> {
        let file = TorchFile::open(path).map_err(|error| match error {
            TorchError::System(source) => read_error(path, source),
            TorchError::Damaged(reason) => malformed(path, reason),
            TorchError::Unsupported(reason) => LoadError::Unsupported {
                path: path.to_path_buf(),
                reason,
            },
        })?;
        let file = Arc::new(file);
        let mut contents = Self {
            left: file.left().to_vec(),
            ..Self::default()
        };
        for tensor in file.tensors() {
            let (file, own) = (file.clone(), tensor.clone());
            let bytes = move || file.read(&own);
            contents.add((&tensor.name, tensor.dtype, &tensor.shape), bytes);
        }
        contents.left.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(contents)
    }

    /// Adds a tensor whose bytes are those that a function returns.
    fn add(
        &mut self,
        (name, dtype, shape): (&str, Dtype, &[usize]),
        bytes: impl Fn() -> Result<Vec<u8>, String> + Send + Sync + 'static,
    ) {
        let (name, shape) = (name.to_string(), shape.to_vec());
        match from_stored(dtype) {
            None => self.left.push(LeftTensor {
                name,
                kind: dtype.to_string(),
            }),
            Some(known) => {
                let length = shape.iter().product::<usize>() * dtype.bitsize() / 8;
                let read = move || {
                    let bytes = bytes().map_err(PackError::ValidationError)?;
                    Ok(Bytes::from_bytes_vec(bytes))
                };
                let tensor = StoredTensor::deferred(name, known, shape, None, length, read);
                self.tensors.push(tensor);
            }
        }
    }

    /// Itself, if it has a tensor that is read.
    pub fn unless_empty(self, path: &Path) -> Result<Self, LoadError> {
        match self.left_note() {
            Some(left) if self.tensors.is_empty() => Err(LoadError::Unsupported {
                path: path.to_path_buf(),
                reason: format!(
                    "{left}, and there are no others; store them as f32, f16 or bfloat16"
                ),
            }),
            _ => Ok(self),
        }
    }

    /// Which tensors are left, for the user to know; `None` if there are none.
    pub fn left_note(&self) -> Option<String> {
        let some = self.left.iter().take(3);
        let some: Vec<_> = some
            .map(|left| format!("{} ({})", left.name, left.kind))
            .collect();
        let more = if self.left.len() > 3 { ", ..." } else { "" };
        let count = self.left.len();
        (count > 0).then(|| {
            format!(
                "tensors of kinds that are not read ({count}): {}{more}",
                some.join(", ")
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use burn::store::bridge;
    use svg_store::{TensorHeader, write_safetensors};

    use super::*;
    use crate::TensorFile;

    fn torch(name: &str) -> std::path::PathBuf {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../svg-store/tests/torch/files");
        folder.join(name)
    }

    fn left(file: &TensorFile) -> Vec<(&str, &str)> {
        let left = file.left().iter();
        left.map(|left| (left.name.as_str(), left.kind.as_str()))
            .collect()
    }

    #[test]
    fn safetensors_of_unknown_types_are_left_and_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.safetensors");
        let header = |name, dtype| TensorHeader {
            name,
            dtype,
            shape: &[2],
        };
        let write = |tensors: &[TensorHeader]| {
            let bytes = |index: usize| Ok(vec![0; 2 * tensors[index].dtype.bitsize() / 8]);
            write_safetensors(&path, tensors, &BTreeMap::new(), bytes).unwrap();
        };
        let small = header("small", Dtype::F8_E4M3);
        write(&[header("weight", Dtype::F32), small.clone()]);
        let file = TensorFile::open(&path).unwrap();
        assert_eq!(file.tensors().len(), 1);
        assert_eq!(left(&file), [("small", "F8_E4M3")]);
        assert_eq!(file.numbers("weight").unwrap(), [0.0, 0.0]);
        let error = file.numbers("small").unwrap_err();
        assert!(error.contains("F8_E4M3"), "{error}");

        write(&[small]);
        let error = TensorFile::open(&path).unwrap_err();
        assert!(matches!(error, LoadError::Unsupported { .. }), "{error:?}");
        assert!(error.to_string().contains("small (F8_E4M3)"), "{error}");
    }

    #[test]
    fn every_type_of_pytorch_is_read_or_left() {
        let file = TensorFile::open(torch("types.pt")).unwrap();
        for tensor in file.tensors() {
            let data = bridge::to_data(tensor).unwrap();
            assert_eq!(data.bytes().len(), tensor.byte_len(), "{}", tensor.name);
            let expected: Vec<_> = match tensor.name.as_str() {
                "bool" => vec![1.0, 0.0, 1.0],
                _ => (0..6).map(f64::from).collect(),
            };
            assert_eq!(
                data.iter::<f64>().collect::<Vec<_>>(),
                expected,
                "{}",
                tensor.name
            );
        }
        let (read, left) = (file.tensors().len(), left(&file));
        assert_eq!((read, left.len()), (13, 10));
        assert_eq!(
            left[..3],
            [
                ("complex128", "complex128"),
                ("complex64", "C64"),
                ("float8_e4m3fn", "F8_E4M3")
            ]
        );
    }

    #[test]
    fn a_file_of_another_kind_is_not_called_damaged() {
        for name in ["script.pt", "plain.pkl", "nothing.pt", "only_left.pt"] {
            let error = TensorFile::open(torch(name)).unwrap_err();
            assert!(
                matches!(error, LoadError::Unsupported { .. }),
                "{name}: {error:?}"
            );
            assert!(error.to_string().contains(name), "{error}");
        }
    }
}
