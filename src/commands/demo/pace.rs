//! How many steps fill the time that there is.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use svg_train::log::Scalars;
use svg_train::run::Observer;

use super::plan::Plan;
use super::stages::{Setup, run_in};
use crate::interrupt::Interrupt;
use crate::progress::status;

/// The shares of both stages; samples and measurements have the rest.
const FIRST: f64 = 0.22;
const SECOND: f64 = 0.65;
/// Steps that are timed. The first ones, which are slower, do not count.
const TIMED: u64 = 8;
const SKIPPED: usize = 2;
/// Below this nothing would be learned that is worth measuring.
const FEWEST: u64 = 20;
/// Above this no training has its steps.
const MOST: u64 = 1_000_000_000_000;
/// Pictures whose latents are normalised while time is taken.
const PICTURES: usize = 100;

/// Times a few steps of each stage and gives the plan as many as fill `minutes`, less `spent` seconds.
pub fn fill(plan: Plan, setup: &Setup, out: &Path, minutes: f64, spent: f64) -> Result<Plan> {
    let begun = Instant::now();
    status!("timing a few steps of each stage");
    let aside = out.join(".pace");
    let interrupt = setup.interrupt;
    let mut watch = Stopwatch {
        ends: vec![],
        interrupt,
    };
    let mut first = plan.autoencoder.clone();
    (first.checkpoint_every, first.samples_every) = (u64::MAX, u64::MAX);
    let run = |name: &str| run_in(&aside.join(name), Some(TIMED));
    let mut bundle = setup.autoencoder(first, run("autoencoder"), &mut watch)?;
    let of_first = watch.seconds_of_a_step()?;

    let timed = Instant::now();
    setup.statistics(&mut bundle, PICTURES, "timing")?;
    let counted = PICTURES.min(setup.data.counts[0]);
    let of_picture = timed.elapsed().as_secs_f64() / counted as f64;
    watch.ends.clear();
    let mut second = plan.flow.clone();
    (second.checkpoint_every, second.samples_every) = (u64::MAX, u64::MAX);
    setup.flow(second, bundle, run("flow"), &mut watch)?;
    let of_second = watch.seconds_of_a_step()?;
    let _ = std::fs::remove_dir_all(&aside);

    let left = (minutes * 60.0 - spent - begun.elapsed().as_secs_f64()).max(0.0);
    let steps = |share: f64, seconds: f64| ((left * share / seconds) as u64).clamp(FEWEST, MOST);
    // Statistics, known pictures and held-out ones share what the stages leave.
    let encoded = left * (1.0 - FIRST - SECOND) / 3.0 / of_picture;
    let plan = plan.with_at_most(encoded as usize);
    Ok(plan.with_steps(steps(FIRST, of_first), steps(SECOND, of_second)))
}

/// When steps ended.
struct Stopwatch {
    ends: Vec<Instant>,
    interrupt: Interrupt,
}

impl Stopwatch {
    /// The median.
    fn seconds_of_a_step(&self) -> Result<f64> {
        let pairs = self.ends.windows(2).skip(SKIPPED - 1);
        let seconds = pairs.map(|pair| (pair[1] - pair[0]).as_secs_f64());
        let mut seconds: Vec<f64> = seconds.collect();
        seconds.sort_by(f64::total_cmp);
        let median = seconds.get(seconds.len() / 2);
        median.copied().context("no step was timed")
    }
}

impl Observer for Stopwatch {
    fn begins(&mut self, _: u64, _: u64, _: u64) {}
    fn stepped(&mut self, _: u64, _: &Scalars) {
        self.ends.push(Instant::now());
    }
    fn remark(&mut self, _: &str) {}
    fn wants_to_stop(&self) -> bool {
        self.interrupt.is_asked()
    }
}
