//! A network that learns, with its optimiser.

use std::fmt;
use std::path::Path;

use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::prelude::*;
use burn::store::burn_pack::Bytes;
use svg_nn::{StoredTensor, TensorFile};

use super::files::unreadable;
use super::gradients::{Change, moved};
use super::{Files, Network, name_parameters};
use crate::TrainError;

/// Names of a player: the root of its parameters' names, and its two files in a checkpoint.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlayerNames {
    pub root: &'static str,
    pub network: &'static str,
    pub optimizer: &'static str,
}

/// A network that learns, with its optimiser. A training has one of these, or two that play against each
/// other.
pub(crate) struct Player<N: Network> {
    names: PlayerNames,
    config: N::Config,
    /// Where gradients are.
    device: Device,
    /// `None` only while it is being replaced.
    network: Option<N>,
    optimizer: ModuleOptimizer,
}

impl<N: Network> Player<N> {
    /// Draws the network on an autodiff device.
    pub fn new(
        names: PlayerNames,
        config: N::Config,
        optimizer: impl Into<ModuleOptimizer>,
        device: &Device,
    ) -> Self {
        Self {
            network: Some(name_parameters(N::init(&config, device), names.root)),
            optimizer: optimizer.into(),
            device: device.clone(),
            names,
            config,
        }
    }

    pub fn config(&self) -> &N::Config {
        &self.config
    }

    /// The network, with gradients.
    pub fn network(&self) -> &N {
        self.network.as_ref().expect("replaced in one go")
    }

    /// Replaces the network by what `change` makes of it.
    pub fn change(&mut self, change: impl FnOnce(N) -> N) {
        self.network = self.network.take().map(change);
    }

    /// A step of the optimiser along this player's part of `gradients`.
    pub fn learn(&mut self, rate: f64, gradients: &mut GradientsParams) {
        let own = moved(
            gradients,
            self.network(),
            GradientsParams::new(),
            Change::None,
        );
        let network = self.network.take().expect("replaced in one go");
        self.network = Some(self.optimizer.step(rate, network, own));
    }

    /// Takes the weights of tensors that were stored.
    pub fn load(&mut self, tensors: Vec<StoredTensor>, source: &str) -> Result<(), TrainError> {
        let network = N::load(&self.config, tensors, source, &self.device)?;
        self.network = Some(name_parameters(network, self.names.root));
        Ok(())
    }

    pub fn save(&self, files: &mut Files<'_>) -> Result<(), TrainError> {
        files.tensors(self.names.network, self.network().tensors())?;
        files.optimizer(self.names.optimizer, &self.optimizer)
    }

    pub fn restore(&mut self, folder: &Path) -> Result<(), TrainError> {
        let (tensors, source) = stored(folder, self.names.network)?;
        self.load(tensors, &source)?;
        // Through memory: Burn reads a file when a moment is first asked for, and by then the checkpoint
        // may have given way to a newer one.
        let path = folder.join(self.names.optimizer);
        let bytes = svg_store::read_file(&path).map_err(TrainError::system(&path))?;
        let optimizer = self.optimizer.clone();
        let optimizer = optimizer.from_bytes(Bytes::from_bytes_vec(bytes));
        self.optimizer = optimizer.map_err(unreadable(&path))?;
        Ok(())
    }
}

impl<N: Network> fmt::Debug for Player<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.names.root;
        f.debug_struct("Player").field("name", &name).finish()
    }
}

/// The tensors of a file in a checkpoint, and where they are from.
pub(crate) fn stored(folder: &Path, name: &str) -> Result<(Vec<StoredTensor>, String), TrainError> {
    let file = TensorFile::open(folder.join(name))?;
    let source = file.path().display().to_string();
    Ok((file.into_tensors(), source))
}
