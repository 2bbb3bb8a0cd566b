//! `svg init`: weights of one's own.

use std::path::PathBuf;

use anyhow::{Result, bail};
use burn::module::Module;
use clap::{Args, Subcommand};
use svg_dino::{DinoConfig, DinoFile, FeedForwardKind, Layout, RopePeriods};
use svg_nn::{CHANNELS, Checked, LAYERS, PATCH, beyond_memory, draw_parameters};

use crate::commands::checks::check_ending;
use crate::commands::outputs::Outputs;
use crate::commands::print;
use crate::device::DeviceOptions;
use crate::ranges::within;

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
    #[arg(long, value_name = "N", default_value_t = 384, value_parser = within(CHANNELS))]
    d_model: usize,
    /// Blocks
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = within(LAYERS))]
    layers: usize,
    /// Attention heads; they divide the channels into heads of a multiple of four
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = within(CHANNELS))]
    heads: usize,
    /// Hidden channels of the gated feed-forward layers
    #[arg(long, value_name = "N", default_value_t = 1536, value_parser = within(CHANNELS))]
    d_ff: usize,
    /// Side of a patch in pixels
    #[arg(long, value_name = "PIXELS", default_value_t = 16, value_parser = within(PATCH))]
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
    fn config(&self) -> DinoConfig {
        DinoConfig::new(self.d_model, self.layers, self.heads, self.d_ff)
            .with_feed_forward(FeedForwardKind::SwiGlu)
            .with_patch_size(self.patch)
            .with_rope_periods(RopePeriods::Bf16Rounded)
            // At the published 1e-5 a block that was never trained would do nothing.
            .with_layer_scale(0.3)
    }

    fn run(self, device: &DeviceOptions) -> Result<()> {
        check_ending(&self.out, "safetensors")?;
        let config = self.config();
        if let Some(problem) = config.problem() {
            bail!("{problem}");
        }
        Outputs::default().file("--out", [&self.out]).check()?;
        let device = device.open_f32()?;
        device.seed(self.seed);
        let dino = config.init(&device);
        // Parameters are drawn at first use, so counting them costs nothing.
        let what = format!("an encoder of {} parameters", dino.num_params());
        if let Some(problem) = beyond_memory(&device, &what, 4.0 * dino.num_params() as f64) {
            bail!("{problem}; make it smaller");
        }
        draw_parameters(&dino);
        let file = DinoFile::of(&dino).with_origin(format!("{ORIGIN}, seed {}", self.seed));
        file.save(Layout::Official, &self.out)?;
        print(&format!(
            "{}: {} parameters\n",
            self.out.display(),
            dino.num_params()
        ))
    }
}
