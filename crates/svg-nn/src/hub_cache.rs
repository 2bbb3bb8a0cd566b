//! Caches of the Hugging Face hub: `models--ORG--NAME/snapshots/SHA`, whose files are links into `blobs`.

use std::path::{Path, PathBuf};

use svg_store::{listed, read_text};

use crate::LoadError;
use crate::weight_folder::{ambiguous, file_names, name_of};

/// The folder of files that a cache stands for; a folder that is none stands for itself.
///
/// The snapshot is the one that `refs/main` names, as the hub's own tools take it.
pub(crate) fn snapshot(folder: &Path, notes: &mut Vec<String>) -> Result<PathBuf, LoadError> {
    let models = models_in(folder);
    if let [first, rest @ ..] = models.as_slice() {
        if !rest.is_empty() {
            let (count, names) = (models.len(), listed(&models));
            let found = format!("the caches of {count} models ({names}); name one of them");
            return Err(ambiguous(folder, found));
        }
        return snapshot(&folder.join(first), notes);
    }
    let hub = folder.join("hub");
    if !models_in(&hub).is_empty() {
        return snapshot(&hub, notes);
    }
    let (snapshots, main) = (folder.join("snapshots"), folder.join("refs/main"));
    if !snapshots.is_dir() || is_other(folder) {
        return Ok(folder.to_path_buf());
    }
    let there = file_names(&snapshots);
    let named = read_text(&main).ok();
    let named = named.map(|name| name.trim().to_string());
    let (chosen, why) = match (named, there.as_slice()) {
        (Some(name), _) if there.contains(&name) => (name, "which its refs/main names"),
        (None, [only]) => (only.clone(), "the only one"),
        (named, _) => {
            let names = match named {
                Some(name) => format!("refs/main names {name}, which is not there"),
                None => "no refs/main that chooses one".to_string(),
            };
            let there = match there.as_slice() {
                [] => "no snapshots".to_string(),
                there => format!("the snapshots {}", listed(there)),
            };
            let found = format!("{there}, and {names}; download it again or name a snapshot");
            return Err(ambiguous(folder, found));
        }
    };
    notes.push(format!(
        "of the cache {}, snapshot {chosen} is used, {why}",
        name_of(folder)
    ));
    Ok(snapshots.join(chosen))
}

/// Folders named as caches of models.
fn models_in(folder: &Path) -> Vec<String> {
    let mut names = file_names(folder);
    names.retain(|name| name.starts_with("models--") && folder.join(name).is_dir());
    names
}

/// A folder of weights may have a folder of pictures that is called snapshots.
fn is_other(folder: &Path) -> bool {
    !name_of(folder).starts_with("models--") && !folder.join("refs").is_dir()
}

/// The link of a snapshot to a blob that is named itself; that of `refs/main` before others.
pub(crate) fn link_to(blob: &Path) -> Option<PathBuf> {
    let blob = std::path::absolute(blob).ok()?;
    let blobs = blob.parent()?;
    let cache = blobs.parent()?;
    if blobs.file_name()? != "blobs" {
        return None;
    }
    let snapshots = cache.join("snapshots");
    let main = read_text(&cache.join("refs/main")).unwrap_or_default();
    let mut names = file_names(&snapshots);
    names.sort_by_key(|name| name != main.trim());
    let blob = blob.canonicalize().ok()?;
    let links = names.into_iter().flat_map(|name| {
        let snapshot = snapshots.join(name);
        let files = file_names(&snapshot);
        files.into_iter().map(move |file| snapshot.join(file))
    });
    let points = |link: &PathBuf| link.canonicalize().is_ok_and(|to| to == blob);
    links.filter(|link| link.is_symlink()).find(points)
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use crate::{TensorFile, save_tensors};
    use burn::store::bridge;
    use burn::tensor::TensorData;
    use std::os::unix::fs::symlink;

    /// A cache of one model with a snapshot for each name, as the hub's client writes it.
    fn cache(root: &Path, model: &str, snapshots: &[&str], main: Option<&str>) -> PathBuf {
        let cache = root.join(model);
        std::fs::create_dir_all(cache.join("blobs")).unwrap();
        for name in snapshots {
            let data = TensorData::from([1.0f32]);
            let tensors = [bridge::from_data(data, name.to_string(), None)];
            save_tensors(
                &cache.join("blobs").join(name),
                &tensors,
                Default::default(),
            )
            .unwrap();
            let folder = cache.join("snapshots").join(name);
            std::fs::create_dir_all(&folder).unwrap();
            let to = Path::new("../../blobs").join(name);
            symlink(to, folder.join("model.safetensors")).unwrap();
        }
        if let Some(main) = main {
            std::fs::create_dir_all(cache.join("refs")).unwrap();
            std::fs::write(cache.join("refs/main"), main).unwrap();
        }
        cache
    }

    #[track_caller]
    fn takes(path: &Path, expected: &str, note: &str) {
        let file = TensorFile::open(path).unwrap();
        assert_eq!(file.tensors()[0].name, expected);
        assert!(file.path().is_symlink(), "{:?}", file.path());
        let notes = file.notes().join("\n");
        assert!(notes.contains(note), "{notes}");
    }

    #[track_caller]
    fn fails(path: &Path, reason: &str) {
        let error = TensorFile::open(path).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }

    #[test]
    fn of_several_snapshots_the_one_of_main_is_taken() {
        let root = tempfile::tempdir().unwrap();
        let cache = cache(root.path(), "models--a--b", &["1f", "2e"], Some("2e\n"));
        let note = "of the cache models--a--b, snapshot 2e is used, which its refs/main names";
        takes(&cache, "2e", note);
        // The folder of caches, and the folder of that, with one model.
        takes(root.path(), "2e", note);
        let above = tempfile::tempdir().unwrap();
        symlink(root.path(), above.path().join("hub")).unwrap();
        takes(above.path(), "2e", note);
        takes(&cache.join("snapshots/1f"), "1f", "");
    }

    #[test]
    fn without_main_there_must_be_one_snapshot() {
        let root = tempfile::tempdir().unwrap();
        let one = cache(root.path(), "models--a--one", &["1f"], None);
        takes(&one, "1f", "the only one");
        let two = cache(root.path(), "models--a--two", &["1f", "2e"], None);
        fails(&two, "the snapshots 1f, 2e, and no refs/main");
        let gone = cache(root.path(), "models--a--gone", &["1f"], Some("3d"));
        fails(&gone, "refs/main names 3d, which is not there");
        fails(root.path(), "the caches of 3 models (models--a--gone");
    }

    #[test]
    fn a_blob_counts_as_its_link() {
        let root = tempfile::tempdir().unwrap();
        let cache = cache(root.path(), "models--a--b", &["1f", "2e"], Some("2e"));
        takes(
            &cache.join("blobs/1f"),
            "1f",
            "snapshots/1f/model.safetensors",
        );
    }

    #[test]
    fn a_link_to_nothing_is_said() {
        let root = tempfile::tempdir().unwrap();
        let cache = cache(root.path(), "models--a--b", &["1f"], Some("1f"));
        std::fs::remove_file(cache.join("blobs/1f")).unwrap();
        fails(&cache, "a link to ../../blobs/1f, which is not there");
        let link = cache.join("snapshots/1f/model.safetensors");
        fails(&link, "a link to ../../blobs/1f, which is not there");
    }
}
