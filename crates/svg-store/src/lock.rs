//! One process at a time in a folder.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// A folder that no other process can lock, until this is dropped or the process ends, however it ends.
///
/// The lock is advisory and lies on the file `.lock` in the folder, which stays.
#[derive(Debug)]
pub struct FolderLock {
    _file: File,
}

/// Why a folder could not be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it, or another [`FolderLock`] of this one.
    #[error("another process uses {}; wait for it to end", folder.display())]
    Held {
        /// The folder.
        folder: PathBuf,
    },
    /// There is no such folder, or the file in it cannot be made or locked.
    #[error("{}: {source}", path.display())]
    System {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

impl FolderLock {
    /// Locks a folder, without waiting.
    ///
    /// # Errors
    ///
    /// [`LockError::Held`] if it is locked, [`LockError::System`] if there is no such folder.
    pub fn acquire(folder: &Path) -> Result<Self, LockError> {
        let path = folder.join(".lock");
        let attempt = File::create(&path).map_err(TryLockError::Error);
        match attempt.and_then(|file| file.try_lock().map(|()| file)) {
            Ok(file) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(LockError::Held {
                folder: folder.to_path_buf(),
            }),
            Err(TryLockError::Error(source)) => Err(LockError::System { path, source }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_locked_once_until_the_lock_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let lock = FolderLock::acquire(folder.path()).unwrap();
        let error = FolderLock::acquire(folder.path()).unwrap_err();
        assert!(matches!(error, LockError::Held { .. }), "{error}");
        drop(lock);
        FolderLock::acquire(folder.path()).unwrap();
    }

    #[test]
    fn a_folder_that_does_not_exist_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = FolderLock::acquire(&folder.path().join("none")).unwrap_err();
        assert!(matches!(error, LockError::System { .. }));
        assert!(error.to_string().contains("none"), "{error}");
    }
}
