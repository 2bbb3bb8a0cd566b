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
use burn::tensor::Distribution;
use clap::Parser;
use svg_dino::DinoConfig;
use svg_eval::{Lpips, Vgg16};
use svg_model::{Alignment, AutoencoderConfig};
use svg_nn::module_tensors;
use svg_train::autoencoder::{Adversary, AutoencoderTraining, CriticConfig, Start};
use svg_train::kinds::Svg;
use svg_train::run::{Stage, Training};

use support::{compiled_devices, memory, timed};

/// Times the autoencoder.
#[derive(Parser)]
struct Options {
    /// What to time: decode, encode, train.
    #[arg(long, value_delimiter = ',', default_value = "decode,encode,train")]
    what: Vec<String>,
    /// Images at once [default: 1 to decode and train, 8 to encode]
    #[arg(long)]
    batch: Option<usize>,
    /// Timed calls.
    #[arg(long, default_value_t = 5)]
    repeat: usize,
    /// Calls before the clock starts.
    #[arg(long, default_value_t = 1)]
    warmup: usize,
    /// Only devices whose name contains this.
    #[arg(long, default_value = "")]
    device: String,
    /// What cargo passes to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<()> {
    support::allocator::keep_memory();
    let options = Options::parse();
    println!("device    what    batch     median        min        max   images/s   peak MiB");
    for (name, device) in compiled_devices() {
        if !name.contains(&options.device) {
            continue;
        }
        for what in &options.what {
            let batch = options
                .batch
                .unwrap_or(if what == "encode" { 8 } else { 1 });
            memory::reset();
            let seconds = match what.as_str() {
                "decode" => decode(batch, &options, &device)?,
                "encode" => encode(batch, &options, &device)?,
                "train" => train(batch, &options, &device)?,
                other => bail!("--what {other}: it is decode, encode or train"),
            };
            let ms = |seconds: f64| format!("{:.1} ms", seconds * 1e3);
            let median = seconds[seconds.len() / 2];
            let peak = match name {
                "cpu" => memory::peak_mib(),
                _ => device
                    .memory_pool_usage()
                    .map(|usage| usage.bytes_reserved as f64 / f64::from(1 << 20)),
            };
            println!(
                "{name:<9} {what:<7} {batch:>5} {:>10} {:>10} {:>10} {:>10.3} {:>10}",
                ms(median),
                ms(seconds[0]),
                ms(seconds[seconds.len() - 1]),
                batch as f64 / median,
                peak.map_or("-".to_string(), |mib| format!("{mib:.0}")),
            );
        }
    }
    Ok(())
}

fn images(batch: usize, device: &Device) -> Tensor<4> {
    let uniform = Distribution::Uniform(-1.0, 1.0);
    Tensor::random([batch, 3, 256, 256], uniform, device)
}

fn decode(batch: usize, options: &Options, device: &Device) -> Result<Vec<f64>> {
    let decoder = AutoencoderConfig::svg().decoder.init(device);
    let normal = Distribution::Normal(0.0, 1.0);
    let features = Tensor::<3>::random([batch, 256, 392], normal, device);
    timed([options.warmup, options.repeat], device, || {
        decoder.forward(features.clone(), [16, 16]);
    })
}

fn encode(batch: usize, options: &Options, device: &Device) -> Result<Vec<f64>> {
    let dino = DinoConfig::vits16plus().init(device);
    let config = AutoencoderConfig::svg().with_alignment(Alignment::Batch);
    let model = config.init(Arc::new(dino), device);
    let images = images(batch, device);
    timed([options.warmup, options.repeat], device, || {
        model.encoder.features(images.clone());
    })
}

fn train(batch: usize, options: &Options, device: &Device) -> Result<Vec<f64>> {
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
    let images = images(batch, device);
    let mut number = 0;
    timed([options.warmup, options.repeat], device, || {
        stage.step(number, 1e-4, vec![images.clone()]);
        number += 1;
    })
}
