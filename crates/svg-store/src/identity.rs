//! Files by what they are on disk.

use std::io;
use std::path::Path;

/// A file or folder as the operating system knows it, whatever path leads to it: links, hard links and other
/// spellings of a path have the same.
///
/// ```
/// use svg_store::FileId;
///
/// # let folder = tempfile::tempdir().unwrap();
/// # let (one, other) = (folder.path().join("one"), folder.path().join("other"));
/// std::fs::write(&one, "1")?;
/// std::fs::hard_link(&one, &other)?;
/// assert_eq!(FileId::of(&one)?, FileId::of(&other)?);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FileId(Id);

/// Device and inode.
#[cfg(unix)]
type Id = (u64, u64);

/// The path without links; hard links are not seen.
#[cfg(not(unix))]
type Id = std::path::PathBuf;

impl FileId {
    /// What a path leads to. Links are followed; nothing is opened.
    ///
    /// # Errors
    ///
    /// Errors of the operating system, such as that nothing is there.
    pub fn of(path: &Path) -> io::Result<Self> {
        id(path).map(Self)
    }
}

#[cfg(unix)]
fn id(path: &Path) -> io::Result<Id> {
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

#[cfg(not(unix))]
fn id(path: &Path) -> io::Result<Id> {
    path.canonicalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_and_another_spelling_of_it_are_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir(path("below")).unwrap();
        std::fs::write(path("file"), "").unwrap();
        std::fs::write(path("below/file"), "").unwrap();
        let id = |name: &str| FileId::of(&path(name)).unwrap();
        assert_eq!(id("file"), id("below/../file"));
        assert_ne!(id("file"), id("below/file"));
        assert!(FileId::of(&path("none")).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_what_it_leads_to() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        std::fs::write(&file, "").unwrap();
        std::os::unix::fs::symlink("file", &link).unwrap();
        assert_eq!(FileId::of(&file).unwrap(), FileId::of(&link).unwrap());
    }
}
