//! Schedules over the steps of a training.

use std::f64::consts::PI;

/// From the first to the second along half a cosine of `steps` steps, at step `number`, counted from 0.
pub(crate) fn cosine([first, last]: [f64; 2], number: u64, steps: u64) -> f64 {
    let over = (number as f64 / steps.max(1) as f64).min(1.0);
    last + 0.5 * (first - last) * (1.0 + (PI * over).cos())
}

/// The same after `warmup` steps, of which the i-th, counted from 1, has the share `i / warmup` of the first.
pub(crate) fn warmed(ends: [f64; 2], warmup: u64, number: u64, steps: u64) -> f64 {
    match number < warmup {
        true => ends[0] * (number + 1) as f64 / warmup as f64,
        false => cosine(ends, number - warmup, steps.saturating_sub(warmup)),
    }
}
