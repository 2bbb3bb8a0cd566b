//! Which file of a folder holds the weights.

use std::path::{Path, PathBuf};

use svg_store::{listed, printable, printable_path};

use crate::LoadError;
use crate::hub_cache::{link_to, snapshot};
use crate::parts::parts_in;
use crate::tensor_file::read_error;

/// The file that is read.
pub(crate) struct Choice {
    pub path: PathBuf,
    /// The index of shards beside a whole file, which has to be compared with it.
    pub other_index: Option<PathBuf>,
    /// Why this file.
    pub notes: Vec<String>,
}

/// The names that Hugging Face's libraries give to weights, in the order in which they look for them.
const USUAL: [&str; 8] = [
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
    "diffusion_pytorch_model.safetensors",
    "diffusion_pytorch_model.safetensors.index.json",
    "diffusion_pytorch_model.bin",
    "diffusion_pytorch_model.bin.index.json",
];

const ENDINGS: [&str; 6] = [".safetensors", ".bin", ".pth", ".pt", ".ckpt", ".pth.tar"];

/// What trainers write beside weights in files of the same kinds.
const STATES: [&str; 8] = [
    "optimizer",
    "scheduler",
    "scaler",
    "sampler",
    "training_args",
    "rng_state",
    "random_states",
    "dl_state_dict",
];

/// A file that is named, or the link to it in a hub cache if it is one of the blobs.
pub(crate) fn weight_file(file: &Path) -> Result<Choice, LoadError> {
    let link = link_to(file);
    let note = link.as_ref().map(|link| {
        format!(
            "a blob of a hub cache; what stands beside its link {} counts",
            printable_path(link)
        )
    });
    let path = link.unwrap_or_else(|| file.to_path_buf());
    if let (Some(reason), Ok(_)) = (absent(&path), path.read_link()) {
        return Err(read_error(&path, std::io::Error::other(reason)));
    }
    Ok(Choice {
        path,
        other_index: None,
        notes: note.into_iter().collect(),
    })
}

/// The file of the usual name; otherwise the only one that looks like weights.
pub(crate) fn weight_file_in(folder: &Path) -> Result<Choice, LoadError> {
    let mut notes = Vec::new();
    let folder = &snapshot(folder, &mut notes)?;
    let names = names_in(folder)?;
    let weights = names.iter().filter(|name| is_weights(name));
    let weights = weights.filter(|name| !folder.join(name).is_dir());
    let weights: Vec<_> = weights.cloned().collect();
    let usual = USUAL
        .iter()
        .find(|usual| weights.iter().any(|n| n == *usual));
    let chosen = match usual {
        Some(usual) => usual.to_string(),
        None => only(folder, &names, &weights)?,
    };
    let path = folder.join(&chosen);
    if let Some(reason) = absent(&path) {
        let found =
            format!("{reason}; download it again, or copy a hub cache with its folder blobs");
        return Err(ambiguous(folder, found));
    }
    let index = format!("{chosen}.index.json");
    let others = weights.iter().filter(|n| **n != chosen && **n != index);
    let others: Vec<_> = others.cloned().collect();
    if !others.is_empty() {
        notes.push(format!(
            "{chosen} is used; not read beside it: {}",
            listed(&others)
        ));
    }
    Ok(Choice {
        path,
        other_index: names.contains(&index).then(|| folder.join(index)),
        notes,
    })
}

/// The one that looks like weights.
fn only(folder: &Path, names: &[String], weights: &[String]) -> Result<String, LoadError> {
    if let Some(parts) = parts_in(folder) {
        return Err(parts);
    }
    match weights {
        [only] => Ok(only.clone()),
        [] => Err(nothing(folder, names)),
        several => {
            let (count, names) = (several.len(), listed(several));
            let found = format!("{count} weight files ({names}); name the weight file itself");
            Err(ambiguous(folder, found))
        }
    }
}

/// Why a folder without weights is none, and where to look.
fn nothing(folder: &Path, names: &[String]) -> LoadError {
    let folders = names.iter().filter(|name| folder.join(name).is_dir());
    let inside = |name: &&String| file_names(&folder.join(name)).iter().any(|n| is_weights(n));
    let folders: Vec<_> = folders.filter(inside).cloned().collect();
    let shards: Vec<_> = names.iter().filter(|n| is_shard(n)).cloned().collect();
    let found = if !shards.is_empty() {
        format!(
            "{} without the index that joins them; download the file that ends in .index.json, too",
            listed(&shards)
        )
    } else if let Some(parts) = folders_with_parts(folder, names) {
        return parts;
    } else if !folders.is_empty() {
        format!(
            "no weight file itself, but folders that do: {}; name one",
            listed(&folders)
        )
    } else {
        let there = match names {
            [] => "it is empty".to_string(),
            names => format!("there are: {}", listed(names)),
        };
        format!("no weight file ({}); {there}", ENDINGS.join(", "))
    };
    ambiguous(folder, found)
}

/// The error of the first folder inside that holds parts; weights before the states of optimisers.
fn folders_with_parts(folder: &Path, names: &[String]) -> Option<LoadError> {
    let mut names: Vec<_> = names.iter().collect();
    names.sort_by_key(|name| !name.contains("model"));
    let folders = names.into_iter().map(|name| folder.join(name));
    folders
        .filter(|path| path.is_dir())
        .find_map(|path| parts_in(&path))
}

/// Whether a name is that of weights: a file or an index, but no shard and no state of a trainer.
fn is_weights(name: &str) -> bool {
    let index = name.contains(".index.") && name.ends_with(".json");
    let state = STATES.iter().any(|state| name.starts_with(state));
    index || ENDINGS.iter().any(|ending| name.ends_with(ending)) && !is_shard(name) && !state
}

/// Whether a name has the `00001-of-00002` of a shard.
pub(crate) fn is_shard(name: &str) -> bool {
    let digits = |text: Option<&str>| {
        text.is_some_and(|text| text.len() == 5 && text.bytes().all(|b| b.is_ascii_digit()))
    };
    name.split_once("-of-").is_some_and(|(before, after)| {
        digits(before.get(before.len().saturating_sub(5)..)) && digits(after.get(..5))
    })
}

/// The name of what is not there, and where it points if it is a link.
pub(crate) fn absent(path: &Path) -> Option<String> {
    if path.exists() {
        return None;
    }
    let name = printable(&name_of(path)).into_owned();
    Some(match path.read_link() {
        Ok(to) => format!(
            "{name}, a link to {}, which is not there",
            printable_path(&to)
        ),
        Err(_) => name,
    })
}

/// The names in a folder, sorted; none if it cannot be read.
pub(crate) fn file_names(folder: &Path) -> Vec<String> {
    // The parent of a name alone is the empty path.
    let folder = match folder.as_os_str().is_empty() {
        true => Path::new("."),
        false => folder,
    };
    names_in(folder).unwrap_or_default()
}

fn names_in(folder: &Path) -> Result<Vec<String>, LoadError> {
    let entries = std::fs::read_dir(folder).map_err(|source| read_error(folder, source))?;
    let names = entries
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names: Vec<_> = names.collect();
    names.sort();
    Ok(names)
}

/// The last part of a path.
pub(crate) fn name_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    name.to_string_lossy().into_owned()
}

pub(crate) fn ambiguous(folder: &Path, found: String) -> LoadError {
    LoadError::Ambiguous {
        path: folder.to_path_buf(),
        found,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Container, StoredTensor, TensorFile, save_tensors};
    use burn::store::bridge;
    use burn::tensor::TensorData;

    /// A folder of files; those of weights hold one tensor that is called as the file.
    fn folder(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            let data = TensorData::from([1.0f32]);
            let tensors: [StoredTensor; 1] = [bridge::from_data(data, name.to_string(), None)];
            save_tensors(&path, &tensors, Default::default()).unwrap();
        }
        folder
    }

    #[track_caller]
    fn takes(names: &[&str], expected: &str) -> Vec<String> {
        let folder = folder(names);
        let file = TensorFile::open(folder.path()).unwrap();
        assert_eq!(file.tensors()[0].name, expected);
        file.notes().to_vec()
    }

    #[track_caller]
    fn fails(names: &[&str], reason: &str) {
        let folder = folder(names);
        let error = TensorFile::open(folder.path()).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }

    #[test]
    fn the_usual_names_come_first_and_the_rest_is_named() {
        let notes = takes(
            &[
                "model.safetensors",
                "pytorch_model.bin",
                "model.fp16.safetensors",
            ],
            "model.safetensors",
        );
        let expected = "model.safetensors is used; not read beside it: model.fp16.safetensors, pytorch_model.bin";
        assert_eq!(notes, [expected]);
        let notes = takes(
            &["pytorch_model.bin", "optimizer.bin", "training_args.bin"],
            "pytorch_model.bin",
        );
        assert!(notes.is_empty(), "{notes:?}");
    }

    #[test]
    fn the_only_file_of_weights_is_taken_whatever_its_name() {
        takes(&["model.fp16.safetensors"], "model.fp16.safetensors");
        takes(
            &["last.ckpt", "optimizer.pt", "rng_state_0.pth"],
            "last.ckpt",
        );
    }

    #[test]
    fn an_index_of_a_variant_joins_its_shards() {
        let folder = folder(&["model.fp16-00001-of-00001.safetensors"]);
        let index = r#"{"weight_map": {"model.fp16-00001-of-00001.safetensors": "model.fp16-00001-of-00001.safetensors"}}"#;
        let path = folder.path().join("model.safetensors.index.fp16.json");
        std::fs::write(path, index).unwrap();
        let file = TensorFile::open(folder.path()).unwrap();
        assert_eq!(file.container(), Container::ShardedSafetensors);
        assert_eq!((file.tensors().len(), file.notes().len()), (1, 0));
    }

    #[test]
    fn where_it_is_not_clear_the_names_are_said() {
        fails(
            &["a.pth", "b.pth"],
            "holds 2 weight files (a.pth, b.pth); name the weight file itself",
        );
        fails(&[], "no weight file");
        fails(
            &[
                "checkpoint-10/model.safetensors",
                "checkpoint-20/model.safetensors",
            ],
            "folders that do: checkpoint-10, checkpoint-20; name one",
        );
        fails(
            &["model-00001-of-00002.safetensors"],
            "model-00001-of-00002.safetensors without the index",
        );
        fails(&["flax_model.msgpack"], "there are: flax_model.msgpack");
    }

    #[test]
    fn names_of_shards() {
        assert!(is_shard("model-00001-of-00002.safetensors"));
        assert!(is_shard("model.fp16-00001-of-00002.safetensors"));
        assert!(is_shard("model-00001-of-00002.fp16.safetensors"));
        for name in [
            "best-of-5.pth",
            "-of-",
            "model-001-of-002.bin",
            "é-of-00001",
        ] {
            assert!(!is_shard(name), "{name}");
        }
    }
}
