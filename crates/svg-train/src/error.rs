//! Errors of training.

use std::io;
use std::path::{Path, PathBuf};

use svg_image::ImageError;
use svg_model::ModelError;
use svg_nn::LoadError;
use svg_store::{LockError, PathError, WriteError};

use crate::cache::CacheError;
use crate::data::DataError;
use crate::log::LogError;

/// Why a training cannot begin, go on or be kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// The pictures.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Features on disk.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// A model or its encoder.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// Weights of a checkpoint.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A picture.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// A small file could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The table of steps or the events.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The networks do not fit the encoder.
    #[error("the configuration does not fit the encoder: {reason}")]
    Misfit {
        /// Which part, and what to change.
        reason: String,
    },
    /// The configuration does not fit the bundle, the data or the device.
    #[error("{reason}")]
    Unfit {
        /// Both sides, and what to change.
        reason: String,
    },
    /// The folder holds a run already.
    #[error("{} holds a run already; say --resume to go on with it, or name another folder", path.display())]
    Occupied {
        /// The folder.
        path: PathBuf,
    },
    /// Another process trains in the folder.
    #[error(transparent)]
    Locked(#[from] LockError),
    /// There is nothing to resume.
    #[error("{} holds no checkpoint to resume from; leave out --resume to begin", path.display())]
    NothingToResume {
        /// The folder.
        path: PathBuf,
    },
    /// A resumed run is asked to be another one.
    #[error("this run cannot go on as asked: {reason}")]
    OtherRun {
        /// What differs, and what to do.
        reason: String,
    },
    /// A checkpoint could not be written.
    #[error("the checkpoint of step {step} could not be written: {reason}. {}", advice(*before, path))]
    Checkpoint {
        /// The step.
        step: u64,
        /// The folder of checkpoints.
        path: PathBuf,
        /// The system's reason.
        reason: String,
        /// The step of the checkpoint before it, if there is one.
        before: Option<u64>,
    },
    /// Somebody removed the folder of the run, or files of it.
    #[error(
        "{} was removed while the run went on; put it back and say --resume, or begin again", .0.display()
    )]
    Gone(
        /// What is missing.
        PathBuf,
    ),
    /// The loss stays without a value.
    #[error(
        "the loss was not finite for {patience} steps in a row, after {rollbacks} returns to a checkpoint \
         with half the learning rate each. Look at the data and the losses in steps.csv, and begin with \
         a smaller learning rate"
    )]
    Diverged {
        /// Steps in a row.
        patience: u64,
        /// Returns to a checkpoint.
        rollbacks: u64,
    },
    /// The system could not read or write a file.
    #[error(transparent)]
    System(#[from] PathError),
}

/// What to do without room for a checkpoint.
fn advice(before: Option<u64>, path: &Path) -> String {
    let room = format!("make room on the disk of {}", path.display());
    match before {
        Some(step) => format!("That of step {step} is there: {room} and say --resume"),
        None => format!("There is none before it: {room} and begin again"),
    }
}

impl TrainError {
    /// An error of a file by the file's name and the reason alone, for an error that has the folder and the advice.
    pub(crate) fn of_a_file(&self) -> String {
        let (path, reason) = match self {
            Self::Load(LoadError::Write { path, source }) => (path, source),
            Self::Write(WriteError { path, cause }) => (path, cause),
            Self::System(PathError { path, source }) => (path, source),
            other => return other.to_string(),
        };
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        format!("{name}: {reason}")
    }

    pub(crate) fn system(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let at = PathError::at(path);
        |source| at(source).into()
    }
}
