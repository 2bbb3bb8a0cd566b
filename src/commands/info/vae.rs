//! Files of KL autoencoders.

use std::path::Path;

use anyhow::Result;
use svg_vae::{KlVaeFile, KlVaeOptions, Layout};

use super::bundle::tokens;
use super::kind::taken;
use super::{Look, count, grouped};

/// Says what the file holds, and opens it as `svg import vae` would.
pub fn describe(path: &Path, look: &mut Look) -> Result<()> {
    let options = KlVaeOptions {
        key: look.hints.key.map(str::to_string),
        ..KlVaeOptions::default()
    };
    let file = KlVaeFile::open(path, &options)?;
    let config = &file.config;
    look.row("architecture", "KL autoencoder, for `svg import vae`")?;
    look.row("parameters", grouped(count(&file.tensors)))?;
    let names = match file.layout {
        Layout::Diffusers => "AutoencoderKL of diffusers",
        Layout::Ldm => "latent diffusion",
    };
    look.row("names", names)?;
    let geometry = config.geometry();
    let latents = tokens(geometry.channels, geometry.grid());
    let [height, width] = geometry.image;
    look.row(
        "latents",
        format!("{latents} for images of {height} x {width}"),
    )?;
    let scale = match &config.scale[..] {
        [scale] => format!("by {scale}"),
        scales => format!("each of {} channels by itself", scales.len()),
    };
    look.row("scaled", scale)?;
    for note in &file.notes {
        look.row("note", note)?;
    }
    look.row("taken", taken(&file.tensors))?;
    match look.brief {
        true => Ok(()),
        false => {
            file.load(&look.device.open_f32()?)?;
            Ok(())
        }
    }
}
