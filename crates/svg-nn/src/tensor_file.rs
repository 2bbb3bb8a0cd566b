//! Weight files, opened without reading their tensors.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::store::{bridge, burn_pack::Bytes, pytorch::PytorchReader};
use svg_store::{OpenError, Safetensors};

use crate::dtype::from_stored;
use crate::parts::refuse_part;
use crate::shards::{compare, shards};
use crate::weight_folder::{Choice, weight_file, weight_file_in};
use crate::{LoadError, StoredTensor};

/// The format of a weight file, recognised by its first bytes and not by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Container {
    /// One safetensors file, memory-mapped.
    Safetensors,
    /// Several safetensors files and an index, as the Hugging Face hub stores large models.
    ShardedSafetensors,
    /// Several files of `torch.save` and an index, as transformers wrote large models before safetensors.
    ShardedPytorch,
    /// A file of `torch.save`: `.pth`, `.pt`, `.ckpt`.
    Pytorch,
}

/// The tensors of a weight file, sorted by name, whose bytes are read when they are asked for.
///
/// A mapped file must not be changed by another program while this is alive.
#[derive(Debug)]
pub struct TensorFile {
    path: PathBuf,
    container: Container,
    tensors: Vec<StoredTensor>,
    metadata: HashMap<String, String>,
    notes: Vec<String>,
}

impl TensorFile {
    /// Opens a safetensors file, a shard index, a PyTorch file, or a folder that holds one of them.
    ///
    /// Nested dictionaries of a PyTorch file are flattened, their keys joined by dots. Of a folder, the file
    /// that transformers would load is taken: `model.safetensors` before its shards, safetensors before
    /// `pytorch_model.bin`. A cache of the Hugging Face hub is a folder, too: of its snapshots, the one that
    /// `refs/main` names is taken.
    ///
    /// # Errors
    ///
    /// [`LoadError::Read`] if the system cannot read it, [`LoadError::Malformed`] if it is no weight
    /// file or damaged, [`LoadError::Ambiguous`] if it is not clear which file of a folder holds the weights,
    /// [`LoadError::MissingShards`] if an index names files that are not there,
    /// [`LoadError::Partitioned`] for the parts that DeepSpeed and torch's distributed checkpoints write.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, LoadError> {
        let Choice {
            path,
            other_index,
            mut notes,
        } = match path.as_ref() {
            folder if folder.is_dir() => weight_file_in(folder)?,
            file => weight_file(file)?,
        };
        let (container, (tensors, metadata)) = match is_json(&first_bytes(&path)?) {
            true => {
                let shards = shards(&path)?;
                notes.extend(shards.notes);
                (shards.container, shards.contents)
            }
            false => whole_file(&path)?,
        };
        notes.extend(other_index.map(|index| compare(&path, &tensors, &index)));
        Ok(Self {
            path,
            container,
            tensors,
            metadata,
            notes,
        })
    }

    /// What was chosen among several files, and why, for the user to know.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The file that was opened; inside the folder if a folder was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The format that was recognised.
    pub fn container(&self) -> Container {
        self.container
    }

    /// The tensors, sorted by name.
    pub fn tensors(&self) -> &[StoredTensor] {
        &self.tensors
    }

    /// The numbers of the tensor of that name, as f64.
    ///
    /// # Errors
    ///
    /// In words, that there is no such tensor or that it cannot be read.
    pub fn numbers(&self, name: &str) -> Result<Vec<f64>, String> {
        let tensor = self.tensors.iter().find(|tensor| tensor.name == name);
        let tensor = tensor.ok_or_else(|| format!("{name} is missing"))?;
        let data = bridge::to_data(tensor).map_err(|error| format!("{name}: {error}"))?;
        Ok(data.iter::<f64>().collect())
    }

    /// The tensors, by value.
    pub fn into_tensors(self) -> Vec<StoredTensor> {
        self.tensors
    }

    /// The free-text metadata of a safetensors header; empty for other formats.
    pub fn metadata(&self) -> &HashMap<String, String> {
        &self.metadata
    }
}

/// The tensors of a file, sorted by name, and its metadata.
pub(crate) type Contents = (Vec<StoredTensor>, HashMap<String, String>);

/// The first bytes, by which formats are told apart.
fn first_bytes(path: &Path) -> Result<Vec<u8>, LoadError> {
    let mut start = Vec::new();
    File::open(path)
        .and_then(|file| file.take(64).read_to_end(&mut start))
        .map_err(|source| read_error(path, source))?;
    Ok(start)
}

/// A safetensors file is a length, whose upper bytes are zero, and a JSON object.
fn is_safetensors(start: &[u8]) -> bool {
    matches!(start, [_, _, _, _, 0, 0, 0, 0, b'{', ..])
}

/// A JSON object, perhaps after a byte order mark and blanks.
fn is_json(start: &[u8]) -> bool {
    let text = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
    !is_safetensors(start) && text.trim_ascii_start().starts_with(b"{")
}

/// A file that holds tensors itself: what is no index.
pub(crate) fn whole_file(path: &Path) -> Result<(Container, Contents), LoadError> {
    refuse_part(path)?;
    let start = first_bytes(path)?;
    if is_safetensors(&start) {
        return Ok((Container::Safetensors, safetensors(path)?));
    }
    let instead = if start.starts_with(b"version https://git-lfs") {
        "it is a pointer of Git LFS and not the weights; fetch them with `git lfs pull`"
    } else if start.trim_ascii_start().starts_with(b"<") {
        "it is a web page and not the weights, as a download without a login leaves it"
    } else {
        return Ok((Container::Pytorch, pytorch(path)?));
    };
    Err(malformed(path, instead.to_string()))
}

fn safetensors(path: &Path) -> Result<Contents, LoadError> {
    let file = Safetensors::open(path).map_err(|error| match error {
        OpenError::System(source) => read_error(path, source),
        OpenError::Malformed(reason) => malformed(path, reason),
    })?;
    let file = Arc::new(file);
    let tensors = file.tensors().iter().map(|tensor| {
        let (name, dtype) = (&tensor.name, tensor.dtype);
        let known = from_stored(dtype)
            .ok_or_else(|| malformed(path, format!("{name} is of type {dtype:?}")))?;
        let (file, range) = (file.clone(), tensor.range.clone());
        Ok(StoredTensor::deferred(
            name.clone(),
            known,
            tensor.shape.clone(),
            None,
            range.len(),
            move || Ok(Bytes::from_bytes_vec(file.bytes()[range.clone()].to_vec())),
        ))
    });
    let tensors = tensors.collect::<Result<_, LoadError>>()?;
    Ok((tensors, file.metadata().clone()))
}

fn pytorch(path: &Path) -> Result<Contents, LoadError> {
    let reader = PytorchReader::new(path).map_err(|error| malformed(path, error.to_string()))?;
    let tensors = reader.into_tensors().into_values();
    let mut tensors: Vec<_> = tensors.map(bridge::from_pytorch).collect();
    if tensors.is_empty() {
        return Err(malformed(path, "it holds no tensor".to_string()));
    }
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    Ok((tensors, HashMap::new()))
}

pub(crate) fn read_error(path: &Path, source: std::io::Error) -> LoadError {
    LoadError::Read {
        path: path.to_path_buf(),
        source,
    }
}

pub(crate) fn malformed(path: &Path, reason: String) -> LoadError {
    LoadError::Malformed {
        path: path.to_path_buf(),
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::save_tensors;
    use burn::tensor::TensorData;

    fn tensor(name: &str) -> StoredTensor {
        bridge::from_data(TensorData::from([1.0f32, 2.0]), name.to_string(), None)
    }

    fn write(folder: &Path, name: &str, tensors: &[StoredTensor]) -> PathBuf {
        let path = folder.join(name);
        save_tensors(&path, tensors, HashMap::new()).unwrap();
        path
    }

    #[test]
    fn every_truncation_of_a_file_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = write(folder.path(), "w.safetensors", &[tensor("a"), tensor("b")]);
        let whole = std::fs::read(&path).unwrap();
        for len in 0..whole.len() {
            std::fs::write(&path, &whole[..len]).unwrap();
            assert!(
                TensorFile::open(&path).is_err(),
                "{len} bytes were accepted"
            );
        }
    }

    #[test]
    fn something_else_is_not_a_weight_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("photo.jpg");
        std::fs::write(&path, b"\xff\xd8\xff\xe0 not a pickle at all").unwrap();
        let error = TensorFile::open(&path).unwrap_err();
        assert!(error.to_string().contains("photo.jpg"), "{error}");
    }
}
