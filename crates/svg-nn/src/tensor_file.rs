//! Weight files, opened without reading their tensors.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use burn::store::bridge;
use svg_store::{LeftTensor, Safetensors, open_file};

use crate::file_contents::Contents;
use crate::parts::refuse_part;
use crate::shards::{compare, shard_files, shards};
use crate::weight_folder::{Choice, weight_file, weight_file_in};
use crate::{LoadError, Network, Networks, StoredTensor};

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
    left: Vec<LeftTensor>,
    metadata: HashMap<String, String>,
    notes: Vec<String>,
}

impl TensorFile {
    /// Opens a safetensors file, a shard index, a PyTorch file, or a folder that holds one of them.
    ///
    /// Nested dictionaries of a PyTorch file are flattened, their keys joined by dots ([`svg_store::TorchFile`]).
    /// Tensors of types that are not known are [`left`](Self::left). Of a folder, the file that transformers
    /// would load is taken: `model.safetensors` before its shards, safetensors before `pytorch_model.bin`. A
    /// cache of the Hugging Face hub is a folder, too: of its snapshots, the one that `refs/main` names is taken.
    ///
    /// # Errors
    ///
    /// [`LoadError::Read`] if the system cannot read it, [`LoadError::Malformed`] if it is damaged or no weight
    /// file, [`LoadError::Unsupported`] if it is one of another kind or holds no tensor of a known type,
    /// [`LoadError::Ambiguous`] if it is not clear which file of a folder holds the weights,
    /// [`LoadError::MissingShards`] if an index names files that are not there,
    /// [`LoadError::Partitioned`] for the parts that DeepSpeed and torch's distributed checkpoints write.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, LoadError> {
        let Choice {
            path,
            other_index,
            mut notes,
        } = choice(path.as_ref())?;
        let (container, contents) = match is_json(&first_bytes(&path)?) {
            true => {
                let shards = shards(&path)?;
                notes.extend(shards.notes);
                (shards.container, shards.contents)
            }
            false => whole_file(&path)?,
        };
        let contents = contents.unless_empty(&path)?;
        notes.extend(other_index.map(|index| compare(&path, &contents.tensors, &index)));
        notes.extend(contents.left_note());
        Ok(Self {
            path,
            container,
            tensors: contents.tensors,
            left: contents.left,
            metadata: contents.metadata,
            notes,
        })
    }

    /// A safetensors file that is open already, whatever has become of its path.
    ///
    /// # Errors
    ///
    /// [`LoadError::Read`], [`LoadError::Malformed`] and [`LoadError::Unsupported`] as of [`open`](Self::open).
    pub fn of_safetensors(path: &Path, file: &File) -> Result<Self, LoadError> {
        let contents = Contents::of_safetensors(path, Safetensors::of_file(file))?;
        let contents = contents.unless_empty(path)?;
        Ok(Self {
            path: path.to_path_buf(),
            container: Container::Safetensors,
            notes: contents.left_note().into_iter().collect(),
            tensors: contents.tensors,
            left: contents.left,
            metadata: contents.metadata,
        })
    }

    /// The files that [`open`](Self::open) reads of a path: the weights, with all shards, and the documents beside
    /// them that say what they are (`config.json`, `preprocessor_config.json`). If nothing can be chosen, the path
    /// itself.
    pub fn files(path: impl AsRef<Path>) -> Vec<PathBuf> {
        let path = path.as_ref();
        let Ok(choice) = choice(path) else {
            return vec![path.to_path_buf()];
        };
        let mut files = match first_bytes(&choice.path).is_ok_and(|start| is_json(&start)) {
            true => shard_files(&choice.path),
            false => vec![],
        };
        files.extend(DOCUMENTS.map(|name| choice.path.with_file_name(name)));
        files.extend(choice.other_index);
        files.retain(|file| file.exists());
        files.push(choice.path);
        files
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

    /// The network of one kind in it; see [`Networks`]. Its notes begin with those of the file.
    ///
    /// # Errors
    ///
    /// [`LoadError::Choice`] as for [`Networks::choose`].
    pub fn into_network(self, landmarks: &[&str], key: Option<&str>) -> Result<Network, LoadError> {
        let network = Networks::of(self.tensors, landmarks).choose(key);
        let mut network = network.map_err(|reason| LoadError::Choice {
            path: self.path,
            reason,
        })?;
        network.notes.splice(0..0, self.notes);
        Ok(network)
    }

    /// The free-text metadata of a safetensors header; empty for other formats.
    pub fn metadata(&self) -> &HashMap<String, String> {
        &self.metadata
    }
}

/// The documents of Hugging Face's libraries and of timm beside weights.
const DOCUMENTS: [&str; 2] = ["config.json", "preprocessor_config.json"];

/// The file that is meant by a path.
fn choice(path: &Path) -> Result<Choice, LoadError> {
    match path.is_dir() {
        true => weight_file_in(path),
        false => weight_file(path),
    }
}

/// The first bytes, by which formats are told apart.
fn first_bytes(path: &Path) -> Result<Vec<u8>, LoadError> {
    let mut start = Vec::new();
    open_file(path)
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
    match is_safetensors(&first_bytes(path)?) {
        true => {
            let contents = Contents::of_safetensors(path, Safetensors::open(path))?;
            Ok((Container::Safetensors, contents))
        }
        false => Ok((Container::Pytorch, Contents::of_pytorch(path)?)),
    }
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
    use crate::weight_folder::name_of;
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
    fn an_open_file_is_read_after_another_has_taken_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = write(folder.path(), "w.safetensors", &[tensor("a")]);
        let file = File::open(&path).unwrap();
        write(folder.path(), "w.safetensors", &[tensor("b")]);
        let open = TensorFile::of_safetensors(&path, &file).unwrap();
        assert_eq!(open.tensors()[0].name, "a");
        assert_eq!(open.numbers("a").unwrap(), [1.0, 2.0]);
        assert_eq!(TensorFile::open(&path).unwrap().tensors()[0].name, "b");
    }

    #[test]
    fn the_files_of_weights_are_those_that_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let names = |path: &Path| {
            let mut names: Vec<_> = TensorFile::files(path).iter().map(|p| name_of(p)).collect();
            names.sort();
            names
        };
        let (one, two) = (
            "model-00001-of-00002.safetensors",
            "model-00002-of-00002.safetensors",
        );
        write(folder.path(), one, &[tensor("a")]);
        write(folder.path(), two, &[tensor("b")]);
        let index = "model.safetensors.index.json";
        let map = format!(r#"{{"weight_map": {{"a": "{one}", "b": "{two}"}}}}"#);
        std::fs::write(path(index), map).unwrap();
        std::fs::write(path("config.json"), "{}").unwrap();
        std::fs::write(path("notes.txt"), "").unwrap();
        for path in [folder.path().to_path_buf(), path(index)] {
            assert_eq!(names(&path), ["config.json", one, two, index]);
        }
        assert_eq!(names(&path("none/w.pth")), ["w.pth"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_device_is_no_weight_file() {
        let error = TensorFile::open("/dev/zero").unwrap_err().to_string();
        assert!(error.contains("it is a device"), "{error}");
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
