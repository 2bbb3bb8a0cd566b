//! Errors of the operating system.

use std::io;
use std::path::{Path, PathBuf};

use crate::printable::printable_path;

/// Error of the operating system about a file or folder.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", printable_path(path))]
pub struct PathError {
    /// The file or folder.
    pub path: PathBuf,
    /// Error of the operating system.
    pub source: io::Error,
}

impl PathError {
    /// Adds the path to an error of the operating system, as an argument of `map_err`.
    ///
    /// ```
    /// use std::path::Path;
    /// use svg_store::PathError;
    ///
    /// let path = Path::new("no such file");
    /// let error = std::fs::read(path).map_err(PathError::at(path)).unwrap_err();
    /// assert!(error.to_string().starts_with("no such file: "));
    /// ```
    pub fn at(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self { path, source }
    }
}
