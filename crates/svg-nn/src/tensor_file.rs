//! Weight files, opened without reading their tensors.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use burn::store::bridge;
use svg_store::LeftTensor;

use crate::file_contents::Contents;
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
    left: Vec<LeftTensor>,
    metadata: HashMap<String, String>,
}

impl TensorFile {
    /// Opens a safetensors file, a shard index, a PyTorch file, or a folder that holds one of them.
    ///
    /// Nested dictionaries of a PyTorch file are flattened, their keys joined by dots ([`svg_store::TorchFile`]). Tensors of
    /// types that are not known are [`left`](Self::left).
    ///
    /// # Errors
    ///
    /// [`LoadError::Read`] if the system cannot read it, [`LoadError::Malformed`] if it is damaged or no weight
    /// file, [`LoadError::Unsupported`] if it is one of another kind or holds no tensor of a known type,
    /// [`LoadError::Ambiguous`] if a folder does not hold exactly one.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, LoadError> {
        let path = match path.as_ref() {
            folder if folder.is_dir() => &weight_file_in(folder)?,
            file => file,
        };
        let mut start = Vec::new();
        File::open(path)
            .and_then(|file| file.take(16).read_to_end(&mut start))
            .map_err(|source| read_error(path, source))?;
        let (container, contents) = match start.as_slice() {
            [b'{', ..] => (Container::ShardedSafetensors, shards(path)?),
            // A safetensors file is a length, whose upper bytes are zero, and a JSON object.
            [_, _, _, _, 0, 0, 0, 0, b'{', ..] => {
                (Container::Safetensors, Contents::of_safetensors(path)?)
            }
            _ => (Container::Pytorch, Contents::of_pytorch(path)?),
        };
        let contents = contents.unless_empty(path)?;
        Ok(Self {
            path: path.to_path_buf(),
            container,
            tensors: contents.tensors,
            left: contents.left,
            metadata: contents.metadata,
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

    /// The tensors whose types are not known, sorted by name.
    pub fn left(&self) -> &[LeftTensor] {
        &self.left
    }

    /// The numbers of the tensor of that name, as f64.
    ///
    /// # Errors
    ///
    /// In words, that there is no such tensor or that it cannot be read.
    pub fn numbers(&self, name: &str) -> Result<Vec<f64>, String> {
        let tensor = self.tensors.iter().find(|tensor| tensor.name == name);
        let left = self.left.iter().find(|left| left.name == name);
        let tensor = tensor.ok_or_else(|| match left {
            Some(left) => format!("{name} is not read, because it is {}", left.kind),
            None => format!("{name} is missing"),
        })?;
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
        let contents = Contents::of_safetensors(&path.with_file_name(shard))?;
        let left = contents.left.into_iter();
        let left = left.map(|left| (left.name.clone(), Err(left)));
        let tensors = contents.tensors.into_iter();
        let tensors = tensors.map(|tensor| (tensor.name.clone(), Ok(tensor)));
        Ok((shard, tensors.chain(left).collect::<BTreeMap<_, _>>()))
    });
    let mut shards = shards.collect::<Result<BTreeMap<_, _>, _>>()?;
    let mut contents = Contents::default();
    for (name, shard) in &index.weight_map {
        let tensor = shards.get_mut(shard).and_then(|shard| shard.remove(name));
        match tensor {
            Some(Ok(tensor)) => contents.tensors.push(tensor),
            Some(Err(left)) => contents.left.push(left),
            None => {
                let reason = format!("{name} is not in its shard {shard}");
                return Err(malformed(path, reason));
            }
        }
    }
    Ok(contents)
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
