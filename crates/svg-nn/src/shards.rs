//! A model in several files, joined by an index.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use svg_store::{listed, read_file};

use crate::file_contents::Contents;
use crate::tensor_file::{malformed, read_error, whole_file};
use crate::weight_folder::{absent, file_names, is_shard, name_of};
use crate::{Container, LoadError, StoredTensor};

/// Up to how many bytes of a tensor two files are compared. Norms and biases are smaller, and no two states of
/// a training have the same.
const COMPARED: usize = 1 << 20;

/// The tensors of several files.
pub(crate) struct Shards {
    pub container: Container,
    pub contents: Contents,
    /// In what the index and its files differ.
    pub notes: Vec<String>,
}

/// Which file each tensor is in: the `*.index.json` of Hugging Face's libraries.
#[derive(serde::Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

impl Index {
    fn read(path: &Path) -> Result<Self, LoadError> {
        let text = read_file(path).map_err(|source| read_error(path, source))?;
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&text);
        let wrong = |error| malformed(path, format!("as a shard index: {error}"));
        let value: serde_json::Value = serde_json::from_slice(text).map_err(wrong)?;
        if value.get("weight_map").is_none() {
            let reason = "it is JSON without the weight_map of a shard index; name the weight file beside \
                          it or the folder";
            return Err(malformed(path, reason.to_string()));
        }
        serde_json::from_value(value).map_err(wrong)
    }

    /// The names of its files, all of which lie in its folder and are there.
    fn files(&self, path: &Path) -> Result<BTreeSet<&str>, LoadError> {
        let files: BTreeSet<_> = self.weight_map.values().map(String::as_str).collect();
        let outside = |file: &&&str| Path::new(file).file_name() != Some(file.as_ref());
        if let Some(shard) = files.iter().find(outside) {
            let reason = format!("shard {shard:?} lies outside its folder");
            return Err(malformed(path, reason));
        }
        let missing = files.iter().map(|file| absent(&path.with_file_name(file)));
        let missing: Vec<_> = missing.flatten().collect();
        match missing.is_empty() {
            true => Ok(files),
            false => Err(LoadError::MissingShards {
                index: path.to_path_buf(),
                of: files.len(),
                missing,
            }),
        }
    }
}

/// The files that an index names; none if it cannot be read.
pub(crate) fn shard_files(path: &Path) -> Vec<PathBuf> {
    let names = |index: Index| index.weight_map.into_values().collect::<BTreeSet<_>>();
    let names = Index::read(path).map(names).unwrap_or_default();
    let files = names.into_iter().map(|name| path.with_file_name(name));
    files.collect()
}

/// Reads the files that an index names. As in transformers, tensors that are in the files and not in the index
/// count, too.
pub(crate) fn shards(path: &Path) -> Result<Shards, LoadError> {
    let index = Index::read(path)?;
    let files = index.files(path)?;
    let mut container = Container::ShardedSafetensors;
    let (mut shards, mut left) = (BTreeMap::new(), Vec::new());
    for file in &files {
        let (kind, contents) = whole_file(&path.with_file_name(file))?;
        if kind == Container::Pytorch {
            container = Container::ShardedPytorch;
        }
        left.extend(contents.left);
        let by_name = contents.tensors.into_iter().map(|t| (t.name.clone(), t));
        shards.insert(*file, by_name.collect::<BTreeMap<_, _>>());
    }
    let (mut tensors, mut lacking) = (BTreeMap::new(), Vec::new());
    for (name, file) in &index.weight_map {
        match shards
            .get_mut(file.as_str())
            .and_then(|shard| shard.remove(name))
        {
            Some(tensor) => {
                tensors.insert(name.clone(), tensor);
            }
            None if left.iter().any(|left| left.name == *name) => {}
            None => lacking.push(format!("{name} is not in its shard {file}")),
        }
    }
    if let Some(first) = lacking.first() {
        let reason = format!(
            "{first}, nor are {} other tensors in theirs: the index and its shards are of different saves",
            lacking.len() - 1
        );
        return Err(malformed(path, reason));
    }
    let (mut unnamed, mut twice) = (Vec::new(), Vec::new());
    for (name, tensor) in shards.into_values().flatten() {
        match tensors.entry(name) {
            Entry::Vacant(place) => {
                unnamed.push(place.key().clone());
                place.insert(tensor);
            }
            Entry::Occupied(place) => twice.push(place.key().clone()),
        }
    }
    let stale = stale(path, &files);
    let notes = [
        (
            unnamed,
            "in its shards and not in the index; read all the same",
        ),
        (twice, "in a second shard, too; the index decides"),
        (stale, "beside it and not named by it; not read"),
    ];
    let notes = notes.into_iter().filter(|(names, _)| !names.is_empty());
    let notes = notes.map(|(names, what)| format!("{}: {} {what}", name_of(path), listed(&names)));
    Ok(Shards {
        container,
        notes: notes.collect(),
        contents: Contents {
            tensors: tensors.into_values().collect(),
            left,
            ..Contents::default()
        },
    })
}

/// Files that are named like shards of the same model, which another save has left.
fn stale(index: &Path, files: &BTreeSet<&str>) -> Vec<String> {
    let stem = |name: &str| name.split('-').next().map(str::to_string);
    let stems: BTreeSet<_> = files.iter().map(|file| stem(file)).collect();
    let beside = index.parent().map(file_names).unwrap_or_default();
    let stale = beside.into_iter().filter(|name| {
        is_shard(name) && !files.contains(name.as_str()) && stems.contains(&stem(name))
    });
    stale.collect()
}

/// Whether the shards of an index hold what the whole file beside it holds, in words.
pub(crate) fn compare(whole: &Path, tensors: &[StoredTensor], index: &Path) -> String {
    let said = match shards(index) {
        Err(LoadError::MissingShards { of, missing, .. }) => format!(
            "names {of} files, of which {} are not there: left by an earlier save",
            missing.len()
        ),
        Err(error) => format!("is of no use ({error})"),
        Ok(shards) => match difference(tensors, &shards.contents.tensors) {
            None => "names shards with the same weights".to_string(),
            Some(difference) => {
                format!("names shards with other weights ({difference}); name it to use those")
            }
        },
    };
    let (whole, index) = (name_of(whole), name_of(index));
    format!("{whole} is used, as by transformers; {index} beside it {said}")
}

/// The first difference between two lists of tensors that are sorted by name.
fn difference(whole: &[StoredTensor], shards: &[StoredTensor]) -> Option<String> {
    let names = |tensors: &[StoredTensor]| -> BTreeSet<String> {
        tensors.iter().map(|tensor| tensor.name.clone()).collect()
    };
    let (ours, theirs) = (names(whole), names(shards));
    if let Some(name) = ours.symmetric_difference(&theirs).next() {
        return Some(format!("{name} is in one of them only"));
    }
    whole.iter().zip(shards).find_map(|(a, b)| {
        let name = &a.name;
        if a.shape != b.shape || a.dtype != b.dtype {
            let kind = |t: &StoredTensor| format!("{:?} {:?}", t.dtype, t.shape.to_vec());
            return Some(format!("{name} is {} and {}", kind(a), kind(b)));
        }
        let numbers = |tensor: &StoredTensor| tensor.to_bytes().map(|bytes| bytes.to_vec()).ok();
        let differ = a.byte_len() <= COMPARED && numbers(a) != numbers(b);
        differ.then(|| format!("{name} has other numbers"))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::{TensorFile, save_tensors};
    use burn::store::bridge;
    use burn::tensor::TensorData;

    const INDEX: &str = "model.safetensors.index.json";
    const ONE: &str = "model-00001-of-00002.safetensors";
    const TWO: &str = "model-00002-of-00002.safetensors";

    fn tensor(name: &str, value: f32) -> StoredTensor {
        bridge::from_data(TensorData::from([value, 2.0]), name.to_string(), None)
    }

    fn write(folder: &Path, name: &str, tensors: &[StoredTensor]) {
        save_tensors(&folder.join(name), tensors, HashMap::new()).unwrap();
    }

    /// `a` in one shard and `b` in the other, with their index.
    fn sharded() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), ONE, &[tensor("a", 1.0)]);
        write(folder.path(), TWO, &[tensor("b", 1.0)]);
        let index = format!(r#"{{"weight_map": {{"b": "{TWO}", "a": "{ONE}"}}}}"#);
        std::fs::write(folder.path().join(INDEX), index).unwrap();
        folder
    }

    fn names(file: &TensorFile) -> Vec<&str> {
        file.tensors().iter().map(|t| t.name.as_str()).collect()
    }

    fn notes(folder: &Path) -> String {
        TensorFile::open(folder).unwrap().notes().join("\n")
    }

    #[track_caller]
    fn fails(path: &Path, reason: &str) {
        let error = TensorFile::open(path).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }

    #[test]
    fn a_folder_of_shards_opens_as_one_file() {
        let folder = sharded();
        let file = TensorFile::open(folder.path()).unwrap();
        assert_eq!(file.container(), Container::ShardedSafetensors);
        assert_eq!(names(&file), ["a", "b"]);
        assert_eq!(file.notes().len(), 0);
    }

    #[test]
    fn an_index_with_a_byte_order_mark_is_one() {
        let folder = sharded();
        let index = folder.path().join(INDEX);
        let text = std::fs::read(&index).unwrap();
        std::fs::write(&index, [b"\xef\xbb\xbf \n", text.as_slice()].concat()).unwrap();
        assert_eq!(names(&TensorFile::open(index).unwrap()), ["a", "b"]);
    }

    #[test]
    fn a_shard_outside_its_folder_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let index = folder.path().join(INDEX);
        std::fs::write(&index, r#"{"weight_map": {"a": "../secret.safetensors"}}"#).unwrap();
        fails(&index, "outside its folder");
    }

    #[test]
    fn every_missing_shard_is_named() {
        let folder = sharded();
        std::fs::remove_file(folder.path().join(TWO)).unwrap();
        fails(
            folder.path(),
            &format!("names 2 files, of which 1 are not there: {TWO}"),
        );
    }

    #[test]
    fn an_index_of_another_save_is_an_error() {
        let folder = sharded();
        write(folder.path(), TWO, &[tensor("c", 1.0)]);
        fails(
            folder.path(),
            &format!("b is not in its shard {TWO}, nor are 0 other"),
        );
    }

    #[test]
    fn what_the_index_does_not_name_is_read_or_said() {
        let folder = sharded();
        write(folder.path(), TWO, &[tensor("b", 1.0), tensor("c", 1.0)]);
        write(folder.path(), "model-00003-of-00003.safetensors", &[]);
        let file = TensorFile::open(folder.path()).unwrap();
        assert_eq!(names(&file), ["a", "b", "c"]);
        let notes = file.notes().join("\n");
        assert!(
            notes.contains(": c in its shards and not in the index"),
            "{notes}"
        );
        assert!(
            notes.contains("model-00003-of-00003.safetensors beside it"),
            "{notes}"
        );
    }

    #[test]
    fn a_config_is_no_index() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        std::fs::write(&path, r#"{"hidden_size": 384}"#).unwrap();
        fails(&path, "without the weight_map");
    }

    #[test]
    fn a_whole_file_comes_before_the_shards_beside_it_and_both_are_compared() {
        let folder = sharded();
        let whole = |a: f32| {
            write(
                folder.path(),
                "model.safetensors",
                &[tensor("a", a), tensor("b", 1.0)],
            );
        };
        whole(1.0);
        let file = TensorFile::open(folder.path()).unwrap();
        assert_eq!(file.container(), Container::Safetensors);
        let said =
            "model.safetensors is used, as by transformers; model.safetensors.index.json beside it";
        assert_eq!(
            notes(folder.path()),
            format!("{said} names shards with the same weights")
        );
        whole(7.0);
        let differs = "names shards with other weights (a has other numbers); name it to use those";
        assert_eq!(notes(folder.path()), format!("{said} {differs}"));
        write(folder.path(), "model.safetensors", &[tensor("a", 1.0)]);
        assert!(notes(folder.path()).contains("b is in one of them only"));
        std::fs::remove_file(folder.path().join(ONE)).unwrap();
        let left = "names 2 files, of which 1 are not there: left by an earlier save";
        assert_eq!(notes(folder.path()), format!("{said} {left}"));
    }
}
