//! Trait for networks that a checkpoint holds.

use burn::module::{Module, ModuleDisplay};
use burn::prelude::*;
use svg_nn::{StoredTensor, beyond_memory, load_exact, module_tensors};

use crate::TrainError;

/// A network that a training draws, saves and loads.
///
/// By default its tensors are stored under their paths in the module; a network with a published layout
/// stores them under the names of that.
pub trait Network: Module + ModuleDisplay + Sync + 'static {
    /// What it is made from.
    type Config: Clone + Send + Sync + 'static;

    /// Draws the network. The seed of the device decides the weights.
    fn init(config: &Self::Config, device: &Device) -> Self;

    /// The weights under the names that [`load`](Self::load) takes.
    fn tensors(&self) -> Vec<StoredTensor> {
        module_tensors(self)
    }

    /// The network with stored weights. `source` is named in errors.
    ///
    /// # Errors
    ///
    /// [`TrainError`] with everything that does not fit.
    fn load(
        config: &Self::Config,
        tensors: Vec<StoredTensor>,
        source: &str,
        device: &Device,
    ) -> Result<Self, TrainError> {
        Ok(load_exact(Self::init(config, device), tensors, source)?)
    }
}

/// Whether the machine's memory can hold the training of a network: weights, gradients and two moments of the optimiser.
///
/// # Errors
///
/// [`TrainError::Unfit`] with the need.
pub(crate) fn check_memory<N: Network>(
    config: &N::Config,
    device: &Device,
) -> Result<(), TrainError> {
    // Parameters are drawn at first use, so counting them costs nothing.
    let count = Module::num_params(&N::init(config, device));
    let what = format!("the training of a network of {count} parameters");
    match beyond_memory(device, &what, 16.0 * count as f64) {
        None => Ok(()),
        Some(problem) => Err(TrainError::Unfit {
            reason: format!("{problem}; configure a smaller one"),
        }),
    }
}

/// Whether the machine's memory can hold a batch, whose items are so many numbers each.
///
/// # Errors
///
/// [`TrainError::Unfit`] with the need.
pub(crate) fn check_batch(
    batch_size: usize,
    numbers: usize,
    device: &Device,
) -> Result<(), TrainError> {
    let what = format!("a batch of {batch_size} times {numbers} numbers");
    match beyond_memory(device, &what, 4.0 * batch_size as f64 * numbers as f64) {
        None => Ok(()),
        Some(problem) => Err(TrainError::Unfit {
            reason: format!("{problem}; set batch_size to less"),
        }),
    }
}
