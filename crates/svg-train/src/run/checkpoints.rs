//! Checkpoints, written atomically.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use svg_store::{
    NewFolder, plain_json, read_text, remove_folder, remove_unfinished, rename, sealed_json,
    sha256_file, unsealed_json,
};

use crate::TrainError;

/// The page that every checkpoint has.
const PAGE: &str = "checkpoint.json";

/// The checkpoints of a run: one folder for each, `step-00000500`, the newest few of them.
///
/// A checkpoint is written under another name, its files are synchronised, and then it is renamed, so that
/// the newest one is complete at any moment. Its page lists every file with its SHA-256 and holds a hash of itself.
/// A checkpoint that does not match its page is skipped for the one before it.
#[derive(Clone, Debug)]
pub struct Checkpoints {
    folder: PathBuf,
    kept: usize,
}

/// A checkpoint that was found whole.
#[derive(Debug)]
pub struct CheckpointFound<S> {
    /// Its folder.
    pub folder: PathBuf,
    /// What its page says of the run.
    pub state: S,
    /// Newer ones that were passed over, with the reason.
    pub passed_over: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Page<S> {
    state: S,
    files: BTreeMap<String, String>,
}

impl Checkpoints {
    /// Those of a folder, which is made if it does not exist. What an interrupted process left half
    /// written is removed.
    ///
    /// # Errors
    ///
    /// [`TrainError::System`] if the folder cannot be made or read.
    pub fn open(folder: &Path, kept: usize) -> Result<Self, TrainError> {
        fs::create_dir_all(folder).map_err(TrainError::system(folder))?;
        remove_unfinished(folder).map_err(TrainError::system(folder))?;
        Ok(Self {
            folder: folder.to_path_buf(),
            kept,
        })
    }

    /// Writes the checkpoint of a step: `fill` puts its files into the folder that it is given.
    ///
    /// The same step is written once; a checkpoint that is there stays. Old ones are deleted when the new
    /// one is whole.
    ///
    /// # Errors
    ///
    /// [`TrainError::Checkpoint`] if a file cannot be written; nothing is left of it then, and the
    /// checkpoints before it are untouched. [`TrainError::Gone`] if the folder was removed.
    pub fn write<S: Serialize>(
        &self,
        step: u64,
        state: &S,
        fill: impl FnOnce(&Path) -> Result<(), TrainError>,
    ) -> Result<PathBuf, TrainError> {
        let folder = self.of(step);
        if folder.exists() {
            return Ok(folder);
        }
        // A new folder would be of a run whose other files are gone.
        if !self.folder.is_dir() {
            return Err(TrainError::Gone(self.folder.clone()));
        }
        let steps = self.steps()?.into_iter().map(|(step, _)| step);
        let before = steps.filter(|earlier| *earlier < step).max();
        let failed = |reason: String| TrainError::Checkpoint {
            step,
            path: self.folder.clone(),
            reason,
            before,
        };
        let system = |error: io::Error| failed(error.to_string());
        let new = NewFolder::beside(&folder).map_err(system)?;
        fill(new.path()).map_err(|error| failed(error.of_a_file()))?;
        let files = hashes(new.path()).map_err(system)?;
        let page = sealed_json(&Page { state, files }).map_err(|error| system(error.into()))?;
        fs::write(new.path().join(PAGE), page).map_err(system)?;
        new.commit().map_err(system)?;
        self.prune(step);
        Ok(folder)
    }

    /// Whether there is one of a step, whole or not.
    pub fn has(&self, step: u64) -> bool {
        self.of(step).exists()
    }

    fn of(&self, step: u64) -> PathBuf {
        self.folder.join(format!("step-{step:08}"))
    }

    /// The newest checkpoint that is whole; `None` if there is none.
    ///
    /// # Errors
    ///
    /// [`TrainError::System`] if the folder cannot be read.
    pub fn newest<S: DeserializeOwned>(&self) -> Result<Option<CheckpointFound<S>>, TrainError> {
        let mut passed_over = Vec::new();
        for (_, name) in self.steps()?.into_iter().rev() {
            let folder = self.folder.join(&name);
            match read(&folder) {
                Ok(state) => {
                    return Ok(Some(CheckpointFound {
                        folder,
                        state,
                        passed_over,
                    }));
                }
                Err(reason) => passed_over.push(format!("{name}: {reason}")),
            }
        }
        Ok(None)
    }

    /// Whether there is any checkpoint, whole or not.
    ///
    /// # Errors
    ///
    /// [`TrainError::System`] if the folder cannot be read.
    pub fn is_empty(&self) -> Result<bool, TrainError> {
        Ok(self.steps()?.is_empty())
    }

    /// Puts the checkpoints after a step aside: those that are damaged and passed over when a run goes on
    /// from it. Their places are free then for the ones that the run will write.
    ///
    /// # Errors
    ///
    /// [`TrainError::System`] if one cannot be renamed.
    pub fn set_aside_after(&self, step: u64) -> Result<(), TrainError> {
        for (later, name) in self.steps()? {
            if later > step {
                let path = self.folder.join(&name);
                let aside = self.folder.join(format!("damaged-{name}"));
                let _ = fs::remove_dir_all(&aside);
                rename(&path, &aside).map_err(TrainError::system(&path))?;
            }
        }
        Ok(())
    }

    fn prune(&self, newest: u64) {
        let Ok(steps) = self.steps() else { return };
        let older = steps.iter().filter(|(step, _)| *step < newest).rev();
        for (_, name) in older.skip(self.kept.saturating_sub(1)) {
            let _ = remove_folder(&self.folder.join(name));
        }
    }

    fn steps(&self) -> Result<Vec<(u64, String)>, TrainError> {
        let names = names(&self.folder).map_err(TrainError::system(&self.folder))?;
        let numbered = |name: String| {
            let step = name.strip_prefix("step-")?.parse().ok()?;
            Some((step, name))
        };
        let mut steps: Vec<_> = names.into_iter().filter_map(numbered).collect();
        steps.sort();
        Ok(steps)
    }
}

fn names(folder: &Path) -> io::Result<Vec<String>> {
    let entries = fs::read_dir(folder)?;
    let name = |entry: io::Result<fs::DirEntry>| {
        entry.map(|entry| entry.file_name().to_string_lossy().into_owned())
    };
    entries.map(name).collect()
}

/// Every file of a folder with its hash.
fn hashes(folder: &Path) -> io::Result<BTreeMap<String, String>> {
    let hashed = |name: String| Ok((name.clone(), sha256_file(&folder.join(name))?));
    names(folder)?.into_iter().map(hashed).collect()
}

fn read<S: DeserializeOwned>(folder: &Path) -> Result<S, String> {
    let text = read_text(&folder.join(PAGE)).map_err(|error| error.to_string());
    let page = text.and_then(|text| plain_json::<Page<S>>(&unsealed_json(&text)?));
    let page = page.map_err(|reason| format!("{PAGE}: {reason}"))?;
    for (name, expected) in &page.files {
        let found = sha256_file(&folder.join(name)).map_err(|error| format!("{name}: {error}"))?;
        if found != *expected {
            return Err(format!("{name} is not the file that was written"));
        }
    }
    Ok(page.state)
}

#[cfg(test)]
mod tests {
    use super::*;
    use svg_nn::LoadError;
    use svg_store::WriteError;

    fn put(text: &str) -> impl FnOnce(&Path) -> Result<(), TrainError> {
        move |folder| fs::write(folder.join("weights"), text).map_err(TrainError::system(folder))
    }

    fn newest(checkpoints: &Checkpoints) -> Option<(u64, String, usize)> {
        let found = checkpoints.newest::<u64>().unwrap()?;
        let weights = fs::read_to_string(found.folder.join("weights")).unwrap();
        Some((found.state, weights, found.passed_over.len()))
    }

    #[test]
    fn the_newest_few_are_kept_and_the_newest_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::open(folder.path(), 2).unwrap();
        assert_eq!(newest(&checkpoints), None);
        for step in [5, 10, 15, 100_000_000] {
            checkpoints
                .write(step, &step, put(&format!("at {step}")))
                .unwrap();
        }
        assert_eq!(
            newest(&checkpoints),
            Some((100_000_000, "at 100000000".into(), 0))
        );
        let mut left = names(folder.path()).unwrap();
        left.sort();
        assert_eq!(left, ["step-00000015", "step-100000000"]);
    }

    /// Writes half of a file, and finds the disk full.
    fn full(checkpoints: &Checkpoints, step: u64) -> String {
        let error = checkpoints.write(step, &step, |folder| {
            let path = folder.join("weights");
            fs::write(&path, "half").unwrap();
            let cause = io::ErrorKind::StorageFull.into();
            Err(LoadError::from(WriteError { path, cause }).into())
        });
        error.unwrap_err().to_string()
    }

    #[test]
    fn a_disk_that_fills_up_leaves_the_checkpoint_before_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::open(folder.path(), 2).unwrap();
        checkpoints.write(5, &5u64, put("whole")).unwrap();
        let expected = format!(
            "the checkpoint of step 10 could not be written: weights: no storage space. That of step 5 is there: make \
             room on the disk of {} and say --resume",
            folder.path().display()
        );
        assert_eq!(full(&checkpoints, 10), expected);
        assert_eq!(newest(&checkpoints), Some((5, "whole".into(), 0)));
        assert_eq!(names(folder.path()).unwrap(), ["step-00000005"]);
    }

    #[test]
    fn an_error_of_the_first_checkpoint_speaks_of_none_before_it() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::open(folder.path(), 2).unwrap();
        let message = full(&checkpoints, 0);
        assert!(message.contains("There is none before it"), "{message}");
        assert!(!message.contains("--resume"), "{message}");
    }

    #[test]
    fn every_changed_bit_of_a_page_is_damage() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::open(folder.path(), 2).unwrap();
        checkpoints.write(5, &5u64, put("whole")).unwrap();
        let page = folder.path().join("step-00000005").join(PAGE);
        let whole = fs::read(&page).unwrap();
        for bit in 0..8 * whole.len() {
            let mut changed = whole.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            fs::write(&page, changed).unwrap();
            assert_eq!(newest(&checkpoints), None, "bit {bit}");
        }
    }

    #[test]
    fn the_page_of_an_earlier_version_has_no_hash_and_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::open(folder.path(), 2).unwrap();
        checkpoints.write(5, &5u64, put("whole")).unwrap();
        let page = folder.path().join("step-00000005").join(PAGE);
        let text = fs::read_to_string(&page).unwrap();
        fs::write(&page, &*unsealed_json(&text).unwrap()).unwrap();
        assert_eq!(newest(&checkpoints), Some((5, "whole".into(), 0)));
    }

    #[test]
    fn a_folder_that_was_removed_is_not_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("run/checkpoints");
        let checkpoints = Checkpoints::open(&place, 2).unwrap();
        checkpoints.write(0, &0u64, put("whole")).unwrap();
        fs::remove_dir_all(folder.path().join("run")).unwrap();
        let error = checkpoints.write(5, &5u64, put("whole")).unwrap_err();
        assert!(matches!(error, TrainError::Gone(_)), "{error}");
        assert_eq!(names(folder.path()).unwrap(), [""; 0]);
    }

    #[test]
    fn a_damaged_checkpoint_is_passed_over_and_leftovers_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::open(folder.path(), 3).unwrap();
        for step in [5u64, 10, 15] {
            checkpoints.write(step, &step, put("whole")).unwrap();
        }
        fs::write(folder.path().join("step-00000015/weights"), "other").unwrap();
        fs::remove_file(folder.path().join("step-00000010").join(PAGE)).unwrap();
        fs::create_dir(folder.path().join(".writing-abc")).unwrap();
        let checkpoints = Checkpoints::open(folder.path(), 3).unwrap();
        assert_eq!(newest(&checkpoints), Some((5, "whole".into(), 2)));
        assert!(!folder.path().join(".writing-abc").exists());
        checkpoints.set_aside_after(5).unwrap();
        assert_eq!(newest(&checkpoints), Some((5, "whole".into(), 0)));
        // A run that goes on reaches the damaged one's step again.
        checkpoints.write(15, &15u64, put("again")).unwrap();
        assert_eq!(newest(&checkpoints), Some((15, "again".into(), 0)));
    }
}
