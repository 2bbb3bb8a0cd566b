//! Weight files, opened without reading their tensors.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::store::{bridge, burn_pack::Bytes, pytorch::PytorchReader};
use svg_store::{OpenError, Safetensors};

use crate::dtype::from_stored;
use crate::{LoadError, StoredTensor};

/// The format of a weight file, recognised by its first bytes and not by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Container {
    /// One safetensors file, memory-mapped.
    Safetensors,
    /// Several safetensors files and an index, as the Hugging Face hub stores large models.
    ShardedSafetensors,
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
}

impl TensorFile {
    /// Opens a safetensors file, a shard index, a PyTorch file, or a folder that holds one of them.
    ///
    /// Nested dictionaries of a PyTorch file are flattened, their keys joined by dots.
    ///
    /// # Errors
    ///
    /// [`LoadError::Read`] if the system cannot read it, [`LoadError::Malformed`] if it is no weight
    /// file or damaged, [`LoadError::Ambiguous`] if a folder does not hold exactly one.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, LoadError> {
        let path = match path.as_ref() {
            folder if folder.is_dir() => &weight_file_in(folder)?,
            file => file,
        };
        let mut start = Vec::new();
        File::open(path)
            .and_then(|file| file.take(16).read_to_end(&mut start))
            .map_err(|source| read_error(path, source))?;
        let (container, (tensors, metadata)) = match start.as_slice() {
            [b'{', ..] => (Container::ShardedSafetensors, shards(path)?),
            // A safetensors file is a length, whose upper bytes are zero, and a JSON object.
            [_, _, _, _, 0, 0, 0, 0, b'{', ..] => (Container::Safetensors, safetensors(path)?),
            _ => (Container::Pytorch, pytorch(path)?),
        };
        Ok(Self {
            path: path.to_path_buf(),
            container,
            tensors,
            metadata,
        })
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
type Contents = (Vec<StoredTensor>, HashMap<String, String>);

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

fn shards(path: &Path) -> Result<Contents, LoadError> {
    #[derive(serde::Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }
    let text = std::fs::read(path).map_err(|source| read_error(path, source))?;
    let index: Index = serde_json::from_slice(&text)
        .map_err(|error| malformed(path, format!("as a shard index: {error}")))?;
    let names: BTreeSet<_> = index.weight_map.values().collect();
    let shards = names.into_iter().map(|shard| {
        if Path::new(shard).file_name() != Some(shard.as_ref()) {
            let reason = format!("shard {shard:?} lies outside its folder");
            return Err(malformed(path, reason));
        }
        let (tensors, _) = safetensors(&path.with_file_name(shard))?;
        let by_name = tensors.into_iter().map(|t| (t.name.clone(), t));
        Ok((shard, by_name.collect::<BTreeMap<_, _>>()))
    });
    let mut shards = shards.collect::<Result<BTreeMap<_, _>, _>>()?;
    let tensors = index.weight_map.iter().map(|(name, shard)| {
        let tensor = shards.get_mut(shard).and_then(|shard| shard.remove(name));
        tensor.ok_or_else(|| malformed(path, format!("{name} is not in its shard {shard}")))
    });
    Ok((tensors.collect::<Result<_, _>>()?, HashMap::new()))
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

fn read_error(path: &Path, source: std::io::Error) -> LoadError {
    LoadError::Read {
        path: path.to_path_buf(),
        source,
    }
}

fn malformed(path: &Path, reason: String) -> LoadError {
    LoadError::Malformed {
        path: path.to_path_buf(),
        reason,
    }
}

/// The hub's names first; otherwise the only file that looks like weights.
fn weight_file_in(folder: &Path) -> Result<PathBuf, LoadError> {
    let usual = ["model.safetensors.index.json", "model.safetensors"];
    let mut usual = usual.map(|name| folder.join(name)).into_iter();
    if let Some(file) = usual.find(|file| file.is_file()) {
        return Ok(file);
    }
    let entries = std::fs::read_dir(folder).map_err(|source| read_error(folder, source))?;
    let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|path| {
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or("");
        ["safetensors", "pth", "pt", "ckpt"].contains(&extension)
    });
    match (files.pop(), files.len()) {
        (Some(only), 0) => Ok(only),
        (found, rest) => Err(LoadError::Ambiguous {
            path: folder.to_path_buf(),
            found: match found {
                None => "no weight file (.safetensors, .pth, .pt, .ckpt)".to_string(),
                Some(_) => format!("{} weight files", rest + 1),
            },
        }),
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

    fn names(file: &TensorFile) -> Vec<&str> {
        file.tensors().iter().map(|t| t.name.as_str()).collect()
    }

    #[test]
    fn a_folder_of_shards_opens_as_one_file() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "one.safetensors", &[tensor("a")]);
        write(folder.path(), "two.safetensors", &[tensor("b")]);
        let index = r#"{"weight_map": {"b": "two.safetensors", "a": "one.safetensors"}}"#;
        std::fs::write(folder.path().join("model.safetensors.index.json"), index).unwrap();
        let file = TensorFile::open(folder.path()).unwrap();
        assert_eq!(file.container(), Container::ShardedSafetensors);
        assert_eq!(names(&file), ["a", "b"]);
    }

    #[test]
    fn a_shard_outside_its_folder_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let index = folder.path().join("model.safetensors.index.json");
        std::fs::write(&index, r#"{"weight_map": {"a": "../secret.safetensors"}}"#).unwrap();
        let error = TensorFile::open(&index).unwrap_err();
        assert!(error.to_string().contains("outside its folder"), "{error}");
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
    fn a_folder_without_weights_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let error = TensorFile::open(folder.path()).unwrap_err();
        assert!(error.to_string().contains("no weight file"), "{error}");
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
