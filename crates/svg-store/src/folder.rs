//! Atomically created folders.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::file::{parent, synchronise_names};
use crate::unfinished::{UNFINISHED, remove_left_folders, start_for, temporary_folder};

/// A folder that is filled under a temporary name beside its final path.
///
/// [`commit`](Self::commit) moves it to its path; if it is dropped before, it is removed.
///
/// ```
/// # let folder = tempfile::tempdir().unwrap();
/// # let place = folder.path().join("step-1");
/// let new = svg_store::NewFolder::beside(&place)?;
/// std::fs::write(new.path().join("weights"), "1 2 3")?;
/// assert!(!place.exists());
/// new.commit()?;
/// assert_eq!(std::fs::read_to_string(place.join("weights"))?, "1 2 3");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct NewFolder {
    temporary: TempDir,
    place: PathBuf,
    /// Says that somebody fills the folder.
    _lock: Option<File>,
}

impl NewFolder {
    /// Creates an empty folder in the parent of `place`, which is created if it does not exist. What killed
    /// processes left of a folder for the same place is removed.
    ///
    /// # Errors
    ///
    /// Errors of the operating system, and if something else than a folder is at `place`.
    pub fn beside(place: &Path) -> io::Result<Self> {
        if place.exists() && !place.is_dir() {
            let reason = "it is no folder, and a folder would take its place; name a new one";
            return Err(io::Error::new(io::ErrorKind::NotADirectory, reason));
        }
        let folder = parent(place);
        fs::create_dir_all(folder)?;
        let start = start_for(place.file_name().unwrap_or_default());
        remove_left_folders(folder, &start);
        let (temporary, lock) = temporary_folder(folder, &start)?;
        Ok(Self {
            temporary,
            place: place.to_path_buf(),
            _lock: lock,
        })
    }

    /// Temporary path of the folder.
    pub fn path(&self) -> &Path {
        self.temporary.path()
    }

    /// Synchronises all files to disk and moves the folder to its path, where there must be nothing or an
    /// empty folder.
    ///
    /// # Errors
    ///
    /// Errors of the operating system; the new folder is removed.
    pub fn commit(self) -> io::Result<()> {
        synchronise(self.path())?;
        fs::rename(self.path(), &self.place)?;
        // The folder was renamed, so there is nothing to remove.
        let _ = self.temporary.keep();
        synchronise_names(parent(&self.place));
        Ok(())
    }
}

/// Removes a folder so that its path never shows a partly removed one.
///
/// # Errors
///
/// Errors of the operating system.
pub fn remove_folder(folder: &Path) -> io::Result<()> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let doomed = parent(folder).join(format!("{UNFINISHED}{name}"));
    fs::rename(folder, &doomed)?;
    fs::remove_dir_all(doomed)
}

/// Synchronises a folder and its contents to disk.
fn synchronise(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        match entry.file_type()?.is_dir() {
            true => synchronise(&entry.path())?,
            false => File::open(entry.path())?.sync_all()?,
        }
    }
    synchronise_names(folder);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(place: &Path, text: &str) -> NewFolder {
        let new = NewFolder::beside(place).unwrap();
        fs::create_dir(new.path().join("below")).unwrap();
        fs::write(new.path().join("below/file"), text).unwrap();
        new
    }

    fn contents(place: &Path) -> String {
        fs::read_to_string(place.join("below/file")).unwrap()
    }

    fn count(folder: &Path) -> usize {
        fs::read_dir(folder).unwrap().count()
    }

    #[test]
    fn a_folder_appears_on_commit_and_is_removed_on_drop() {
        let outer = tempfile::tempdir().unwrap();
        let place = outer.path().join("new");
        drop(filled(&place, "dropped"));
        assert_eq!(count(outer.path()), 0);
        let new = filled(&place, "one");
        assert!(!place.exists());
        new.commit().unwrap();
        assert_eq!((contents(&place), count(outer.path())), ("one".into(), 1));
    }

    #[test]
    fn a_folder_with_contents_is_not_overwritten() {
        let outer = tempfile::tempdir().unwrap();
        let place = outer.path().join("new");
        filled(&place, "one").commit().unwrap();
        assert!(filled(&place, "two").commit().is_err());
        assert_eq!((contents(&place), count(outer.path())), ("one".into(), 1));
    }

    #[test]
    fn a_folder_does_not_take_the_place_of_a_file() {
        let outer = tempfile::tempdir().unwrap();
        let place = outer.path().join("file");
        fs::write(&place, "mine").unwrap();
        let error = NewFolder::beside(&place).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotADirectory);
        assert_eq!(fs::read(&place).unwrap(), b"mine");
        assert_eq!(count(outer.path()), 1);
    }

    #[test]
    fn a_folder_is_removed_as_a_whole() {
        let outer = tempfile::tempdir().unwrap();
        let place = outer.path().join("new");
        filled(&place, "one").commit().unwrap();
        remove_folder(&place).unwrap();
        assert_eq!(count(outer.path()), 0);
    }

    #[cfg(unix)]
    #[test]
    fn new_folders_have_default_permissions() {
        use std::os::unix::fs::PermissionsExt;
        let outer = tempfile::tempdir().unwrap();
        let (ours, ordinary) = (outer.path().join("ours"), outer.path().join("ordinary"));
        filled(&ours, "x").commit().unwrap();
        fs::create_dir(&ordinary).unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode();
        assert_eq!(mode(&ours), mode(&ordinary));
    }
}
