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

use anyhow::Result;
use clap::Parser;
use serde::Serialize;
use svg_dino::DinoConfig;
use svg_nn::Precision;

use support::{Times, Timing, images, reset_memory};

/// Times DINOv3 encoding.
#[derive(Parser)]
#[command(mut_arg("repeat", |arg| arg.default_value("10")))]
#[command(mut_arg("warmup", |arg| arg.default_value("3")))]
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
    #[command(flatten)]
    timing: Timing,
    /// Also write the rows as JSON.
    #[arg(long)]
    json: Option<std::path::PathBuf>,
}

#[derive(Serialize)]
struct Row {
    device: String,
    model: String,
    dtype: String,
    size: usize,
    batch: usize,
    #[serde(flatten)]
    times: Times,
}

fn main() -> Result<()> {
    support::allocator::keep_memory();
    let options = Options::parse();
    let config = DinoConfig::preset(&options.model)
        .ok_or_else(|| anyhow::anyhow!("unknown model {}", options.model))?;
    Times::print_head();
    let mut rows = Vec::new();
    for (name, device) in options.timing.devices() {
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
            for &batch in &options.batch {
                let images = images([batch, options.size], &device);
                reset_memory();
                let call = || dino.forward(images.clone());
                let times = options.timing.time(batch, &device, call)?;
                times.print(name, dtype, batch);
                rows.push(Row {
                    device: name.to_string(),
                    model: options.model.clone(),
                    dtype: dtype.to_string(),
                    size: options.size,
                    batch,
                    times,
                });
            }
        }
    }
    if let Some(path) = &options.json {
        let json = serde_json::to_string_pretty(&rows)?;
        svg_store::write_bytes(path, json)?;
    }
    Ok(())
}
