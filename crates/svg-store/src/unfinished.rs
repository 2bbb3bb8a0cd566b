//! What killed processes leave: files and folders under temporary names.
//!
//! A process holds a lock on each of them while it writes, so what nobody has locked is nobody's.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use tempfile::{NamedTempFile, TempDir};

use crate::lock::is_at;

/// Prefix of the names of files and folders that are being written.
pub const UNFINISHED: &str = ".writing-";

/// Names that are tried while others take the new one for a left one, before it is locked.
const ATTEMPTS: usize = 100;

/// Removes the unfinished files and folders that killed processes left in a folder, not in its subfolders. What
/// a process is writing stays.
///
/// Where folders cannot be locked (on Windows), no other process may write there at the same time.
///
/// # Errors
///
/// Errors of the operating system.
pub fn remove_unfinished(folder: &Path) -> io::Result<()> {
    remove(folder, |_, _| true)
}

/// Removes the files that killed processes left in a folder, when this process first writes there.
pub(crate) fn remove_left_files(folder: &Path) {
    static CLEARED: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
    let cleared = CLEARED.lock();
    let is_new = cleared
        .unwrap_or_else(PoisonError::into_inner)
        .insert(folder.to_path_buf());
    if is_new {
        // They are only in the way.
        let _ = remove(folder, |_, is_folder| !is_folder);
    }
}

/// Removes the folders that killed processes left in a folder under names that begin so.
pub(crate) fn remove_left_folders(folder: &Path, start: &OsStr) {
    let begins = |name: &OsStr| {
        let (name, start) = (name.as_encoded_bytes(), start.as_encoded_bytes());
        name.starts_with(start)
    };
    if cfg!(unix) {
        let _ = remove(folder, |name, is_folder| is_folder && begins(name));
    }
}

/// A new file under a temporary name, locked until it is dropped.
pub(crate) fn temporary_file(folder: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(UNFINISHED);
    #[cfg(unix)]
    {
        // Temporary files are private by default. The umask still applies.
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    for _ in 0..ATTEMPTS {
        let file = builder.tempfile_in(folder)?;
        if is_ours(file.as_file(), file.path()) {
            return Ok(file);
        }
    }
    Err(taken())
}

/// A new folder under a temporary name that begins so, and its lock.
pub(crate) fn temporary_folder(
    folder: &Path,
    start: &OsStr,
) -> io::Result<(TempDir, Option<File>)> {
    for _ in 0..ATTEMPTS {
        let new = tempfile::Builder::new().prefix(start).tempdir_in(folder)?;
        if cfg!(not(unix)) {
            return Ok((new, None));
        }
        match File::open(new.path()) {
            Ok(lock) if is_ours(&lock, new.path()) => return Ok((new, Some(lock))),
            _ => {}
        }
    }
    Err(taken())
}

/// The beginning of the temporary names of a folder that will have this name.
pub(crate) fn start_for(name: &OsStr) -> OsString {
    // Of one length, since names have a limit.
    let hash = crate::sha256(name.as_encoded_bytes());
    format!("{UNFINISHED}{}-", &hash[..8]).into()
}

fn taken() -> io::Error {
    io::Error::other(
        "another process removes every new file; is it a program that clears the folder?",
    )
}

/// Locks what has just been made, unless somebody has taken it for a left one already.
fn is_ours(file: &File, path: &Path) -> bool {
    match file.try_lock() {
        Ok(()) => is_at(file, path),
        Err(TryLockError::WouldBlock) => false,
        // Where nothing can be locked, nobody removes it either.
        Err(TryLockError::Error(_)) => true,
    }
}

fn remove(folder: &Path, wanted: impl Fn(&OsStr, bool) -> bool) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if !name.as_encoded_bytes().starts_with(UNFINISHED.as_bytes()) {
            continue;
        }
        let (kind, path) = (entry.file_type()?, entry.path());
        let is_one = kind.is_dir() || kind.is_file();
        if !is_one || !wanted(&name, kind.is_dir()) {
            continue;
        }
        let Some(_lock) = left(&path, kind.is_dir()) else {
            continue;
        };
        let removed = match kind.is_dir() {
            true => fs::remove_dir_all(&path),
            false => fs::remove_file(&path),
        };
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// The lock of what no process holds; `None` if one does.
fn left(path: &Path, is_folder: bool) -> Option<Option<File>> {
    if is_folder && cfg!(not(unix)) {
        return Some(None);
    }
    // On network file systems, a file must be open for writing to be locked.
    let mut options = OpenOptions::new();
    let file = options.read(true).write(!is_folder).open(path).ok()?;
    file.try_lock().ok()?;
    is_at(&file, path).then_some(Some(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }

    #[test]
    fn what_is_left_goes_and_what_is_being_written_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in [".writing-killed", "kept", ".tmpOther"] {
            fs::write(path(name), "half").unwrap();
        }
        fs::create_dir_all(path(".writing-folder/below")).unwrap();
        let file = temporary_file(folder.path()).unwrap();
        let (new, lock) = temporary_folder(folder.path(), UNFINISHED.as_ref()).unwrap();
        remove_unfinished(folder.path()).unwrap();
        assert!(file.path().exists());
        if cfg!(unix) {
            assert!(new.path().exists());
        }
        assert_eq!(names(folder.path()).len(), 4);
        drop((file, new, lock));
        assert_eq!(names(folder.path()), [".tmpOther", "kept"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_new_folder_removes_what_is_left_of_its_own_name_alone() {
        let folder = tempfile::tempdir().unwrap();
        let left = |name: &str| {
            let mut left = start_for(name.as_ref());
            left.push("killed");
            fs::create_dir(folder.path().join(&left)).unwrap();
            left.into_string().unwrap()
        };
        let (_, other) = (left("one"), left("other"));
        remove_left_folders(folder.path(), &start_for("one".as_ref()));
        assert_eq!(names(folder.path()), [other]);
    }

    #[test]
    fn many_writers_and_removers_disturb_nobody() {
        let folder = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for writer in 0..3 {
                let path = folder.path().join(format!("file-{writer}"));
                scope.spawn(move || {
                    for number in 0..100 {
                        crate::write_bytes(&path, [number]).unwrap();
                    }
                });
            }
            for _ in 0..300 {
                remove_unfinished(folder.path()).unwrap();
            }
        });
        assert_eq!(names(folder.path()), ["file-0", "file-1", "file-2"]);
    }

    #[test]
    fn the_first_write_into_a_folder_removes_what_was_left_there() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(".writing-killed"), "half").unwrap();
        crate::write_bytes(folder.path().join("whole"), "whole").unwrap();
        assert_eq!(names(folder.path()), ["whole"]);
    }
}
