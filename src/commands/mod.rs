//! One file for each command: words to configurations, then one call.

mod convert;
mod features;
mod info;

use std::path::Path;

use anyhow::{Context, Result};
use clap::Subcommand;
use svg_dino::{DinoConfig, DinoError, DinoFile};

use crate::device::DeviceOptions;

#[derive(Subcommand)]
pub enum Command {
    Features(features::Features),
    Info(info::Info),
    Convert(convert::Convert),
}

impl Command {
    pub fn run(self, device: &DeviceOptions) -> Result<()> {
        match self {
            Self::Features(command) => command.run(device),
            Self::Info(command) => command.run(),
            Self::Convert(command) => command.run(),
        }
    }
}

/// Opens DINOv3 weights, as the model of that name if one is given.
fn open_weights(path: &Path, model: Option<&str>) -> Result<DinoFile> {
    let Some(name) = model else {
        return DinoFile::open(path).map_err(|error| match error {
            DinoError::Architecture { .. } => anyhow::anyhow!("{error}; or name it with --model"),
            other => other.into(),
        });
    };
    let config = DinoConfig::preset(name).with_context(|| {
        let known: Vec<_> = DinoConfig::preset_names().collect();
        format!("--model {name} is unknown; known are {}", known.join(", "))
    })?;
    Ok(DinoFile::open_as(path, config)?)
}
