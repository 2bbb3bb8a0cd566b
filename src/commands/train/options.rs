//! What all trainings are told alike.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use burn::prelude::*;
use clap::Args;
use svg_image::ImageSet;
use svg_store::json_differences;
use svg_train::run::{RunOptions, Training};

use crate::commands::outputs::Outputs;
use crate::commands::pictures::ReadingOptions;
use crate::device::DeviceName;
use crate::presets::Presets;
use crate::ranges::{WORKERS, within};

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
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max_steps: Option<u64>,
    /// Go on although the pictures are not those that the run began with
    #[arg(long, requires = "resume")]
    force_data: bool,
    /// Seconds from a signal that asks for an end (Ctrl-C, SIGTERM, SIGHUP) to the end of the process, whether or not
    /// the step was finished and its checkpoint written by then [default: as long as that takes]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    grace: Option<u32>,
    /// Threads that decode pictures; 0 for as many as the machine runs at once
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = within(WORKERS))]
    pub workers: usize,
    /// More devices that share every batch with the first, as in cuda:1,cuda:2
    #[arg(long, value_delimiter = ',', value_name = "DEVICE")]
    replicas: Vec<DeviceName>,
    #[command(flatten)]
    pub reading: ReadingOptions,
}

impl TrainingOptions {
    /// The configuration of the run: the one given for a new run, the run's own for one that goes on.
    pub fn configuration<D: Presets>(&self, given: Option<&str>) -> Result<D> {
        let own = self.out.join("config.json");
        let given: Option<D> = given.map(named_or_read).transpose()?;
        if !self.resume {
            return given.context("--config is needed to begin a run");
        }
        if !own.is_file() {
            let path = self.out.clone();
            return Err(svg_train::TrainError::NothingToResume { path }.into());
        }
        let stored = read_training(&own)?;
        let value = |config: &D| serde_json::to_value(config);
        let differences = match &given {
            Some(given) => {
                json_differences(&value(&stored)?, "there", &value(given)?, "in --config")
            }
            None => None,
        };
        if let Some(differences) = differences {
            bail!(
                "--config differs from {}, with which the run began: {differences}. Leave it out, or begin another \
                 run",
                own.display()
            );
        }
        Ok(stored)
    }

    /// How long a process that was asked to end may take.
    pub fn grace(&self) -> Option<Duration> {
        self.grace
            .map(|seconds| Duration::from_secs(seconds.into()))
    }

    pub fn of_run(&self) -> RunOptions {
        RunOptions {
            resume: self.resume,
            force_data: self.force_data,
            max_steps: self.max_steps,
            ..RunOptions::new(&self.out)
        }
    }

    /// The outputs of a training that ends with a bundle.
    pub fn written_by<'a>(&self, outputs: Outputs<'a>) -> Outputs<'a> {
        let outputs = outputs.folder("--out", [&self.out]);
        outputs.exchanged("--out", [self.out.join("bundle")])
    }

    /// Pictures to judge by, where they are not those of the training.
    pub fn validation_set(&self, paths: &[PathBuf]) -> Result<Option<Arc<ImageSet>>> {
        match paths {
            [] => Ok(None),
            paths => Ok(Some(self.reading.open_set(paths)?)),
        }
    }

    /// Where the pictures to train on are, for the model.
    pub fn data_name(&self, paths: &[PathBuf]) -> String {
        format!("trained on {}", self.reading.names(paths))
    }

    /// Opens the devices that share every batch with the first.
    pub fn open_replicas(&self) -> Result<Vec<Device>> {
        self.replicas.iter().map(|name| name.open()).collect()
    }
}

fn named_or_read<D: Presets>(config: &str) -> Result<D> {
    if let Some(preset) = D::preset(config) {
        return Ok(preset);
    }
    let path = Path::new(config);
    if !path.exists() {
        let names: Vec<_> = D::preset_names().collect();
        let names = names.join(", ");
        bail!("--config {config} is no file, and none of {names}");
    }
    read_training(path)
}

pub fn read_training<D: Training>(path: &Path) -> Result<D> {
    let text = svg_store::read_text(path).with_context(|| path.display().to_string())?;
    D::from_json(&text).map_err(|reason| anyhow::anyhow!("{}: {reason}", path.display()))
}
