//! Optimisers on disk.

use std::path::Path;

use burn::optim::ModuleOptimizer;
use burn::store::burn_pack::Bytes;

use crate::TrainError;

pub(crate) fn save_optimizer(optimizer: &ModuleOptimizer, path: &Path) -> Result<(), TrainError> {
    optimizer.save(path).map_err(|error| failed(path, error))
}

/// The same optimiser with the moments of a file. Through memory: Burn reads a file when a moment is first asked for, and by then the checkpoint may have
/// given way to a newer one.
pub(crate) fn load_optimizer(
    optimizer: &ModuleOptimizer,
    path: &Path,
) -> Result<ModuleOptimizer, TrainError> {
    let bytes = std::fs::read(path).map_err(TrainError::system(path))?;
    let bytes = Bytes::from_bytes_vec(bytes);
    let loaded = optimizer.clone().from_bytes(bytes);
    loaded.map_err(|error| failed(path, error))
}

fn failed(path: &Path, error: impl std::fmt::Display) -> TrainError {
    TrainError::system(path)(std::io::Error::other(error.to_string()))
}
