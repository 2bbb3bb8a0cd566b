//! `svg import`: published checkpoints to bundles.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use svg_model::{
    Alignment, Bundle, Checkpoint, ENCODER, FLOW, FlowCheckpoint, LatentStatistics, NewFlow,
    NewSpace, Provenance, SPACE, StoredLatentStatistics, kinds,
};

use crate::commands::print;
use crate::device::DeviceOptions;
use crate::encoder::EncoderFile;

/// Turn published checkpoints into bundles
#[derive(Subcommand)]
pub enum Import {
    Autoencoder(ImportAutoencoder),
    Flow(ImportFlow),
}

/// Turn an autoencoder checkpoint of the published layout into a bundle
///
/// The frozen encoder is not copied: the bundle refers to the checkpoint that holds it, or to --encoder,
/// by path and fingerprint. Everything else of the checkpoint is kept, also what only training needs, so
/// that `svg export autoencoder` gives it back whole.
#[derive(Args)]
#[command(after_help = "Examples:
  svg import autoencoder svg_autoencoder_dinov3s16p_vit-s_epoch40.ckpt --out svg/
  svg import autoencoder decoder-only.safetensors --encoder dinov3.pth --out svg/
  svg align-stats --bundle svg/ --images photos/   # afterwards: freezes the alignment")]
pub struct ImportAutoencoder {
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

/// Put a velocity network of the published layout into a bundle
///
/// Reads {"ema": ...} of torch.save, or the same names in safetensors, and compares every tensor with the
/// network and its sizes with the bundle's features. Statistics of the published layout come with --stats.
/// Without them the bundle's own are taken to be the flow's.
#[derive(Args)]
#[command(after_help = "Examples:
  svg import flow 7000000.pt --bundle svg/ --stats dinov3_sp_stats.pt
  svg import flow flow.safetensors --bundle svg/")]
pub struct ImportFlow {
    /// A .pt or .safetensors file
    #[arg(value_name = "CHECKPOINT")]
    checkpoint: PathBuf,
    /// The model: a folder that `svg train` or `svg import` has written
    #[arg(long, value_name = "FOLDER")]
    bundle: PathBuf,
    /// The mean and deviation of each channel that the flow was trained with
    #[arg(long, value_name = "FILE")]
    stats: Option<PathBuf>,
}

impl Import {
    pub fn run(self, device: &DeviceOptions) -> Result<()> {
        match self {
            Self::Autoencoder(import) => import.run(device),
            Self::Flow(import) => import.run(device),
        }
    }
}

/// How a part came about that was read from a file.
fn imported(path: &Path) -> Provenance {
    Provenance {
        made_by: concat!("svg ", env!("CARGO_PKG_VERSION")).to_string(),
        source: format!("imported from {}", path.display()),
        ..Provenance::default()
    }
}

impl ImportAutoencoder {
    fn run(self, device: &DeviceOptions) -> Result<()> {
        let device = device.open_f32()?;
        let checkpoint = Checkpoint::open(&self.checkpoint)?;
        let from = self.checkpoint.display();
        let encoder_path: &Path = match &self.encoder {
            Some(path) => path,
            None if !checkpoint.encoder.is_empty() => &checkpoint.path,
            None => bail!("{from} holds no encoder; name its weights with --encoder"),
        };
        let encoder = EncoderFile::open(encoder_path, None, &device)
            .with_context(|| format!("the encoder in {}", encoder_path.display()))?;
        let (config, spec) = (&checkpoint.config, encoder.encoder.spec());
        if let Some(misfit) = config.misfit(spec.channels, spec.patch_size) {
            bail!("{from}: {misfit}");
        }
        checkpoint.check(&device)?;
        let space = NewSpace {
            config: config.clone(),
            tensors: checkpoint.autoencoder,
            statistics: None,
            rest: checkpoint.rest,
            provenance: imported(&self.checkpoint),
        };
        let part = encoder.part;
        let space = space.into_part(&part.fingerprint, spec.channels, spec.patch_size)?;
        let parts = [(ENCODER, part.into_part()?), (SPACE, space)];
        Bundle::create(&self.out, parts, self.force)?;
        let bundle = self.out.display();
        let (residual, decoder) = (config.residual_channels(), config.decoder.in_channels);
        let on = spec.name;
        println!("{bundle}: residual of {residual} channels, decoder of {decoder}, on {on}");
        let now = match config.alignment {
            _ if config.residual.is_none() => return Ok(()),
            Alignment::None => return Ok(()),
            Alignment::Batch => "It aligns by the statistics of each batch, as it was trained.",
            Alignment::Frozen => "Its alignment statistics do not travel in such files.",
        };
        println!(
            "{now} `svg align-stats --bundle {bundle} --images PATH` computes and freezes them."
        );
        Ok(())
    }
}

impl ImportFlow {
    fn run(self, device: &DeviceOptions) -> Result<()> {
        let mut bundle = Bundle::open(&self.bundle)?;
        let checkpoint = FlowCheckpoint::open(&self.checkpoint)?;
        bundle.check_flow(&checkpoint.spec(), &checkpoint.classes)?;
        let stats = match &self.stats {
            Some(path) => Some((LatentStatistics::open(path)?, path)),
            None => None,
        };
        checkpoint.check(&device.open_f32()?)?;
        if let Some((statistics, path)) = stats {
            bundle.set_latent_statistics(&StoredLatentStatistics {
                statistics,
                features: bundle.features_fingerprint(),
                tokens: 0,
                source: imported(path).source,
            })?;
        }
        let (config, spec) = (&checkpoint.config, checkpoint.spec());
        let flow = bundle.flow_part(NewFlow {
            kind: kinds::SIT,
            config,
            spec,
            tensors: checkpoint.tensors,
            classes: checkpoint.classes,
            provenance: imported(&self.checkpoint),
        })?;
        bundle.set_part(FLOW, flow)?;
        let folder = self.bundle.display();
        let mut text = format!(
            "{folder}: a flow of {} layers and {} channels, {} parameters, {} classes\n",
            config.n_layers,
            config.d_model,
            config.n_params(),
            config.n_classes
        );
        if bundle.latent_statistics()?.is_none() {
            text += &format!(
                "It has no latent statistics yet: give those of its training with --stats, or compute them with \
                 `svg stats --bundle {folder} --images PATH`.\n"
            );
        }
        print(&text)
    }
}
