//! What can be wrong with a file of `torch.save`.

use std::io;

/// Error of opening a file. The message does not name the file.
#[derive(Debug, thiserror::Error)]
pub enum TorchError {
    /// The file could not be opened or mapped.
    #[error(transparent)]
    System(#[from] io::Error),
    /// Bytes are missing, or are not those that were written.
    #[error("{0}")]
    Damaged(String),
    /// The file is of another kind, or holds what is not read. The message says what to do.
    #[error("{0}")]
    Unsupported(String),
}

impl From<crate::pickle::PickleError> for TorchError {
    fn from(error: crate::pickle::PickleError) -> Self {
        Self::Damaged(error.to_string())
    }
}
