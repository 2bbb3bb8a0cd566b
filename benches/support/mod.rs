//! What the benches share: the program's allocator, devices, options, timing and tables.

#![allow(dead_code)] // no bench uses all of it

#[path = "../../src/allocator.rs"]
pub mod allocator;
#[path = "../../src/memory.rs"]
mod memory;
pub mod works;

use std::time::Instant;

use anyhow::{Context, Result};
use burn::prelude::*;
use burn::tensor::Distribution;
use clap::Args;
use serde::{Deserialize, Serialize};

/// How whole networks are timed.
#[derive(Args)]
pub struct Timing {
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

/// Seconds of one call, and the most memory.
#[derive(Serialize, Deserialize)]
pub struct Times {
    /// The first call of all, with everything that is done once.
    pub first_s: f64,
    /// The middle one of those that are timed.
    pub median_s: f64,
    pub min_s: f64,
    pub max_s: f64,
    pub images_per_s: f64,
    /// Of the device's pools (GPU) or the process since memory was last reset (CPU), in MiB.
    pub peak_mib: Option<f64>,
}

impl Timing {
    /// So many calls before the clock starts, and so many timed ones.
    pub fn of(warmup: usize, repeat: usize) -> Self {
        Self {
            repeat,
            warmup,
            device: String::new(),
            bench: false,
        }
    }

    /// Every backend that this program was built with and that is asked for.
    pub fn devices(&self) -> impl Iterator<Item = (&'static str, Device)> {
        let compiled = vec![
            #[cfg(feature = "flex")]
            ("cpu", Device::flex()),
            #[cfg(feature = "vulkan")]
            ("vulkan", Device::vulkan(Default::default())),
            #[cfg(all(feature = "wgpu", not(feature = "vulkan")))]
            ("wgpu", Device::wgpu(Default::default())),
            #[cfg(feature = "cuda")]
            ("cuda", Device::cuda(0usize)),
        ];
        let asked = |(name, _): &(&str, Device)| name.contains(&self.device);
        compiled.into_iter().filter(asked)
    }

    /// Times a call that works on `batch` images.
    pub fn time<T>(&self, batch: usize, device: &Device, call: impl FnMut() -> T) -> Result<Times> {
        let counts = [self.warmup, self.repeat.max(1)];
        let (first_s, seconds) = timed_with_first(counts, device, call)?;
        let median_s = seconds[seconds.len() / 2];
        let bytes = match device.memory_pool_usage() {
            Some(usage) => Some(usage.bytes_reserved),
            None => memory::peak_bytes(),
        };
        Ok(Times {
            first_s,
            median_s,
            min_s: seconds[0],
            max_s: seconds[seconds.len() - 1],
            images_per_s: batch as f64 / median_s,
            peak_mib: bytes.map(|bytes| bytes as f64 / f64::from(1 << 20)),
        })
    }
}

impl Times {
    pub fn print_head() {
        println!(
            "device    what          batch     median        min        max   images/s   peak MiB"
        );
    }

    pub fn print(&self, device: &str, what: &str, batch: usize) {
        let ms = |seconds: f64| format!("{:.1} ms", seconds * 1e3);
        println!(
            "{device:<9} {what:<13} {batch:>5} {:>10} {:>10} {:>10} {:>10.3} {:>10}",
            ms(self.median_s),
            ms(self.min_s),
            ms(self.max_s),
            self.images_per_s,
            self.peak_mib
                .map_or("-".to_string(), |mib| format!("{mib:.0}")),
        );
    }
}

/// Forgets the process's earlier peaks of memory. Linux only; elsewhere the peak is that of the whole run.
pub fn reset_memory() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// Seconds of each call after those that warm up, sorted. The device is waited for.
pub fn timed<T>(counts: [usize; 2], device: &Device, call: impl FnMut() -> T) -> Result<Vec<f64>> {
    Ok(timed_with_first(counts, device, call)?.1)
}

fn timed_with_first<T>(
    [warmup, repeat]: [usize; 2],
    device: &Device,
    mut call: impl FnMut() -> T,
) -> Result<(f64, Vec<f64>)> {
    let mut once = |_| -> Result<f64> {
        let start = Instant::now();
        let _output = call();
        device.sync().context("the device failed")?;
        Ok(start.elapsed().as_secs_f64())
    };
    let seconds = (0..warmup + repeat)
        .map(&mut once)
        .collect::<Result<Vec<_>>>()?;
    let (first, mut seconds) = (seconds[0], seconds[warmup..].to_vec());
    seconds.sort_by(f64::total_cmp);
    Ok((first, seconds))
}

/// Standard normal numbers.
pub fn random<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::random(shape, Distribution::Normal(0.0, 1.0), device)
}

/// So many square images of this side, uniform in [-1, 1].
pub fn images([batch, side]: [usize; 2], device: &Device) -> Tensor<4> {
    let uniform = Distribution::Uniform(-1.0, 1.0);
    Tensor::random([batch, 3, side, side], uniform, device)
}

/// Prints the time of a layer, with its rate if its operations are known.
pub fn print_layer(name: &str, gigaflop: f64, seconds: f64) {
    let rate = match gigaflop {
        0.0 => String::new(),
        _ => format!("{:.0} GFLOP/s", gigaflop / seconds),
    };
    println!("{name:<26} {:>8.2} ms  {rate}", seconds * 1e3);
}
