//! What the benches share: the program's allocator, devices, and the most memory that was held.

#![allow(dead_code)] // no bench uses all of it

#[path = "../../src/allocator.rs"]
pub mod allocator;

use std::time::Instant;

use anyhow::{Context, Result};
use burn::prelude::*;

/// Every backend that this program was built with.
pub fn compiled_devices() -> Vec<(&'static str, Device)> {
    vec![
        #[cfg(feature = "flex")]
        ("cpu", Device::flex()),
        #[cfg(feature = "vulkan")]
        ("vulkan", Device::vulkan(Default::default())),
        #[cfg(all(feature = "wgpu", not(feature = "vulkan")))]
        ("wgpu", Device::wgpu(Default::default())),
        #[cfg(feature = "cuda")]
        ("cuda", Device::cuda(0usize)),
    ]
}

/// The most memory that the process has held, where the system says it.
pub mod memory {
    /// Forgets earlier peaks. Linux only; elsewhere the peak is that of the whole run.
    pub fn reset() {
        let _ = std::fs::write("/proc/self/clear_refs", "5");
    }

    /// `None` where the system does not say it.
    pub fn peak_mib() -> Option<f64> {
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
        let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
        Some(kib / 1024.0)
    }
}

/// Seconds of each call after those that warm up, sorted. The device is waited for.
pub fn timed(
    [warmup, repeat]: [usize; 2],
    device: &Device,
    mut call: impl FnMut(),
) -> Result<Vec<f64>> {
    let mut once = || -> Result<f64> {
        let start = Instant::now();
        call();
        device.sync().context("the device failed")?;
        Ok(start.elapsed().as_secs_f64())
    };
    for _ in 0..warmup {
        once()?;
    }
    let seconds: Result<Vec<_>> = (0..repeat.max(1)).map(|_| once()).collect();
    let mut seconds = seconds?;
    seconds.sort_by(f64::total_cmp);
    Ok(seconds)
}
