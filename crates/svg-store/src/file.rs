//! Atomically written files.

use std::fs::File;
use std::io::{self, BufWriter, IntoInnerError, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use memmap2::Mmap;
use serde::Serialize;
use tempfile::NamedTempFile;

use crate::printable::printable_path;
use crate::regular::{check_replaceable, open_file, read_text};
use crate::unfinished::{remove_left_files, temporary_file};

/// Error of writing a file. The path keeps its previous content.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot write {}: {cause}; check that the folder exists and the disk has room",
    printable_path(path)
)]
pub struct WriteError {
    /// The file that was to be written.
    pub path: PathBuf,
    /// Error of the operating system or of the function that produces the contents.
    pub cause: io::Error,
}

impl WriteError {
    /// The error of a file, as an argument of `map_err`.
    pub(crate) fn of(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |cause| Self { path, cause }
    }
}

/// Writes a file atomically.
///
/// `fill` writes to a temporary file in the same folder, which is synchronised to disk and then renamed to
/// `path`, replacing an existing file. On failure the temporary file is removed and `path` is unchanged. The
/// file has the default permissions of the process. What killed processes left unfinished in the folder is
/// removed when a process first writes there.
///
/// # Errors
///
/// [`WriteError`] if the folder does not exist or is not writable, if there is a folder, a pipe, a socket or a
/// device at `path`, or if `fill` or writing fails.
///
/// ```
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("steps.txt");
/// svg_store::write_file(&path, |file| writeln!(file, "100 steps"))?;
/// assert_eq!(std::fs::read_to_string(&path).unwrap(), "100 steps\n");
/// # Ok::<(), svg_store::WriteError>(())
/// ```
pub fn write_file(
    path: impl AsRef<Path>,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), WriteError> {
    let path = path.as_ref();
    attempt(path, fill).map_err(WriteError::of(path))
}

/// Writes bytes to a file, as [`write_file`] does.
///
/// # Errors
///
/// [`WriteError`] as for [`write_file`].
pub fn write_bytes(path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> Result<(), WriteError> {
    write_file(path, |file| file.write_all(bytes.as_ref()))
}

/// Writes a value as indented JSON with a final newline, as [`write_file`] does.
///
/// # Errors
///
/// [`WriteError`] as for [`write_file`], and if the value cannot be represented in JSON, such as a map
/// whose keys are not strings.
pub fn write_json(path: impl AsRef<Path>, value: &impl Serialize) -> Result<(), WriteError> {
    write_file(path, |file| {
        serde_json::to_writer_pretty(&mut *file, value)?;
        file.write_all(b"\n")
    })
}

/// Renames a complete file durably: the folder of the new name is synchronised.
///
/// # Errors
///
/// Errors of the operating system.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::rename(from, to)?;
    synchronise_names(parent(to));
    Ok(())
}

/// Reads a text file; `None` if it does not exist.
///
/// # Errors
///
/// As [`read_text`](crate::read_text), but for a missing file.
pub fn read_if_there(path: &Path) -> io::Result<Option<String>> {
    match read_text(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Creates an anonymous temporary file, which is deleted with its last handle.
///
/// # Errors
///
/// Errors of the operating system.
pub fn nameless_file() -> io::Result<File> {
    tempfile::tempfile()
}

/// Maps a file to memory. It must not be modified while it is mapped.
pub(crate) fn map(path: &Path) -> io::Result<Mmap> {
    map_file(&open_file(path)?)
}

/// As [`map`], of a file that is open already.
pub(crate) fn map_file(file: &File) -> io::Result<Mmap> {
    // SAFETY: the mapping is read-only, and the documentation of every type that holds one requires that the file
    // is not modified meanwhile. Every range is checked against its length before it is read.
    unsafe { Mmap::map(file) }
}

fn attempt(path: &Path, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut file = Pending::beside(path)?;
    fill(&mut file)?;
    file.commit()
}

/// A file that is written under a temporary name beside its path; if it is dropped before
/// [`commit`](Self::commit), it is removed.
#[derive(Debug)]
pub(crate) struct Pending {
    file: BufWriter<NamedTempFile>,
    path: PathBuf,
}

impl Pending {
    pub fn beside(path: &Path) -> io::Result<Self> {
        check_replaceable(path)?;
        let folder = parent(path);
        remove_left_files(folder);
        // In the same folder, because a rename cannot cross file systems.
        let temporary = temporary_file(folder)?;
        Ok(Self {
            file: BufWriter::new(temporary),
            path: path.to_path_buf(),
        })
    }

    /// Synchronises the file to disk and renames it to its path.
    pub fn commit(self) -> io::Result<()> {
        let temporary = self.file.into_inner().map_err(IntoInnerError::into_error)?;
        // Without this, a crash of the machine may keep the rename and lose the content.
        temporary.as_file().sync_all()?;
        temporary.persist(&self.path)?;
        synchronise_names(parent(&self.path));
        Ok(())
    }
}

impl Write for Pending {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Seek for Pending {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

/// Parent folder of a path; `.` for a bare name.
pub(crate) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Makes renames in a folder durable. Failures are ignored, since some systems cannot synchronise folders and
/// the file is already in place.
pub(crate) fn synchronise_names(folder: &Path) {
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    #[test]
    fn a_failed_write_keeps_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "old").unwrap();
        let result = write_file(&path, |file| {
            file.write_all(b"half of the new")?;
            Err(io::Error::other("the disk is full"))
        });
        assert!(result.unwrap_err().to_string().contains("the disk is full"));
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["file"]);
    }

    #[test]
    fn a_written_file_replaces_the_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("page.json");
        write_bytes(&path, "a much longer file that was there before").unwrap();
        write_json(&path, &[1, 2]).unwrap();
        let text = read_if_there(&path).unwrap().unwrap();
        assert_eq!(text, "[\n  1,\n  2\n]\n");
        assert_eq!(names(folder.path()), ["page.json"]);
    }

    #[test]
    fn paths_of_folders_and_in_missing_folders_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        let taken = folder.path().join("taken");
        std::fs::create_dir(&taken).unwrap();
        assert!(write_bytes(&taken, "x").is_err());
        assert_eq!(names(folder.path()), ["taken"]);
        let error = write_bytes(folder.path().join("none/file"), "x").unwrap_err();
        assert!(error.to_string().contains("none/file"), "{error}");
    }

    #[test]
    fn read_if_there_returns_none_for_a_missing_file() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read_if_there(&folder.path().join("none")).unwrap(), None);
        assert!(read_if_there(folder.path()).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn written_files_have_default_permissions() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name);
        write_bytes(place("bytes"), "x").unwrap();
        write_json(place("json"), &1).unwrap();
        std::fs::write(place("ordinary"), "x").unwrap();
        let mode = |name: &str| place(name).metadata().unwrap().permissions().mode();
        assert_eq!(mode("bytes"), mode("ordinary"));
        assert_eq!(mode("json"), mode("ordinary"));
    }
}
