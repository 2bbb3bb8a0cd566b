//! Options of the commands that work on a bundle.

use std::path::PathBuf;

use anyhow::Result;
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
