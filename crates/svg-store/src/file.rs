//! Files that are whole or absent.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

/// The start of the name of every file and folder that is still being written.
pub const UNFINISHED: &str = ".writing-";

/// A file could not be written. Nothing is left under its name but what was there before.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}: {cause}; check that the folder exists and the disk has room", path.display())]
pub struct WriteError {
    /// The file that was to be written.
    pub path: PathBuf,
    /// What the operating system, or the function that produces the contents, answered.
    pub cause: io::Error,
}

/// Writes a file so that its name never shows half of it.
///
/// `fill` writes to a temporary file in the same folder, which is flushed to the disk and then
/// renamed to `path`, in place of what was there. If anything fails, the temporary file is removed
/// and `path` is as it was. The file has the permissions of any file that the process creates.
///
/// # Errors
///
/// [`WriteError`] if the folder does not exist or cannot be written to, or if `fill` or the disk
/// fails.
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
    attempt(path, fill).map_err(|cause| WriteError {
        path: path.into(),
        cause,
    })
}

/// Writes a file that consists of these bytes, as [`write_file`] does.
///
/// # Errors
///
/// [`WriteError`], as for [`write_file`].
pub fn write_bytes(path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> Result<(), WriteError> {
    write_file(path, |file| file.write_all(bytes.as_ref()))
}

/// Writes a value as indented JSON with a final newline, as [`write_file`] does.
///
/// # Errors
///
/// [`WriteError`], as for [`write_file`], and if the value cannot be JSON, such as a map whose keys
/// are no strings.
pub fn write_json(path: impl AsRef<Path>, value: &impl Serialize) -> Result<(), WriteError> {
    write_file(path, |file| {
        serde_json::to_writer_pretty(&mut *file, value)?;
        file.write_all(b"\n")
    })
}

/// Renames a file that is whole, for good: the folder of the new name is synchronised.
///
/// # Errors
///
/// As the system's.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::rename(from, to)?;
    synchronise_names(parent(to));
    Ok(())
}

/// The text of a file; `None` if there is no such file.
///
/// # Errors
///
/// As the system's, and if the file is not UTF-8.
pub fn read_if_there(path: &Path) -> io::Result<Option<String>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// A file without a name, for what is too large for memory. It goes when its last handle does.
///
/// # Errors
///
/// As the system's.
pub fn nameless_file() -> io::Result<File> {
    tempfile::tempfile()
}

fn attempt(path: &Path, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let folder = parent(path);
    let mut builder = tempfile::Builder::new();
    builder.prefix(UNFINISHED);
    #[cfg(unix)]
    {
        // Temporary files are private by default. The umask still applies.
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    // In the same folder, because a rename does not cross file systems.
    let mut temporary = builder.tempfile_in(folder)?;
    let mut buffered = BufWriter::new(temporary.as_file_mut());
    fill(&mut buffered)?;
    buffered.flush()?;
    drop(buffered);
    // Without this, a crash of the machine may keep the rename and lose the content.
    temporary.as_file().sync_all()?;
    temporary.persist(path)?;
    synchronise_names(folder);
    Ok(())
}

/// The folder that a path lies in; `.` for a bare name.
pub(crate) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Makes renames in a folder durable. Where folders cannot be synchronised, it is left to the system:
/// the file is in its place already.
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
    fn a_failed_write_leaves_the_old_file_and_nothing_else() {
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
    fn a_folder_in_the_place_of_a_file_and_a_missing_folder_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        let taken = folder.path().join("taken");
        std::fs::create_dir(&taken).unwrap();
        assert!(write_bytes(&taken, "x").is_err());
        assert_eq!(names(folder.path()), ["taken"]);
        let error = write_bytes(folder.path().join("none/file"), "x").unwrap_err();
        assert!(error.to_string().contains("none/file"), "{error}");
    }

    #[test]
    fn a_file_that_is_not_there_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read_if_there(&folder.path().join("none")).unwrap(), None);
        assert!(read_if_there(folder.path()).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn a_written_file_has_the_permissions_of_an_ordinary_file() {
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
