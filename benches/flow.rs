//! How long a user waits for the velocity network: a pass, a step of training, samples from noise to pixels.
//!
//! ```text
//! cargo bench --bench flow -- --what sit_b,sit_xl,train_sit_b,sample --batch 1,4 --repeat 5
//! cargo bench --bench flow --features cuda -- --device cuda --what train_sit_b --dtype bf16 --batch 64
//! ```
//!
//! Weights are random: time does not depend on them. `train_*` is a whole step on given latents, with noise,
//! label dropout, AdamW and the moving average; `sample` is five steps of Euler with SiT-B at guidance scale 4
//! and the decoder, as the PyTorch opponent takes them.

#![recursion_limit = "256"]

mod support;

use anyhow::{Result, bail};
use burn::prelude::*;
use clap::Parser;
use svg_flow::{Euler, Guidance, Guided, TimeShift, integrate, unwatched};
use svg_model::{AutoencoderConfig, Conditioned};
use svg_roles::Condition;
use svg_sit::SitConfig;
use svg_train::flow::ComputeType;

use support::{Times, Timing, random, reset_memory, works};

/// Times the velocity network.
#[derive(Parser)]
struct Options {
    /// What to time: sit_s to sit_xl, train_sit_s to train_sit_xl, sample.
    #[arg(long, value_delimiter = ',')]
    #[arg(default_value = "sit_b,sit_xl,train_sit_b,sample")]
    what: Vec<String>,
    /// Samples at once.
    #[arg(long, value_delimiter = ',', default_value = "1,4")]
    batch: Vec<usize>,
    /// The type of matrix products: f32, tf32 (NVIDIA cards) or bf16.
    #[arg(long, default_value = "f32", value_parser = compute_type)]
    dtype: ComputeType,
    #[command(flatten)]
    timing: Timing,
}

fn compute_type(name: &str) -> Result<ComputeType, serde_json::Error> {
    serde_json::from_value(name.into())
}

fn main() -> Result<()> {
    support::allocator::keep_memory();
    let options = Options::parse();
    Times::print_head();
    for (name, device) in options.timing.devices() {
        for what in &options.what {
            for &batch in &options.batch {
                reset_memory();
                run(what, batch, &options, &device)?.print(name, what, batch);
            }
        }
    }
    Ok(())
}

fn run(what: &str, batch: usize, options: &Options, device: &Device) -> Result<Times> {
    if what == "sample" {
        return sample(batch, options, device);
    }
    let training = what.strip_prefix("train_");
    let name = training.unwrap_or(what).strip_prefix("sit_");
    let Some(config) = name.and_then(SitConfig::preset) else {
        bail!("--what {what}: it is sit_NAME, train_sit_NAME or sample");
    };
    let config = config.with_learn_sigma(true);
    match training {
        Some(_) => works::flow_step(config, options.dtype, batch, &options.timing, device),
        None => works::velocity(config, options.dtype, batch, &options.timing, device),
    }
}

fn sample(batch: usize, options: &Options, device: &Device) -> Result<Times> {
    let config = SitConfig::b().with_learn_sigma(true);
    let sit = options.dtype.precision().apply(config.init(device));
    let decoder = AutoencoderConfig::svg().decoder.init(device);
    let times = TimeShift::new(0.15).grid(5);
    options.timing.time(batch, device, || {
        let field = Guided {
            branches: Conditioned::new(&sit, Condition::classes(&vec![207; batch], device)),
            guidance: Guidance::constant(4.0),
        };
        let noise = random([batch, 256, 392], device);
        let solution = integrate(&field, &Euler, &times, noise, &mut unwatched);
        decoder.forward(solution.x, [16, 16])
    })
}
