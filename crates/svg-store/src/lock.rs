//! Locks on folders.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use crate::PathError;

/// Lock on a folder, held until it is dropped or the process ends in any way.
///
/// The lock is advisory. It is taken on the file `.lock` in the folder, which is not removed.
#[derive(Debug)]
pub struct FolderLock {
    _file: File,
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
        let attempt = File::create(&path).map_err(TryLockError::Error);
        match attempt.and_then(|file| file.try_lock().map(|()| file)) {
            Ok(file) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(LockError::Held {
                folder: folder.to_path_buf(),
                purpose,
            }),
            Err(TryLockError::Error(source)) => Err(PathError { path, source }.into()),
        }
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

    #[test]
    fn the_error_for_a_missing_folder_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let error = FolderLock::acquire(&folder.path().join("none"), "writes").unwrap_err();
        assert!(matches!(error, LockError::System(_)));
        assert!(error.to_string().contains("none"), "{error}");
    }
}
