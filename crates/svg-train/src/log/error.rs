//! Why a log cannot be kept.

use std::io;
use std::path::{Path, PathBuf};

/// Why a log could not be opened or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// A file or folder could not be read or written.
    #[error(
        "cannot keep the log {path}: {cause}; check that the folder can be written to and the disk \
         has room"
    )]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system answered.
        cause: io::Error,
    },

    /// A file that was to be gone on with is no log of steps.
    #[error("{path} is no log of steps: {reason}; move it away, or give another folder to the run")]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What tells.
        reason: String,
    },

    /// A log could not be replaced by its shortened form.
    #[error(transparent)]
    Replace(#[from] svg_store::WriteError),
}

impl LogError {
    pub(super) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |cause| Self::File { path, cause }
    }
}
