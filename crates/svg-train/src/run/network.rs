//! Trait for networks that a checkpoint holds.

use burn::module::{Module, ModuleDisplay};
use burn::prelude::*;
use svg_nn::{StoredTensor, load_exact, module_tensors};

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
