//! Errors of features on disk.

use std::io;
use std::path::{Path, PathBuf};

use svg_nn::LoadError;
use svg_store::{PathError, WriteError};

/// Why a cache cannot be written, opened or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CacheError {
    /// The folder has no index.
    #[error(
        "{} is no finished cache: it has no cache.json. `svg cache` writes one, and goes on with one that \
         was interrupted if the same command is given again", path.display()
    )]
    NotACache {
        /// The folder.
        path: PathBuf,
    },
    /// The index cannot be used.
    #[error("{}: {reason}", path.display())]
    Index {
        /// The index.
        path: PathBuf,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// A shard is missing or damaged.
    #[error(
        "{}: {reason}. Give the `svg cache` command that made the cache again: it makes this shard anew and \
         keeps the others", path.display()
    )]
    Shard {
        /// The shard.
        path: PathBuf,
        /// How it differs from what was written.
        reason: String,
    },
    /// The folder holds a cache of something else.
    #[error(
        "{} holds another cache: {difference}. Name another folder, or remove this one", path.display()
    )]
    Other {
        /// The folder.
        path: PathBuf,
        /// The first field that differs, with both values.
        difference: String,
    },
    /// The features are those of another model.
    #[error(
        "{} holds features {cache}, and the bundle makes features {asked}: another encoder, residual or \
         alignment. Make a cache with this bundle, or train with the bundle that made this one",
        path.display()
    )]
    OtherFeatures {
        /// The cache.
        path: PathBuf,
        /// The fingerprint of its features.
        cache: String,
        /// The fingerprint asked for.
        asked: String,
    },
    /// The squares of the cache have another size.
    #[error(
        "{} holds {cache}, and training is for {asked}; make a cache of the size that the bundle is made for",
        path.display()
    )]
    OtherGrid {
        /// The cache.
        path: PathBuf,
        /// Its grid.
        cache: String,
        /// The grid asked for.
        asked: String,
    },
    /// A feature does not fit the type of the cache.
    #[error("{name}: a feature of {value} cannot be kept in {dtype}; {advice}")]
    Value {
        /// The picture.
        name: String,
        /// The number.
        value: f32,
        /// The type.
        dtype: String,
        /// What to do.
        advice: String,
    },
    /// No picture could be read.
    #[error("{}: not one picture could be encoded; look at the data", path.display())]
    Empty {
        /// The cache.
        path: PathBuf,
    },
    /// A shard cannot be written.
    #[error(transparent)]
    Save(#[from] LoadError),
    /// The index cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The system could not read or make a file.
    #[error(transparent)]
    System(#[from] PathError),
}

impl CacheError {
    pub(super) fn system(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let at = PathError::at(path);
        |source| at(source).into()
    }
}
