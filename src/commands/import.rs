//! `svg import`: published checkpoints to bundles.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use svg_model::{Alignment, Bundle, Checkpoint, ENCODER, NewSpace, Provenance, SPACE};

use crate::commands::import_flow::ImportFlow;
use crate::device::DeviceOptions;
use crate::encoder::EncoderFile;

/// Turn published checkpoints into bundles
#[derive(Args)]
pub struct Import {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    Autoencoder(ImportAutoencoder),
    Flow(ImportFlow),
}

/// Turn an autoencoder checkpoint of the published layout into a bundle
///
/// The frozen encoder is not copied: the bundle refers to the checkpoint that holds it, or to --encoder,
/// by path and fingerprint. Everything else of the checkpoint is kept, also what only training needs, so
/// that `svg export autoencoder` gives it back whole.
#[derive(Args)]
#[command(after_help = "\
Examples:
  svg import autoencoder svg_autoencoder_dinov3s16p_vit-s_epoch40.ckpt --out svg/
  svg import autoencoder decoder-only.safetensors --encoder dinov3.pth --out svg/
  svg align-stats --bundle svg/ --images photos/   # afterwards: freezes the alignment")]
struct ImportAutoencoder {
    /// A .ckpt, .pt or .safetensors file
    #[arg(value_name = "CHECKPOINT")]
    checkpoint: PathBuf,
    /// The folder to write
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// The encoder's weights, where the checkpoint does not hold them
    #[arg(long, value_name = "FILE")]
    encoder: Option<PathBuf>,
    /// Replace a bundle that is there
    #[arg(long)]
    force: bool,
}

impl Import {
    pub fn run(self, device: &DeviceOptions) -> Result<()> {
        match self.what {
            What::Autoencoder(import) => import.run(device),
            What::Flow(import) => import.run(device),
        }
    }
}

impl ImportAutoencoder {
    fn run(self, device: &DeviceOptions) -> Result<()> {
        let device = device.open_f32()?;
        let checkpoint = Checkpoint::open(&self.checkpoint)?;
        let encoder_path: &Path = match &self.encoder {
            Some(path) => path,
            None if !checkpoint.encoder.is_empty() => &checkpoint.path,
            None => bail!(
                "{} holds no encoder; name its weights with --encoder",
                self.checkpoint.display()
            ),
        };
        let encoder = EncoderFile::open(encoder_path, None, &device)
            .with_context(|| format!("the encoder in {}", encoder_path.display()))?;
        let (config, spec) = (&checkpoint.config, encoder.spec());
        if let Some(misfit) = config.misfit(spec.channels, spec.patch_size) {
            bail!("{}: {misfit}", self.checkpoint.display());
        }
        checkpoint.check(&device)?;
        let space = NewSpace {
            config: config.clone(),
            tensors: checkpoint.autoencoder,
            statistics: None,
            rest: checkpoint.rest,
            provenance: Provenance {
                made_by: concat!("svg ", env!("CARGO_PKG_VERSION")).to_string(),
                source: format!("imported from {}", self.checkpoint.display()),
                ..Provenance::default()
            },
        };
        let space = space.into_part(encoder.fingerprint(), spec.channels, spec.patch_size)?;
        let parts = [(ENCODER, encoder.part.into_part()?), (SPACE, space)];
        Bundle::create(&self.out, parts, self.force)?;
        println!(
            "{}: residual of {} channels, decoder of {}, on {}",
            self.out.display(),
            config.residual_channels(),
            config.decoder.in_channels,
            spec.name
        );
        let now = match config.alignment {
            _ if config.residual.is_none() => None,
            Alignment::None => None,
            Alignment::Batch => {
                Some("It aligns by the statistics of each batch, as it was trained.")
            }
            Alignment::Frozen => Some("Its alignment statistics do not travel in such files."),
        };
        if let Some(now) = now {
            let bundle = self.out.display();
            println!(
                "{now} `svg align-stats --bundle {bundle} --images PATH` computes and freezes them."
            );
        }
        Ok(())
    }
}
