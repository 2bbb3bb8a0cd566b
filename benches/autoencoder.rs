//! How long a user waits for the autoencoder: decoding, encoding, and a step of training, released size.
//!
//! ```text
//! cargo bench --bench autoencoder -- --what decode,encode,train --repeat 5
//! cargo bench --bench autoencoder --features cuda -- --device cuda --what train --batch 16
//! ```
//!
//! Weights are random: time does not depend on them. `encode` is DINOv3, residual encoder and alignment;
//! `train` is a whole step in the adversarial phase with LPIPS, both optimisers and no average, as the
//! PyTorch opponent takes it.

#![recursion_limit = "256"]

mod support;

use std::sync::Arc;

use anyhow::{Error, Result, bail};
use burn::prelude::*;
use clap::Parser;
use svg_dino::DinoConfig;
use svg_eval::{Lpips, Vgg16};
use svg_model::{Alignment, AutoencoderConfig};
use svg_nn::module_tensors;
use svg_train::autoencoder::{Adversary, AutoencoderTraining, CriticConfig, Start};
use svg_train::kinds::Svg;
use svg_train::run::{Stage, Training};

use support::{Times, Timing, images, random, reset_memory};

/// Times the autoencoder.
#[derive(Parser)]
struct Options {
    /// What to time: decode, encode, train.
    #[arg(long, value_delimiter = ',', default_value = "decode,encode,train")]
    what: Vec<String>,
    /// Images at once [default: 1 to decode and train, 8 to encode]
    #[arg(long)]
    batch: Option<usize>,
    #[command(flatten)]
    timing: Timing,
}

fn main() -> Result<()> {
    support::allocator::keep_memory();
    let options = Options::parse();
    Times::print_head();
    for (name, device) in options.timing.devices() {
        for what in &options.what {
            let usual = if what == "encode" { 8 } else { 1 };
            let batch = options.batch.unwrap_or(usual);
            reset_memory();
            let times = match what.as_str() {
                "decode" => decode(batch, &options.timing, &device)?,
                "encode" => encode(batch, &options.timing, &device)?,
                "train" => train(batch, &options.timing, &device)?,
                other => bail!("--what {other}: it is decode, encode or train"),
            };
            times.print(name, what, batch);
        }
    }
    Ok(())
}

fn decode(batch: usize, timing: &Timing, device: &Device) -> Result<Times> {
    let decoder = AutoencoderConfig::svg().decoder.init(device);
    let features = random([batch, 256, 392], device);
    timing.time(batch, device, || {
        decoder.forward(features.clone(), [16, 16])
    })
}

fn encode(batch: usize, timing: &Timing, device: &Device) -> Result<Times> {
    let dino = DinoConfig::vits16plus().init(device);
    let config = AutoencoderConfig::svg().with_alignment(Alignment::Batch);
    let model = config.init(Arc::new(dino), device);
    let images = images([batch, 256], device);
    timing.time(batch, device, || model.encoder.features(images.clone()))
}

fn train(batch: usize, timing: &Timing, device: &Device) -> Result<Times> {
    let config = include_str!("../configs/autoencoder_svg_256.json");
    let mut config = AutoencoderTraining::from_json(config).map_err(Error::msg)?;
    config.average_decay = None;
    config.critic = Some(Adversary {
        network: CriticConfig::new(),
        start: Start::Step(0),
    });
    let vgg = module_tensors(&Vgg16::init(device));
    let lpips = Lpips::from_tensors(vgg, None, "random", device)?;
    let dino = DinoConfig::vits16plus().init(device);
    let mut stage = Svg::stage(config, Arc::new(dino), Box::new(lpips), device)?;
    let images = images([batch, 256], device);
    let mut number = 0;
    timing.time(batch, device, || {
        stage.step(number, 1e-4, vec![images.clone()]);
        number += 1;
    })
}
