//! Regular files: what is read, and what a written file may take the place of.

use std::fs::{self, File, FileType, Metadata};
use std::io::{self, ErrorKind, Read as _};
use std::path::Path;

use crate::file::parent;
use crate::printable::printable_path;
use crate::unfinished::UNFINISHED;

/// Opens a regular file for reading.
///
/// A pipe may never say anything and a device may never end, so that nothing else is opened: everything in the
/// workspace that reads a file by its path begins here.
///
/// # Errors
///
/// Errors of the operating system, and for a folder, a pipe, a socket or a device one that says what it is.
///
/// ```
/// # let folder = tempfile::tempdir().unwrap();
/// let error = svg_store::open_file(folder.path()).unwrap_err();
/// assert_eq!(error.to_string(), "it is a folder; name a file");
/// ```
pub fn open_file(path: &Path) -> io::Result<File> {
    check_readable(&fs::metadata(path)?)?;
    let file = File::open(path)?;
    // Another may have taken its place.
    check_readable(&file.metadata()?)?;
    Ok(file)
}

/// Reads a regular file whole.
///
/// # Errors
///
/// As [`open_file`].
pub fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = open_file(path)?;
    let mut bytes = Vec::new();
    let size = file.metadata().map_or(0, |metadata| metadata.len());
    bytes.try_reserve_exact(usize::try_from(size).unwrap_or(usize::MAX))?;
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads a regular file of text in UTF-8 whole.
///
/// # Errors
///
/// As [`open_file`], and if it is no UTF-8.
pub fn read_text(path: &Path) -> io::Result<String> {
    let text = String::from_utf8(read_file(path)?);
    text.map_err(|_| io::Error::new(ErrorKind::InvalidData, "it is not text in UTF-8"))
}

/// Whether a file can be written to a path: its folder takes files, and there is nothing or a regular file. What
/// is there stays as it is.
///
/// # Errors
///
/// Errors of the operating system, and for a folder, a pipe, a socket or a device one that says what it is.
pub fn check_writable(path: &Path) -> io::Result<()> {
    check_replaceable(path)?;
    check_takes_files(parent(path))
}

/// Whether files can be made in a folder. None is left there.
///
/// # Errors
///
/// Errors of the operating system.
pub fn check_takes_files(folder: &Path) -> io::Result<()> {
    if !folder.is_dir() {
        let reason = format!("{} is no folder", printable_path(folder));
        return Err(io::Error::new(ErrorKind::NotFound, reason));
    }
    let mut probe = tempfile::Builder::new();
    probe.prefix(UNFINISHED).tempfile_in(folder)?;
    Ok(())
}

/// Whether a file may take the place of what is at a path, or of what a link there leads to: of nothing or a regular
/// file. A renamed file would take that of a device, too.
pub(crate) fn check_replaceable(path: &Path) -> io::Result<()> {
    match fs::metadata(path).map(|metadata| other_kind(metadata.file_type())) {
        Ok(Some(FOLDER)) => Err(io::Error::new(ErrorKind::IsADirectory, NAME_A_FILE)),
        Ok(Some(kind)) => Err(io::Error::new(
            ErrorKind::InvalidInput,
            format!("it is {kind}, which a file would take the place of; name a regular file"),
        )),
        _ => Ok(()),
    }
}

const FOLDER: &str = "a folder";
const NAME_A_FILE: &str = "it is a folder; name a file";

fn check_readable(metadata: &Metadata) -> io::Result<()> {
    match other_kind(metadata.file_type()) {
        None => Ok(()),
        Some(FOLDER) => Err(io::Error::new(ErrorKind::IsADirectory, NAME_A_FILE)),
        Some(kind) => Err(io::Error::new(
            ErrorKind::InvalidInput,
            format!(
                "it is {kind}, which may never end; write what it says to a file and name that"
            ),
        )),
    }
}

/// What something is that is no regular file.
fn other_kind(kind: FileType) -> Option<&'static str> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        if kind.is_fifo() {
            return Some("a pipe");
        }
        if kind.is_socket() {
            return Some("a socket");
        }
        if kind.is_char_device() || kind.is_block_device() {
            return Some("a device");
        }
    }
    match (kind.is_dir(), kind.is_file()) {
        (true, _) => Some(FOLDER),
        (_, true) => None,
        _ => Some("no regular file"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_what_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "some text").unwrap();
        assert_eq!(read_text(&path).unwrap(), "some text");
        fs::write(&path, b"\xff\xfe").unwrap();
        assert_eq!(read_file(&path).unwrap(), b"\xff\xfe");
        let error = read_text(&path).unwrap_err().to_string();
        assert!(error.contains("not text in UTF-8"), "{error}");
        let error = read_file(&folder.path().join("none")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }

    #[test]
    fn a_folder_is_neither_read_nor_replaced() {
        let folder = tempfile::tempdir().unwrap();
        for error in [
            read_file(folder.path()).unwrap_err(),
            check_writable(folder.path()).unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::IsADirectory);
        }
    }

    #[test]
    fn a_path_that_can_be_written_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        check_writable(&path).unwrap();
        fs::write(&path, "old").unwrap();
        check_writable(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        let error = check_writable(&folder.path().join("none/file")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }

    #[cfg(unix)]
    #[test]
    fn a_device_is_neither_read_nor_replaced() {
        let device = Path::new("/dev/null");
        let error = open_file(device).unwrap_err().to_string();
        assert!(error.starts_with("it is a device"), "{error}");
        let error = check_writable(device).unwrap_err().to_string();
        assert!(error.starts_with("it is a device"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn a_socket_and_a_link_to_it_are_neither_read_nor_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let (socket, link) = (folder.path().join("socket"), folder.path().join("link"));
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        std::os::unix::fs::symlink(&socket, &link).unwrap();
        for path in [socket, link] {
            let error = read_file(&path).unwrap_err().to_string();
            assert!(error.starts_with("it is a socket"), "{error}");
            let error = crate::write_bytes(&path, "x").unwrap_err().to_string();
            assert!(error.contains("it is a socket"), "{error}");
        }
    }
}
