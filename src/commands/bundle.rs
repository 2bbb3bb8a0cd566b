//! Options of the commands that work on a bundle.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use burn::prelude::*;
use clap::{Args, ValueEnum};
use svg_dino::Dino;
use svg_model::{Alignment, Bundle, ModelError, SvgAutoencoder};

/// A bundle and the encoder that it refers to.
#[derive(Args, Clone, Debug)]
pub struct BundleOptions {
    /// The model: a folder that `svg train` or `svg import` has written
    #[arg(long, value_name = "FOLDER")]
    pub bundle: PathBuf,
    /// The encoder's weights, where they are no longer at the place that the bundle remembers
    #[arg(long, value_name = "FILE")]
    pub encoder: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Align {
    /// Stored statistics: an image's features are its own
    Frozen,
    /// Those of each batch, as in the published code
    Batch,
}

impl BundleOptions {
    pub fn open(&self) -> Result<Bundle> {
        Ok(Bundle::open(&self.bundle)?)
    }

    /// The whole model, aligned as asked for or as the bundle says.
    pub fn load(&self, align: Option<Align>, device: &Device) -> Result<SvgAutoencoder<Dino>> {
        let bundle = self.open()?;
        let mut model = bundle.load(self.encoder.as_deref(), device)?;
        let alignment = match align {
            None => model.encoder.alignment(),
            Some(Align::Frozen) => Alignment::Frozen,
            Some(Align::Batch) => Alignment::Batch,
        };
        model.encoder = model.encoder.with_alignment(alignment);
        if !model.encoder.is_ready() {
            let path = self.bundle.clone();
            return Err(ModelError::NoStatistics { path }.into());
        }
        if align.is_none() && alignment == Alignment::Batch && model.encoder.residual.is_some() {
            eprintln!(
                "note: this bundle aligns by the statistics of each batch, so an image's features depend \
                 on its neighbours; `svg align-stats` freezes them"
            );
        }
        Ok(model)
    }
}

/// Rows and columns of an image side in patches, or what to say instead.
pub fn check_size(size: u32, patch: usize) -> Result<()> {
    let patch = patch as u32;
    if size == 0 || !size.is_multiple_of(patch) {
        let below = (size / patch).max(1) * patch;
        bail!("--size {size} is no multiple of the patch size {patch}; try {below}");
    }
    Ok(())
}

/// Makes the folder of a file that will be written, so that hours of work do not end at a typo.
pub fn prepare_output(path: &std::path::Path, option: &str) -> Result<()> {
    if path.is_dir() {
        bail!("{option} {} is a folder; name a file", path.display());
    }
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => std::path::Path::new("."),
    };
    std::fs::create_dir_all(folder)
        .with_context(|| format!("{option}: cannot make {}", folder.display()))?;
    let probe = tempfile_probe(folder);
    probe.with_context(|| format!("{option} {} cannot be written", path.display()))
}

fn tempfile_probe(folder: &std::path::Path) -> Result<()> {
    let probe = folder.join(".svg-write-test");
    svg_image::write_atomically(&probe, |_| Ok(()))?;
    let _ = std::fs::remove_file(probe);
    Ok(())
}
