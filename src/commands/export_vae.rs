//! `svg export vae`: KL autoencoders of bundles to published layouts.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, ValueEnum};
use svg_model::{Bundle, SPACE, kl_vae};
use svg_nn::save_tensors;
use svg_store::write_json;
use svg_vae::{Layout, document, metadata, tensors_in};

use crate::commands::checks::check_export;
use crate::commands::outputs::Outputs;
use crate::commands::print;

/// Write a bundle's KL autoencoder in a published layout
///
/// One safetensors file with the names of diffusers or of latent diffusion. PyTorch reads it with
/// safetensors.torch.load_file. AutoencoderKL.from_pretrained wants a folder with diffusion_pytorch_model.safetensors and
/// config.json, which --config writes.
#[derive(Args)]
#[command(after_help = "Examples:
  svg export vae --bundle vavae/ --layout ldm --out vavae.safetensors
  svg export vae --bundle sd/ --out vae/diffusion_pytorch_model.safetensors --config vae/config.json")]
pub struct ExportVae {
    /// The model: a folder that `svg train` or `svg import` has written
    #[arg(long, value_name = "FOLDER")]
    bundle: PathBuf,
    /// The file to write
    #[arg(long, value_name = "FILE.safetensors")]
    out: PathBuf,
    /// Whose names
    #[arg(long, value_enum, default_value_t = Names::Diffusers)]
    layout: Names,
    /// Also write the configuration of diffusers
    #[arg(long, value_name = "FILE.json")]
    config: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Names {
    /// AutoencoderKL of diffusers
    Diffusers,
    /// Latent diffusion, VA-VAE, MAR
    Ldm,
}

impl ExportVae {
    pub fn run(self) -> Result<()> {
        check_export(&self.out)?;
        let outputs = Outputs::default().file("--out", [&self.out]);
        let outputs = outputs.file("--config", &self.config);
        outputs.bundle("--bundle", [&self.bundle]).check()?;
        let bundle = Bundle::open(&self.bundle)?;
        let config = kl_vae::config(&bundle)?;
        let layout = match self.layout {
            Names::Diffusers => Layout::Diffusers,
            Names::Ldm => Layout::Ldm,
        };
        let tensors = bundle.tensors(SPACE, kl_vae::VAE)?.into_tensors();
        let tensors = tensors_in(&config, tensors, layout);
        save_tensors(&self.out, &tensors, metadata(&config))?;
        if let Some(path) = &self.config {
            write_json(path, &document(&config))?;
        }
        print(&format!(
            "{}: {} tensors\n",
            self.out.display(),
            tensors.len()
        ))
    }
}
