//! Where a training's configuration comes from.

use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::presets::Presets;

/// The configuration of a run in `out`: the one given for a new run, the run's own for one that goes on.
pub fn configuration<D: Presets + PartialEq>(
    given: Option<&str>,
    out: &Path,
    resume: bool,
) -> Result<D> {
    let own = out.join("config.json");
    let given: Option<D> = given.map(named_or_read).transpose()?;
    if !resume {
        return given.context("--config is needed to begin a run");
    }
    if !own.is_file() {
        let path = out.to_path_buf();
        return Err(svg_train::TrainError::NothingToResume { path }.into());
    }
    let stored = read(&own)?;
    match given.filter(|given| *given != stored) {
        None => Ok(stored),
        Some(_) => bail!(
            "--config differs from {}, with which the run began; leave it out, or begin another run",
            own.display()
        ),
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
