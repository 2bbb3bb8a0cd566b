//! How long a user waits for features: the same code on every compiled device, one table.
//!
//! ```text
//! cargo bench --bench encode -- --batch 8 --json encode.json
//! cargo bench --bench encode --features vulkan -- --dtypes f32,f16
//! ```
//!
//! Weights are random: time does not depend on them. Each device is warmed up until its kernels are
//! compiled and tuned, then timed call by call with a synchronisation after each.

#![recursion_limit = "256"]

mod support;

use std::time::Instant;

use anyhow::Result;
use burn::prelude::*;
use burn::tensor::Distribution;
use clap::Parser;
use serde::Serialize;
use svg_dino::{Dino, DinoConfig};
use svg_nn::Precision;

use support::{compiled_devices, memory};

/// Times DINOv3 encoding.
#[derive(Parser)]
struct Options {
    /// A released model: vits16, vits16plus, vitb16, ...
    #[arg(long, default_value = "vits16plus")]
    model: String,
    /// Images at once, one row for each.
    #[arg(long, value_delimiter = ',', default_value = "8")]
    batch: Vec<usize>,
    /// Side of the images in pixels.
    #[arg(long, default_value_t = 256)]
    size: usize,
    /// Number types of the matrix products: f32, bf16, f16.
    #[arg(long, value_delimiter = ',', default_value = "f32")]
    dtypes: Vec<String>,
    /// Timed calls.
    #[arg(long, default_value_t = 10)]
    repeat: usize,
    /// Calls before the clock starts.
    #[arg(long, default_value_t = 3)]
    warmup: usize,
    /// Only devices whose name contains this.
    #[arg(long, default_value = "")]
    device: String,
    /// Also write the rows as JSON.
    #[arg(long)]
    json: Option<std::path::PathBuf>,
    /// What cargo passes to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

/// One row of the table.
#[derive(Serialize)]
struct Row {
    device: String,
    model: String,
    dtype: String,
    size: usize,
    batch: usize,
    /// Seconds for one call, the middle one of all.
    median_s: f64,
    min_s: f64,
    max_s: f64,
    images_per_s: f64,
    /// Most memory of the process (CPU) or the device's pools (GPU) since the row began, in MiB.
    peak_mib: Option<f64>,
}

fn main() -> Result<()> {
    support::allocator::keep_memory();
    let options = Options::parse();
    let config = DinoConfig::preset(&options.model)
        .ok_or_else(|| anyhow::anyhow!("unknown model {}", options.model))?;
    println!("device    dtype  batch   median      min      max   images/s   peak MiB");
    let mut rows = Vec::new();
    for (name, device) in compiled_devices() {
        if !name.contains(&options.device) {
            continue;
        }
        for dtype in &options.dtypes {
            let precision = match dtype.as_str() {
                "f32" => Precision::F32,
                "bf16" => Precision::Bf16,
                "f16" => Precision::F16,
                other => anyhow::bail!("unknown number type {other}"),
            };
            if !device.supports_dtype(precision.dtype()) {
                println!("{name:<9} {dtype:<5}  not computed by this device");
                continue;
            }
            let dino = config.init(&device).with_precision(precision);
            for batch in &options.batch {
                let row = time(&dino, name, dtype, *batch, &options, &device)?;
                let ms = |seconds: f64| format!("{:.1} ms", seconds * 1e3);
                println!(
                    "{:<9} {:<5} {:>6} {:>8} {:>8} {:>8} {:>10.2} {:>10}",
                    row.device,
                    row.dtype,
                    row.batch,
                    ms(row.median_s),
                    ms(row.min_s),
                    ms(row.max_s),
                    row.images_per_s,
                    row.peak_mib
                        .map_or("-".to_string(), |mib| format!("{mib:.0}")),
                );
                rows.push(row);
            }
        }
    }
    if let Some(path) = &options.json {
        let json = serde_json::to_string_pretty(&rows)?;
        svg_store::write_bytes(path, json)?;
    }
    Ok(())
}

fn time(
    dino: &Dino,
    name: &str,
    dtype: &str,
    batch: usize,
    options: &Options,
    device: &Device,
) -> Result<Row> {
    let uniform = Distribution::Uniform(-1.0, 1.0);
    let images = Tensor::<4>::random([batch, 3, options.size, options.size], uniform, device);
    let once = || -> Result<f64> {
        let start = Instant::now();
        let output = dino.forward(images.clone());
        device.sync()?;
        let seconds = start.elapsed().as_secs_f64();
        drop(output);
        Ok(seconds)
    };
    memory::reset();
    for _ in 0..options.warmup {
        once()?;
    }
    let mut seconds = (0..options.repeat.max(1))
        .map(|_| once())
        .collect::<Result<Vec<_>>>()?;
    seconds.sort_by(f64::total_cmp);
    let median_s = seconds[seconds.len() / 2];
    Ok(Row {
        device: name.to_string(),
        model: options.model.clone(),
        dtype: dtype.to_string(),
        size: options.size,
        batch,
        median_s,
        min_s: seconds[0],
        max_s: seconds[seconds.len() - 1],
        images_per_s: batch as f64 / median_s,
        peak_mib: match name {
            "cpu" => memory::peak_mib(),
            _ => device
                .memory_pool_usage()
                .map(|usage| usage.bytes_reserved as f64 / f64::from(1 << 20)),
        },
    })
}
