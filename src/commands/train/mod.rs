//! `svg train`: making models.

mod autoencoder;
mod flow;
mod options;
pub mod watch;

pub use options::{TrainingOptions, read_training};
pub use watch::watched;

use anyhow::Result;
use clap::Subcommand;

use crate::device::DeviceOptions;

/// Train models
#[derive(Subcommand)]
pub enum Train {
    Autoencoder(autoencoder::TrainAutoencoder),
    Flow(flow::TrainFlow),
}

impl Train {
    pub fn run(self, device: &DeviceOptions) -> Result<()> {
        match self {
            Self::Autoencoder(train) => train.run(device),
            Self::Flow(train) => train.run(device),
        }
    }
}
