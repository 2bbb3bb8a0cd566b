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
use burn::tensor::Distribution;
use clap::{Parser, ValueEnum};
use svg_flow::{Euler, Guidance, Guided, TimeShift, integrate, unwatched};
use svg_model::{AutoencoderConfig, Conditioned};
use svg_nn::Precision;
use svg_roles::Condition;
use svg_sit::{Sit, SitConfig};
use svg_train::flow::{ComputeType, FlowBatch, FlowStage, FlowTraining};
use svg_train::run::{Stage, Training};

use support::{compiled_devices, memory, timed};

/// Times the velocity network.
#[derive(Parser)]
struct Options {
    /// What to time: sit_s to sit_xl, train_sit_s to train_sit_xl, sample.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "sit_b,sit_xl,train_sit_b,sample"
    )]
    what: Vec<String>,
    /// Samples at once.
    #[arg(long, value_delimiter = ',', default_value = "1,4")]
    batch: Vec<usize>,
    /// The type of matrix products.
    #[arg(long, value_enum, default_value_t = Type::F32)]
    dtype: Type,
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

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Type {
    F32,
    Bf16,
}

fn main() -> Result<()> {
    support::allocator::keep_memory();
    let options = Options::parse();
    println!(
        "device    what          batch     median        min        max  samples/s   peak MiB"
    );
    for (name, device) in compiled_devices() {
        if !name.contains(&options.device) {
            continue;
        }
        for what in &options.what {
            for &batch in &options.batch {
                memory::reset();
                let seconds = run(what, batch, &options, &device)?;
                let ms = |seconds: f64| format!("{:.1} ms", seconds * 1e3);
                let median = seconds[seconds.len() / 2];
                let peak = match name {
                    "cpu" => memory::peak_mib(),
                    _ => device
                        .memory_pool_usage()
                        .map(|usage| usage.bytes_reserved as f64 / f64::from(1 << 20)),
                };
                println!(
                    "{name:<9} {what:<13} {batch:>5} {:>10} {:>10} {:>10} {:>10.3} {:>10}",
                    ms(median),
                    ms(seconds[0]),
                    ms(seconds[seconds.len() - 1]),
                    batch as f64 / median,
                    peak.map_or("-".to_string(), |mib| format!("{mib:.0}")),
                );
            }
        }
    }
    Ok(())
}

fn run(what: &str, batch: usize, options: &Options, device: &Device) -> Result<Vec<f64>> {
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
    let precision = match options.dtype {
        Type::F32 => Precision::F32,
        Type::Bf16 => Precision::Bf16,
    };
    precision.apply(config.init(device))
}

fn latents(batch: usize, device: &Device) -> Tensor<3> {
    Tensor::random([batch, 256, 392], Distribution::Normal(0.0, 1.0), device)
}

fn labels(batch: usize, device: &Device) -> Tensor<1, Int> {
    Tensor::full([batch], 207, device)
}

fn forward(
    config: SitConfig,
    batch: usize,
    options: &Options,
    device: &Device,
) -> Result<Vec<f64>> {
    let sit = network(&config, options, device);
    let (x, t) = (latents(batch, device), Tensor::full([batch], 0.37, device));
    timed([options.warmup, options.repeat], device, || {
        sit.forward(x.clone(), t.clone(), labels(batch, device));
    })
}

fn train(config: SitConfig, batch: usize, options: &Options, device: &Device) -> Result<Vec<f64>> {
    let training = include_str!("../configs/flow_svg_b_256.json");
    let mut training = FlowTraining::from_json(training).map_err(Error::msg)?;
    training.batch_size = batch;
    training.precision = match options.dtype {
        Type::F32 => ComputeType::F32,
        Type::Bf16 => ComputeType::Bf16,
    };
    let data = FlowBatch {
        latents: latents(batch, device),
        labels: vec![207; batch],
    };
    let (mut stage, mut number) = (FlowStage::<Sit>::new(training, config, device), 0);
    timed([options.warmup, options.repeat], device, || {
        stage.step(number, 1e-4, vec![data.clone()]);
        number += 1;
    })
}

fn sample(batch: usize, options: &Options, device: &Device) -> Result<Vec<f64>> {
    let sit = network(&SitConfig::b().with_learn_sigma(true), options, device);
    let decoder = AutoencoderConfig::svg().decoder.init(device);
    let times = TimeShift::new(0.15).grid(5);
    timed([options.warmup, options.repeat], device, || {
        let field = Guided {
            branches: Conditioned::new(&sit, Condition::Classes(labels(batch, device))),
            guidance: Guidance::constant(4.0),
        };
        let noise = latents(batch, device);
        let solution = integrate(&field, &Euler, &times, noise, &mut unwatched);
        decoder.forward(solution.x, [16, 16]);
    })
}
