//! Where a training's configuration comes from.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use svg_train::autoencoder::AutoencoderTraining;
use svg_train::flow::FlowTraining;
use svg_train::pretrain::Pretraining;

use super::options::TrainingOptions;

/// A training as a document with presets.
pub trait Document: PartialEq + Sized {
    fn preset(name: &str) -> Option<Self>;
    fn preset_names() -> Vec<&'static str>;
    fn from_json(text: &str) -> Result<Self, String>;
}

macro_rules! documents {
    ($($training:ty),*) => {$(
        impl Document for $training {
            fn preset(name: &str) -> Option<Self> {
                Self::preset(name)
            }
            fn preset_names() -> Vec<&'static str> {
                Self::preset_names().collect()
            }
            fn from_json(text: &str) -> Result<Self, String> {
                Self::from_json(text)
            }
        }
    )*};
}

documents!(Pretraining, AutoencoderTraining, FlowTraining);

impl TrainingOptions {
    /// The configuration of the run: the one given for a new run, the run's own for one that goes on.
    pub fn configuration<D: Document>(&self, given: Option<&str>) -> Result<D> {
        let own = self.out.join("config.json");
        let given: Option<D> = given.map(named_or_read).transpose()?;
        if !self.resume {
            return given.context("--config is needed to begin a run");
        }
        if !own.is_file() {
            let path = self.out.clone();
            return Err(svg_train::TrainError::NothingToResume { path }.into());
        }
        let stored = read(&own)?;
        ensure!(
            given.is_none_or(|given| given == stored),
            "--config differs from {}, with which the run began; leave it out, or begin another run",
            own.display()
        );
        Ok(stored)
    }
}

fn named_or_read<D: Document>(config: &str) -> Result<D> {
    if let Some(preset) = D::preset(config) {
        return Ok(preset);
    }
    let path = Path::new(config);
    if !path.exists() {
        bail!(
            "--config {config} is no file, and none of {}",
            D::preset_names().join(", ")
        );
    }
    read(path)
}

fn read<D: Document>(path: &Path) -> Result<D> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    D::from_json(&text).map_err(|reason| anyhow::anyhow!("{}: {reason}", path.display()))
}
