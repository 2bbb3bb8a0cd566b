//! What all trainings are told alike.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use burn::prelude::*;
use clap::Args;
use svg_image::ImageSet;
use svg_train::run::RunOptions;

use crate::device::DeviceName;

/// Where a run is, and how it is to go on.
#[derive(Args)]
pub struct TrainingOptions {
    /// The folder of the run
    #[arg(long, value_name = "RUN")]
    pub out: PathBuf,
    /// Go on from the newest checkpoint of RUN
    #[arg(long)]
    pub resume: bool,
    /// Stop after so many steps, before those of the configuration
    #[arg(long, value_name = "N")]
    max_steps: Option<u64>,
    /// Go on although the pictures are not those that the run began with
    #[arg(long, requires = "resume")]
    force_data: bool,
    /// Threads that decode pictures; 0 for as many as the machine runs at once
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub workers: usize,
    /// More devices that share every batch with the first, as in cuda:1,cuda:2
    #[arg(long, value_delimiter = ',', value_name = "DEVICE")]
    replicas: Vec<DeviceName>,
}

impl TrainingOptions {
    pub fn of_run(&self) -> RunOptions {
        RunOptions {
            out: self.out.clone(),
            resume: self.resume,
            force_data: self.force_data,
            max_steps: self.max_steps,
        }
    }

    /// Opens the devices that share every batch with the first.
    ///
    /// # Errors
    ///
    /// As [`DeviceName::open`].
    pub fn open_replicas(&self) -> Result<Vec<Device>> {
        self.replicas.iter().map(|name| name.open()).collect()
    }
}

/// Pictures to judge by, where they are not those of the training.
pub fn validation_set(paths: &[PathBuf]) -> Result<Option<Arc<ImageSet>>> {
    match paths {
        [] => Ok(None),
        paths => Ok(Some(Arc::new(ImageSet::open(paths)?))),
    }
}
