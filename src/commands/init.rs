//! `svg init`: weights of one's own.

use std::path::PathBuf;

use anyhow::{Result, bail};
use burn::module::Module;
use clap::{Args, Subcommand};
use svg_dino::{DinoConfig, DinoFile, FeedForwardKind, Layout, RopePeriods};
use svg_nn::draw_parameters;

use crate::commands::checks::check_ending;
use crate::commands::outputs::Outputs;
use crate::device::DeviceOptions;

/// Draw random weights
#[derive(Subcommand)]
pub enum Init {
    Encoder(InitEncoder),
}

/// Draw a frozen encoder of any size, to try the method without gated weights
///
/// The network is DINOv3's, the weights are random: its features keep much of the pixels and know nothing
/// of the world. The same seed gives the same file. Bundles trained on it carry a copy.
#[derive(Args)]
#[command(after_help = "Examples:
  svg init encoder --d-model 32 --layers 2 --heads 2 --d-ff 64 --patch 4 --seed 7 --out encoder.safetensors")]
pub struct InitEncoder {
    /// Channels of a token
    #[arg(long, value_name = "N", default_value_t = 384)]
    d_model: usize,
    /// Blocks
    #[arg(long, value_name = "N", default_value_t = 12)]
    layers: usize,
    /// Attention heads; they divide the channels into heads of a multiple of four
    #[arg(long, value_name = "N", default_value_t = 6)]
    heads: usize,
    /// Hidden channels of the gated feed-forward layers
    #[arg(long, value_name = "N", default_value_t = 1536)]
    d_ff: usize,
    /// Side of a patch in pixels
    #[arg(long, value_name = "PIXELS", default_value_t = 16)]
    patch: usize,
    /// Seed of the weights
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// The file to write, in official names
    #[arg(long, value_name = "FILE.safetensors")]
    out: PathBuf,
}

/// The beginning of the origin that such weights have in their metadata.
pub const ORIGIN: &str = "drawn by svg init";

impl Init {
    pub fn run(self, device: &DeviceOptions) -> Result<()> {
        let Self::Encoder(init) = self;
        init.run(device)
    }
}

impl InitEncoder {
    fn run(self, device: &DeviceOptions) -> Result<()> {
        check_ending(&self.out, "safetensors")?;
        let sizes = [
            ("--d-model", self.d_model),
            ("--layers", self.layers),
            ("--heads", self.heads),
            ("--d-ff", self.d_ff),
            ("--patch", self.patch),
        ];
        if let Some((name, _)) = sizes.iter().find(|(_, value)| *value == 0) {
            bail!("{name} is 0; it must be at least 1");
        }
        if !self.d_model.is_multiple_of(4 * self.heads) {
            let (channels, heads) = (self.d_model, self.heads);
            bail!(
                "{heads} heads do not divide {channels} channels into heads of a multiple of four"
            );
        }
        Outputs::default().file("--out", [&self.out]).check()?;
        let device = device.open_f32()?;
        device.seed(self.seed);
        let config = DinoConfig::new(self.d_model, self.layers, self.heads, self.d_ff)
            .with_feed_forward(FeedForwardKind::SwiGlu)
            .with_patch_size(self.patch)
            .with_rope_periods(RopePeriods::Bf16Rounded)
            // At the published 1e-5 a block that was never trained would do nothing.
            .with_layer_scale(0.3);
        let dino = config.init(&device);
        draw_parameters(&dino);
        let file = DinoFile::of(&dino).with_origin(format!("{ORIGIN}, seed {}", self.seed));
        file.save(Layout::Official, &self.out)?;
        println!("{}: {} parameters", self.out.display(), dino.num_params());
        Ok(())
    }
}
