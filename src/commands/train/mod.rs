//! `svg train`: making models.

mod autoencoder;
mod document;
mod flow;
mod options;
pub mod watch;

pub use document::configuration;
pub use options::{TrainingOptions, names};
pub use watch::{Watch, report};

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::device::DeviceOptions;

/// Train models
#[derive(Args)]
pub struct Train {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    Autoencoder(autoencoder::TrainAutoencoder),
    Flow(flow::TrainFlow),
}

impl Train {
    pub fn run(self, device: &DeviceOptions) -> Result<std::process::ExitCode> {
        match self.what {
            What::Autoencoder(train) => train.run(device),
            What::Flow(train) => train.run(device),
        }
    }
}
