//! `svg import vae`: published KL autoencoders to bundles.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use svg_model::kl_vae::NewKlVae;
use svg_model::{Bundle, LatentStatistics};
use svg_nn::SIDE;
use svg_roles::LatentSpace;
use svg_vae::{KlVaeFile, KlVaeOptions};

use crate::commands::import::imported;
use crate::commands::outputs::Outputs;
use crate::commands::print;
use crate::device::DeviceOptions;
use crate::encoder::say;
use crate::ranges::within;

/// Turn a KL autoencoder, such as SD-VAE or VA-VAE, into a bundle
///
/// Reads AutoencoderKL of diffusers (a folder with config.json, or one file), and the layout of latent diffusion, VA-VAE
/// and MAR (.ckpt, .pt or .safetensors). Latents are scaled as config.json, --scale or --stats say; where nothing says
/// it and the sizes are those of a published autoencoder, its scale is assumed and printed. Losses and what VA-VAE was
/// aligned with are left. The bundle needs no frozen encoder.
#[derive(Args)]
#[command(after_help = "Examples:
  svg import vae sd-vae-ft-ema/ --out sd/
  svg import vae vae-ft-mse-840000-ema-pruned.ckpt --scale 0.18215 --out sd/
  svg import vae vavae-imagenet256-f16d32-dinov2.pt --stats latents_stats.pt --out vavae/
  svg import vae kl16.ckpt --scale 0.2325 --out mar/
  svg reconstruct --bundle sd/ --images photos/ --out pairs/   # afterwards")]
pub struct ImportVae {
    /// A folder of diffusers, or a .ckpt, .pt or .safetensors file
    #[arg(value_name = "CHECKPOINT")]
    checkpoint: PathBuf,
    /// The folder to write
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// Which network of the checkpoint, where it holds several: the names before its tensors, such as ema or
    /// state_dict [default: averaged weights, where there are any]
    #[arg(long, value_name = "KEY")]
    weights_key: Option<String>,
    /// Number of groups of the norms, where no config.json says it [default: 32]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    norm_groups: Option<u16>,
    /// What latents are multiplied by, where no config.json says it
    #[arg(long, value_name = "FACTOR", value_parser = within(1e-6..=1e6), conflicts_with = "stats")]
    scale: Option<f64>,
    /// The mean and deviation of each channel that latents are normalised by, such as latents_stats.pt of VA-VAE
    #[arg(long, value_name = "FILE")]
    stats: Option<PathBuf>,
    /// Side of the images that it was made for, in pixels [default: as config.json says, else 256]
    #[arg(long, value_name = "PIXELS", value_parser = within(SIDE))]
    size: Option<usize>,
    /// Replace a bundle that is there, at one moment; other files in its folder stay
    #[arg(long)]
    force: bool,
}

impl ImportVae {
    pub fn run(self, device: &DeviceOptions) -> Result<()> {
        let outputs = Outputs::default().exchanged("--out", [&self.out]);
        let outputs = outputs.reads("CHECKPOINT", [&self.checkpoint]);
        outputs.reads("--stats", &self.stats).check()?;
        let statistics = self.stats.as_deref().map(LatentStatistics::open);
        let statistics = statistics.transpose()?;
        let options = KlVaeOptions {
            key: self.weights_key,
            norm_groups: self.norm_groups.map(usize::from),
            scale: self.scale,
            statistics: statistics.map(|found| (found.mean, found.std)),
            resolution: self.size,
        };
        let file = KlVaeFile::open(&self.checkpoint, &options)?;
        // Names, shapes and numbers, before anything is written.
        let vae = file.load(&device.open_f32()?)?;
        say(&file.path, &file.notes);
        let (geometry, patch) = (vae.geometry(), file.config.downsampling());
        let scale = match &file.config.scale[..] {
            [scale] => format!("scaled by {scale}"),
            scales => format!("normalised by {} means and deviations", scales.len()),
        };
        let space = NewKlVae {
            config: file.config,
            tensors: file.tensors,
            provenance: imported(&self.checkpoint, file.notes),
        };
        Bundle::create(&self.out, space.into_parts()?, self.force)?;
        let [rows, columns] = geometry.grid();
        print(&format!(
            "{}: latents of {} channels on {rows} x {columns} tokens of {patch} pixels, {scale}\n",
            self.out.display(),
            geometry.channels
        ))
    }
}
