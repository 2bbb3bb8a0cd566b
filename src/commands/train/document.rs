//! Where a training's configuration comes from.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use super::options::TrainingOptions;
use crate::presets::Presets;

impl TrainingOptions {
    /// The configuration of the run: the one given for a new run, the run's own for one that goes on.
    pub fn configuration<D: Presets + PartialEq>(&self, given: Option<&str>) -> Result<D> {
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

fn named_or_read<D: Presets>(config: &str) -> Result<D> {
    if let Some(preset) = D::preset(config) {
        return Ok(preset);
    }
    let path = Path::new(config);
    if !path.exists() {
        let names: Vec<_> = D::preset_names().collect();
        bail!(
            "--config {config} is no file, and none of {}",
            names.join(", ")
        );
    }
    read(path)
}

fn read<D: Presets>(path: &Path) -> Result<D> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    D::from_json(&text).map_err(|reason| anyhow::anyhow!("{}: {reason}", path.display()))
}
