//! `svg import`: published checkpoints to bundles.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use svg_model::{
    Alignment, Bundle, Checkpoint, CheckpointOptions, ENCODER, FLOW, FlowCheckpoint, LATENTS,
    LatentStatistics, NewFlow, NewSpace, Provenance, SPACE, StoredLatentStatistics, kinds,
};
use svg_nn::CLASSES;

use crate::commands::import_vae::ImportVae;
use crate::commands::outputs::Outputs;
use crate::commands::print;
use crate::device::DeviceOptions;
use crate::encoder::{EncoderFile, Hints, say};
use crate::ranges::within;

/// Turn published checkpoints into bundles
#[derive(Subcommand)]
pub enum Import {
    Autoencoder(ImportAutoencoder),
    Flow(ImportFlow),
    Vae(ImportVae),
}

/// Turn an autoencoder checkpoint of the published layout into a bundle
///
/// The frozen encoder is not copied: the bundle refers to the checkpoint that holds it, or to --encoder,
/// by path and fingerprint. Everything else of the model is kept, also what only training needs, so
/// that `svg export autoencoder` gives it back whole; tensors of unknown parts are an error. Where the checkpoint
/// has averaged weights, those are taken. What is taken and what is left is printed and stored in the bundle.
#[derive(Args)]
#[command(after_help = "Examples:
  svg import autoencoder svg_autoencoder_dinov3s16p_vit-s_epoch40.ckpt --out svg/
  svg import autoencoder decoder-only.safetensors --encoder dinov3.pth --out svg/
  svg import autoencoder last.ckpt --weights-key state_dict --out svg/   # not the averaged weights
  svg align-stats --bundle svg/ --images photos/   # afterwards: freezes the alignment")]
pub struct ImportAutoencoder {
    /// A .ckpt, .pt or .safetensors file
    #[arg(value_name = "CHECKPOINT")]
    checkpoint: PathBuf,
    /// The folder to write
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// Which network of the checkpoint, where it holds several: the names before its tensors, such as ema or
    /// state_dict [default: averaged weights, where there are any]
    #[arg(long, value_name = "KEY")]
    weights_key: Option<String>,
    /// Number of groups of the decoder's norms, where neither the file nor a manifest beside it says it [default: 32]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    norm_groups: Option<u16>,
    /// The encoder's weights, where the checkpoint does not hold them
    #[arg(long, value_name = "FILE")]
    encoder: Option<PathBuf>,
    /// Which network of the file of --encoder, where it holds several
    #[arg(long, value_name = "KEY", requires = "encoder")]
    encoder_key: Option<String>,
    /// Replace a bundle that is there, at one moment; other files in its folder stay
    #[arg(long)]
    force: bool,
}

/// Put a velocity network of the published layout into a bundle
///
/// Reads {"ema": ...} of torch.save and other checkpoints of trainings, or the same names in safetensors, and
/// compares every tensor with the network and its sizes with the bundle's features. Averaged weights are taken
/// where there are any; what is taken and what is left is printed and stored in the bundle. Statistics of the
/// published layout come with --stats, and take their place together with the flow. Without them the bundle's own
/// are taken to be the flow's.
#[derive(Args)]
#[command(after_help = "Examples:
  svg import flow V1-SVG-XL-7000K-256x256.pt --bundle svg/ --stats dinov3_sp_stats.pt
  svg import flow flow.safetensors --bundle svg/
  svg import flow last.ckpt --bundle svg/ --weights-key state_dict.model   # not the averaged weights")]
pub struct ImportFlow {
    /// A .pt or .safetensors file
    #[arg(value_name = "CHECKPOINT")]
    checkpoint: PathBuf,
    /// The model: a folder that `svg train` or `svg import` has written
    #[arg(long, value_name = "FOLDER")]
    bundle: PathBuf,
    /// Which network of the checkpoint, where it holds several: the names before its tensors, such as ema or
    /// model [default: averaged weights, where there are any]
    #[arg(long, value_name = "KEY")]
    weights_key: Option<String>,
    /// Number of classes, where nothing tells whether the label table has a row for no class
    #[arg(long, value_name = "N", value_parser = within(CLASSES))]
    classes: Option<usize>,
    /// The mean and deviation of each channel that the flow was trained with
    #[arg(long, value_name = "FILE")]
    stats: Option<PathBuf>,
}

impl Import {
    pub fn run(self, device: &DeviceOptions) -> Result<()> {
        match self {
            Self::Autoencoder(import) => import.run(device),
            Self::Flow(import) => import.run(device),
            Self::Vae(import) => import.run(device),
        }
    }
}

/// How a part came about that was read from a file.
pub fn imported(path: &Path, notes: Vec<String>) -> Provenance {
    Provenance {
        made_by: concat!("svg ", env!("CARGO_PKG_VERSION")).to_string(),
        source: format!("imported from {}", path.display()),
        notes,
        ..Provenance::default()
    }
}

impl ImportAutoencoder {
    fn run(self, device: &DeviceOptions) -> Result<()> {
        let outputs = Outputs::default().exchanged("--out", [&self.out]);
        let outputs = outputs.reads("CHECKPOINT", [&self.checkpoint]);
        outputs.reads("--encoder", &self.encoder).check()?;
        let device = device.open_f32()?;
        let options = CheckpointOptions {
            key: self.weights_key.clone(),
            norm_groups: self.norm_groups.map(usize::from),
        };
        let checkpoint = Checkpoint::open(&self.checkpoint, &options)?;
        let from = self.checkpoint.display();
        let (encoder_path, key): (&Path, _) = match &self.encoder {
            Some(path) => (path, self.encoder_key.as_deref()),
            None if !checkpoint.encoder.is_empty() => {
                (&checkpoint.path, Some(checkpoint.encoder_key.as_str()))
            }
            None => bail!("{from} holds no encoder; name its weights with --encoder"),
        };
        let hints = Hints { model: None, key };
        let encoder = EncoderFile::open(encoder_path, hints, &device)
            .with_context(|| format!("the encoder in {}", encoder_path.display()))?;
        let (config, spec) = (&checkpoint.config, encoder.encoder.spec());
        if let Some(misfit) = config.misfit(spec.channels, spec.patch_size) {
            bail!("{from}: {misfit}");
        }
        checkpoint.check(&device)?;
        say(&checkpoint.path, &checkpoint.notes);
        let notes = checkpoint.notes;
        let space = NewSpace {
            config: config.clone(),
            tensors: checkpoint.autoencoder,
            statistics: None,
            rest: checkpoint.rest,
            provenance: imported(&self.checkpoint, notes),
        };
        let part = encoder.part;
        let space = space.into_part(&part.fingerprint, spec.channels, spec.patch_size)?;
        let parts = [(ENCODER, part.into_part()?), (SPACE, space)];
        Bundle::create(&self.out, parts, self.force)?;
        let bundle = self.out.display();
        let (residual, decoder) = (config.residual_channels(), config.decoder.in_channels);
        let on = spec.name;
        print(&format!(
            "{bundle}: residual of {residual} channels, decoder of {decoder}, on {on}\n"
        ))?;
        let now = match config.alignment {
            _ if config.residual.is_none() => return Ok(()),
            Alignment::None => return Ok(()),
            Alignment::Batch => "It aligns by the statistics of each batch, as it was trained.",
            Alignment::Frozen => "Its alignment statistics do not travel in such files.",
        };
        print(&format!(
            "{now} `svg align-stats --bundle {bundle} --images PATH` computes and freezes them.\n"
        ))
    }
}

impl ImportFlow {
    fn run(self, device: &DeviceOptions) -> Result<()> {
        let mut bundle = Bundle::open_to_change(&self.bundle)?;
        let (key, classes) = (self.weights_key.as_deref(), self.classes);
        let checkpoint = FlowCheckpoint::open(&self.checkpoint, key, classes)?;
        bundle.check_flow(&checkpoint.spec(), &checkpoint.classes)?;
        let stats = match &self.stats {
            Some(path) => Some((LatentStatistics::open(path)?, path)),
            None => None,
        };
        checkpoint.check(&device.open_f32()?)?;
        say(&checkpoint.path, &checkpoint.notes);
        let (config, spec) = (&checkpoint.config, checkpoint.spec());
        let flow = NewFlow {
            kind: kinds::SIT,
            config,
            spec,
            tensors: checkpoint.tensors,
            classes: checkpoint.classes,
            provenance: imported(&self.checkpoint, checkpoint.notes),
        };
        let parts = match stats {
            None => vec![(FLOW, bundle.flow_part(flow)?)],
            Some((statistics, path)) => {
                let flow = bundle.flow_part_on(flow, Some(&statistics))?;
                let latents = bundle.latents_part(&StoredLatentStatistics {
                    statistics,
                    features: bundle.features_fingerprint(),
                    tokens: 0,
                    source: imported(path, vec![]).source,
                })?;
                vec![(LATENTS, latents), (FLOW, flow)]
            }
        };
        bundle.exchange(parts)?;
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
