//! Errors of files that are written row by row.

use std::io;
use std::path::{Path, PathBuf};

use crate::WriteError;
use crate::printable::printable_path;

/// Why a [`RowFile`](crate::RowFile) cannot be opened, filled or finished.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RowFileError {
    /// The partial file is of something else.
    #[error(
        "{} was begun by another command: {differences}. Give that command again to go on with it, or remove \
         that file to begin anew",
        printable_path(partial)
    )]
    Other {
        /// The partial file.
        partial: PathBuf,
        /// The fields that differ, with both values.
        differences: String,
    },
    /// The partial file or its journal cannot be used.
    #[error("{}: {reason}; remove it to begin anew", printable_path(partial))]
    Damaged {
        /// The partial file or its journal.
        partial: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Another process writes the file.
    #[error("another process writes {}; wait for it to end", printable_path(.0))]
    Held(PathBuf),
    /// A file cannot be written. The rows that were committed are kept.
    #[error(transparent)]
    Write(#[from] WriteError),
}

pub(super) fn write_error(path: &Path, cause: io::Error) -> RowFileError {
    let path = path.to_path_buf();
    WriteError { path, cause }.into()
}
