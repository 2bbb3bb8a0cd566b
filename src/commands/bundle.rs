//! Options of the commands that work on a bundle.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Result, ensure};
use burn::prelude::*;
use clap::{Args, ValueEnum};
use svg_model::{Alignment, Bundle, OpenOptions, Registry};
use svg_roles::LatentSpace;

use crate::commands::outputs::Outputs;
use crate::progress::status;

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

impl From<Align> for Alignment {
    fn from(align: Align) -> Self {
        match align {
            Align::Frozen => Self::Frozen,
            Align::Batch => Self::Batch,
        }
    }
}

/// How parts of a bundle are opened if its encoder is elsewhere.
pub fn with_encoder(encoder: Option<&Path>) -> OpenOptions {
    OpenOptions {
        encoder: encoder.map(Path::to_path_buf),
        ..OpenOptions::default()
    }
}

impl BundleOptions {
    /// The outputs of a command that reads the bundle and its encoder.
    pub fn read_by<'a>(&self, outputs: Outputs<'a>) -> Outputs<'a> {
        let outputs = outputs.bundle("--bundle", [&self.bundle]);
        outputs.reads("--encoder", &self.encoder)
    }

    /// The bundle. Its files are checked before their tensors are used, and while they are loaded.
    pub fn open(&self) -> Result<Bundle> {
        Ok(Bundle::open_checking(&self.bundle)?)
    }

    /// The bundle, for a command that ends with a change of it and lets nobody else change it meanwhile; for a dry
    /// run as [`open`](Self::open).
    pub fn open_to_change(&self, dry_run: bool) -> Result<Bundle> {
        match dry_run {
            true => self.open(),
            false => Ok(Bundle::open_to_change(&self.bundle)?),
        }
    }

    pub fn options(&self) -> OpenOptions {
        with_encoder(self.encoder.as_deref())
    }

    /// The space of its features, aligned as asked for or in its own way.
    pub fn space(
        &self,
        bundle: &Bundle,
        align: Option<Align>,
        device: &Device,
    ) -> Result<Arc<dyn LatentSpace>> {
        let options = OpenOptions {
            alignment: align.map(Alignment::from),
            ..self.options()
        };
        let space = Registry::standard().space(bundle, &options, device)?;
        if align.is_none() && space.depends_on_batch() {
            status!(
                "note: this bundle aligns by the statistics of each batch, so an image's features depend \
                 on its neighbours; `svg align-stats` freezes them"
            );
        }
        Ok(space)
    }

    /// As [`space`](Self::space), for what is kept of each picture by itself. Features that depend on the
    /// batch are an error; `what` says what cannot be had of such.
    pub fn space_of_single_images(
        &self,
        bundle: &Bundle,
        what: &str,
        device: &Device,
    ) -> Result<Arc<dyn LatentSpace>> {
        let space = Registry::standard().space(bundle, &self.options(), device)?;
        let bundle = self.bundle.display();
        ensure!(
            !space.depends_on_batch(),
            "{bundle} aligns by the statistics of each batch, so {what}; freeze them with `svg align-stats \
             --bundle {bundle} --images PATH` first"
        );
        Ok(space)
    }
}
