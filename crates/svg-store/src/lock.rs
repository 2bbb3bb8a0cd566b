//! Locks on folders.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use crate::PathError;

/// Locks that are tried while others remove theirs.
const ATTEMPTS: usize = 100;

/// Lock on a folder, held until it is dropped or the process ends in any way.
///
/// The lock is advisory. It is taken on the file `.lock` in the folder, which on Unix is removed with the lock; the
/// file that a killed process leaves is taken over by the next lock.
#[derive(Debug)]
pub struct FolderLock {
    file: File,
    path: PathBuf,
}

/// Error of locking a folder.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// The lock is held by another process or by another [`FolderLock`] of this one.
    #[error("another process {purpose} {}; wait for it to end", folder.display())]
    Held {
        /// The folder.
        folder: PathBuf,
        /// What the lock is for, as given to [`FolderLock::acquire`].
        purpose: &'static str,
    },
    /// The folder does not exist, or its lock file cannot be created or locked.
    #[error(transparent)]
    System(#[from] PathError),
}

impl FolderLock {
    /// Locks a folder, without waiting. `purpose` is what the process that holds the lock does, such as "writes"
    /// or "trains in", for the error.
    ///
    /// # Errors
    ///
    /// [`LockError::Held`] if it is locked, [`LockError::System`] if the folder does not exist.
    pub fn acquire(folder: &Path, purpose: &'static str) -> Result<Self, LockError> {
        let path = folder.join(".lock");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        for _ in 0..ATTEMPTS {
            let attempt = options.open(&path).map_err(TryLockError::Error);
            match attempt.and_then(|file| file.try_lock().map(|()| file)) {
                Ok(file) if is_at(&file, &path) => return Ok(Self { file, path }),
                // Its holder has removed the file since it was opened.
                Ok(_) => {}
                Err(TryLockError::WouldBlock) => break,
                Err(TryLockError::Error(source)) => return Err(PathError { path, source }.into()),
            }
        }
        Err(LockError::Held {
            folder: folder.to_path_buf(),
            purpose,
        })
    }

    /// Whether the lock still is that of its folder: it is not, if the folder was moved or removed since.
    pub fn is_in_place(&self) -> bool {
        is_at(&self.file, &self.path)
    }
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        // Elsewhere, an open file cannot give its name to another.
        if cfg!(unix) && self.is_in_place() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Whether a path is still that of an open file or folder.
pub(crate) fn is_at(file: &File, path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let identity = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
        let open = file.metadata().map(identity);
        let named = fs::metadata(path).map(identity);
        matches!((open, named), (Ok(open), Ok(named)) if open == named)
    }
    #[cfg(not(unix))]
    {
        let _ = file;
        path.exists()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_locked_until_the_lock_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let lock = FolderLock::acquire(folder.path(), "writes").unwrap();
        let error = FolderLock::acquire(folder.path(), "writes").unwrap_err();
        assert!(matches!(error, LockError::Held { .. }), "{error}");
        assert!(error.to_string().starts_with("another process writes "));
        drop(lock);
        FolderLock::acquire(folder.path(), "writes").unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn nothing_is_left_of_a_lock_and_that_of_a_killed_process_is_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let count = || fs::read_dir(folder.path()).unwrap().count();
        fs::write(folder.path().join(".lock"), "").unwrap();
        let lock = FolderLock::acquire(folder.path(), "writes").unwrap();
        assert_eq!(count(), 1);
        drop(lock);
        assert_eq!(count(), 0);
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_that_was_moved_keeps_its_lock_and_frees_its_place() {
        let outer = tempfile::tempdir().unwrap();
        let (before, after) = (outer.path().join("before"), outer.path().join("after"));
        fs::create_dir(&before).unwrap();
        let lock = FolderLock::acquire(&before, "writes").unwrap();
        fs::rename(&before, &after).unwrap();
        assert!(FolderLock::acquire(&after, "writes").is_err());
        fs::create_dir(&before).unwrap();
        let other = FolderLock::acquire(&before, "writes").unwrap();
        assert!(other.is_in_place() && !lock.is_in_place());
        drop(lock);
        assert!(FolderLock::acquire(&before, "writes").is_err());
        drop(other);
    }

    #[test]
    fn many_threads_are_never_in_a_folder_together() {
        use std::sync::atomic::{AtomicUsize, Ordering};
        let folder = tempfile::tempdir().unwrap();
        let (inside, entered) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        let Ok(_lock) = FolderLock::acquire(folder.path(), "writes") else {
                            continue;
                        };
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                        entered.fetch_add(1, Ordering::SeqCst);
                        inside.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert!(entered.load(Ordering::SeqCst) > 0);
    }

    #[test]
    fn the_error_for_a_missing_folder_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let error = FolderLock::acquire(&folder.path().join("none"), "writes").unwrap_err();
        assert!(matches!(error, LockError::System(_)));
        assert!(error.to_string().contains("none"), "{error}");
    }
}
