//! `svg-check`: everything that a device has to show, in one call.
//!
//! A graphics card is often lent for minutes. This program holds the goldens of `tests/golden`, the works of the benches
//! and a training, runs them within the time that it is given, and writes one table, `check.md`, with what it found and
//! with the figures of another implementation beside it if there are such. It is not published.
//!
//! ```sh
//! cargo build --release --package svg-check --features cuda,tuned
//! BURN_DEVICE=cuda target/release/svg-check --quick       # four minutes, in the root of the repository
//! ```

#![recursion_limit = "256"]

#[path = "../../tests/golden/main.rs"]
mod golden;
mod goldens;
#[path = "../../src/progress.rs"]
#[allow(dead_code)] // a program of its own needs less
mod progress;
mod report;
#[path = "../../benches/support/mod.rs"]
mod support;
mod times;
mod training;
#[path = "../../src/tuned.rs"]
#[allow(dead_code, unused_imports)]
mod tuned;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use burn::prelude::*;
use clap::{Parser, ValueEnum};

use crate::report::Report;

/// Everything that a device has to show: goldens, times, and a training
///
/// The device is the best that was compiled in, or that of BURN_DEVICE. Kernels that are compiled and tuned meanwhile are
/// kept as those of `svg`; a second call shows what a tuned device does. Run it in the root of the repository.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Begin nothing new after so many minutes
    #[arg(long, value_name = "N", default_value_t = 12.0)]
    minutes: f64,
    /// Four minutes: goldens of tiny networks, fewer works, ten steps of training
    #[arg(long)]
    quick: bool,
    /// What to do
    #[arg(long, value_delimiter = ',', default_value = "goldens,times,training")]
    only: Vec<Part>,
    /// Seconds of the same works elsewhere: a JSON object such as {"velocity xl, 32, bf16": 0.0297}
    #[arg(long, value_name = "FILE")]
    beside: Option<PathBuf>,
    /// The folder of check.md and check.json
    #[arg(long, value_name = "FOLDER", default_value = "check-results")]
    out: PathBuf,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    Goldens,
    Times,
    Training,
}

/// How long there is for everything, and how much of it is to be done.
#[derive(Clone, Copy)]
pub struct Budget {
    begun: Instant,
    all: Duration,
    /// Whether little is to be done.
    pub quick: bool,
}

impl Budget {
    /// Whether something new may begin.
    pub fn is_left(&self) -> bool {
        self.begun.elapsed() < self.all
    }
}

fn main() -> Result<()> {
    support::allocator::keep_memory();
    tuned::prepare();
    let options = Options::parse();
    let recorded = "tests/golden/svg/expected.json";
    ensure!(
        std::path::Path::new(recorded).exists(),
        "{recorded} is not here; run svg-check in the root of the repository"
    );
    let minutes = if options.quick {
        4.0f64.min(options.minutes)
    } else {
        options.minutes
    };
    let budget = Budget {
        begun: Instant::now(),
        all: Duration::try_from_secs_f64(60.0 * minutes).context("--minutes")?,
        quick: options.quick,
    };
    let device = Device::default();
    let mut report = Report::new(&device, &options.out, options.beside.as_deref())?;
    for part in &options.only {
        match part {
            Part::Goldens => goldens::run(budget, &mut report)?,
            Part::Times => times::run(budget, &device, &mut report)?,
            Part::Training => training::run(budget, &device, &mut report)?,
        }
    }
    let tuned::Known { compiled, tuned } = tuned::known();
    report.note(&format!(
        "{compiled} kernels are kept, and the fastest for {tuned} sizes, in {}",
        tuned::folder().display()
    ))?;
    print!("{}", report.text());
    ensure!(
        report.is_good(),
        "something differs; see {}",
        options.out.display()
    );
    Ok(())
}
