//! `svg export`: bundles to published layouts.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::{Args, Subcommand};
use svg_dino::{DinoFile, Layout};
use svg_model::{
    Bundle, CONFIG_KEY, Checkpoint, CheckpointOptions, FLOW, FLOW_KEY, FlowCheckpoint, Registry,
    SPACE, dinov3, svg,
};
use svg_nn::{StoredTensor, save_tensors};

use crate::commands::bundle::with_encoder;
use crate::commands::checks::check_export;
use crate::commands::export_vae::ExportVae;
use crate::commands::outputs::Outputs;
use crate::commands::print;
use crate::device::DeviceOptions;

/// Write bundles in published layouts
#[derive(Subcommand)]
pub enum Export {
    Autoencoder(ExportAutoencoder),
    Flow(ExportFlow),
    Vae(ExportVae),
}

/// Write a bundle as an autoencoder checkpoint of the published layout
///
/// One safetensors file with the names of the checkpoint's state_dict: encoder, residual encoder,
/// decoder, and what the bundle keeps for training. PyTorch reads it with safetensors.torch.load_file.
#[derive(Args)]
#[command(after_help = "Examples:
  svg export autoencoder --bundle svg/ --out svg_autoencoder.safetensors")]
pub struct ExportAutoencoder {
    /// The model: a folder that `svg train` or `svg import` has written
    #[arg(long, value_name = "FOLDER")]
    bundle: PathBuf,
    /// The file to write
    #[arg(long, value_name = "FILE.safetensors")]
    out: PathBuf,
    /// The encoder's weights, where they are no longer at the place that the bundle remembers
    #[arg(long, value_name = "FILE")]
    encoder: Option<PathBuf>,
    /// Leave out the encoder
    #[arg(long)]
    without_encoder: bool,
}

/// Write a bundle's velocity network as a checkpoint of the published layout
///
/// One safetensors file with the names of the state_dict, positions included. PyTorch reads it with
/// safetensors.torch.load_file.
#[derive(Args)]
#[command(after_help = "Examples:
  svg export flow --bundle svg/ --out flow.safetensors")]
pub struct ExportFlow {
    /// The model: a folder that `svg train` or `svg import` has written
    #[arg(long, value_name = "FOLDER")]
    bundle: PathBuf,
    /// The file to write
    #[arg(long, value_name = "FILE.safetensors")]
    out: PathBuf,
}

impl Export {
    pub fn run(self, device: &DeviceOptions) -> Result<()> {
        match self {
            Self::Autoencoder(export) => export.run(device),
            Self::Flow(export) => export.run(),
            Self::Vae(export) => export.run(),
        }
    }
}

/// Writes a checkpoint that says under `key` what it is of.
fn save(out: &Path, tensors: &[StoredTensor], key: &str, description: String) -> Result<()> {
    let metadata = HashMap::from([
        ("format".to_string(), "pt".to_string()),
        (key.to_string(), description),
    ]);
    save_tensors(out, tensors, metadata)?;
    print(&format!("{}: {} tensors\n", out.display(), tensors.len()))
}

impl ExportAutoencoder {
    fn run(self, device: &DeviceOptions) -> Result<()> {
        check_export(&self.out)?;
        let outputs = Outputs::default().file("--out", [&self.out]);
        let outputs = outputs.bundle("--bundle", [&self.bundle]);
        outputs.reads("--encoder", &self.encoder).check()?;
        let bundle = Bundle::open(&self.bundle)?;
        let config = serde_json::to_string(&svg::space_config(&bundle)?)?;
        let mut tensors = bundle.tensors(SPACE, svg::AUTOENCODER)?.into_tensors();
        if bundle.file(SPACE, svg::TRAINING).is_some() {
            tensors.extend(bundle.tensors(SPACE, svg::TRAINING)?.into_tensors());
        }
        if !self.without_encoder {
            tensors.extend(self.encoder_tensors(&bundle, device)?);
        }
        save(&self.out, &tensors, CONFIG_KEY, config)
    }

    /// As they are stored where that is a checkpoint of this layout; otherwise in official names.
    fn encoder_tensors(
        &self,
        bundle: &Bundle,
        device: &DeviceOptions,
    ) -> Result<Vec<StoredTensor>> {
        let device = device.open_f32()?;
        let (registry, options) = (Registry::standard(), with_encoder(self.encoder.as_deref()));
        // Opening checks that they are the right ones.
        let (file, dino) = dinov3(&registry.opening(bundle, &options, &device))?;
        let inside = |checkpoint: &Checkpoint| {
            !checkpoint.encoder.is_empty() && checkpoint.encoder_key == file.key()
        };
        let around = file.key().strip_suffix("encoder").unwrap_or(file.key());
        let around = CheckpointOptions {
            key: Some(around.to_string()),
            ..CheckpointOptions::default()
        };
        let stored = match Checkpoint::open(file.path(), &around) {
            Ok(checkpoint) if inside(&checkpoint) => checkpoint.encoder,
            _ => DinoFile::of(&dino).tensors_in(Layout::Official),
        };
        let named = |mut tensor: StoredTensor| {
            tensor.name = format!("encoder.{}", tensor.name);
            tensor
        };
        Ok(stored.into_iter().map(named).collect())
    }
}

impl ExportFlow {
    fn run(self) -> Result<()> {
        check_export(&self.out)?;
        let outputs = Outputs::default().file("--out", [&self.out]);
        outputs.bundle("--bundle", [&self.bundle]).check()?;
        let bundle = Bundle::open(&self.bundle)?;
        let description = FlowCheckpoint::description(&bundle)?;
        let tensors = bundle.tensors(FLOW, FLOW)?.into_tensors();
        save(&self.out, &tensors, FLOW_KEY, description)
    }
}
