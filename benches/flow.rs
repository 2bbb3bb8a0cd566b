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

use anyhow::{Error, Result, bail};
use burn::prelude::*;
use clap::Parser;
use svg_flow::{Euler, Guidance, Guided, TimeShift, integrate, unwatched};
use svg_model::{AutoencoderConfig, Conditioned};
use svg_roles::Condition;
use svg_sit::{Sit, SitConfig};
use svg_train::flow::{ComputeType, FlowBatch, FlowStage, FlowTraining};
use svg_train::run::{Stage, Training};

use support::{Times, Timing, random, reset_memory};

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
    /// The type of matrix products: f32 or bf16.
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
        Some(_) => train(config, batch, options, device),
        None => forward(config, batch, options, device),
    }
}

fn network(config: &SitConfig, options: &Options, device: &Device) -> Sit {
    options.dtype.precision().apply(config.init(device))
}

fn latents(batch: usize, device: &Device) -> Tensor<3> {
    random([batch, 256, 392], device)
}

fn labels(batch: usize, device: &Device) -> Tensor<1, Int> {
    Tensor::full([batch], 207, device)
}

fn forward(config: SitConfig, batch: usize, options: &Options, device: &Device) -> Result<Times> {
    let sit = network(&config, options, device);
    let (x, t) = (latents(batch, device), Tensor::full([batch], 0.37, device));
    options.timing.time(batch, device, || {
        sit.forward(x.clone(), t.clone(), labels(batch, device))
    })
}

fn train(config: SitConfig, batch: usize, options: &Options, device: &Device) -> Result<Times> {
    let training = include_str!("../configs/flow_svg_b_256.json");
    let mut training = FlowTraining::from_json(training).map_err(Error::msg)?;
    training.batch_size = batch;
    training.precision = options.dtype;
    let data = FlowBatch {
        latents: latents(batch, device),
        labels: vec![207; batch],
    };
    let (mut stage, mut number) = (FlowStage::<Sit>::new(training, config, device), 0);
    options.timing.time(batch, device, || {
        stage.step(number, 1e-4, vec![data.clone()]);
        number += 1;
    })
}

fn sample(batch: usize, options: &Options, device: &Device) -> Result<Times> {
    let sit = network(&SitConfig::b().with_learn_sigma(true), options, device);
    let decoder = AutoencoderConfig::svg().decoder.init(device);
    let times = TimeShift::new(0.15).grid(5);
    options.timing.time(batch, device, || {
        let field = Guided {
            branches: Conditioned::new(&sit, Condition::Classes(labels(batch, device))),
            guidance: Guidance::constant(4.0),
        };
        let noise = latents(batch, device);
        let solution = integrate(&field, &Euler, &times, noise, &mut unwatched);
        decoder.forward(solution.x, [16, 16])
    })
}
