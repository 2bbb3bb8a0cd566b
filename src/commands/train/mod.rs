//! `svg train`: making models.

mod autoencoder;
mod watch;

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
}

impl Train {
    pub fn run(self, device: &DeviceOptions) -> Result<std::process::ExitCode> {
        match self.what {
            What::Autoencoder(train) => train.run(device),
        }
    }
}
