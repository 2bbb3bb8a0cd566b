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
mod parts;
#[path = "../../src/progress.rs"]
#[allow(dead_code, unused_imports, unused_macros)] // a program of its own needs less
mod progress;
mod report;
#[path = "../../benches/support/mod.rs"]
mod support;
mod times;
mod training;
#[path = "../../src/tuned.rs"]
#[allow(dead_code, unused_imports)] // it exports and imports nothing
mod tuned;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use burn::prelude::*;
use clap::Parser;

use crate::parts::Part;
use crate::report::{Found, Report};

/// Everything that a device has to show: goldens, times, and a training
///
/// The device is the best that was compiled in, or that of BURN_DEVICE. Kernels that are compiled and tuned meanwhile are
/// kept as those of `svg`; a second call shows what a tuned device does. Each part runs in a process of its own, which is
/// ended when its share of the time is over. Run it in the root of the repository.
#[derive(Parser)]
#[command(version)]
pub struct Options {
    /// How many minutes there are for everything
    #[arg(long, value_name = "N", default_value_t = 12.0)]
    minutes: f64,
    /// At most four minutes: goldens of tiny networks, fewer works, ten steps of training
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
    /// Do it in this process, and begin nothing new after so many seconds
    #[arg(long, value_name = "SECONDS", hide = true)]
    alone: Option<f64>,
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
    let options = Options::parse();
    let recorded = "tests/golden/svg/expected.json";
    ensure!(
        std::path::Path::new(recorded).exists(),
        "{recorded} is not here; run svg-check in the root of the repository"
    );
    parts::folder(&options.out)?;
    match options.alone {
        Some(seconds) => alone(&options, seconds),
        None => all(&options),
    }
}

/// One part, in a process that another one watches.
fn alone(options: &Options, seconds: f64) -> Result<()> {
    tuned::prepare();
    let all = Duration::try_from_secs_f64(seconds).context("--alone")?;
    let budget = Budget {
        begun: Instant::now(),
        all,
        quick: options.quick,
    };
    let [part] = options.only[..] else {
        anyhow::bail!("--alone does one part");
    };
    let device = Device::default();
    let mut report = Report::new(part, &device, options)?;
    part.work(budget, &device, &mut report)?;
    let tuned::Known { compiled, tuned } = tuned::known();
    report.ended(&format!(
        "after {part:?}: {compiled} kernels are kept, and the fastest for {tuned} sizes, in {}",
        tuned::file().display()
    ))
}

fn all(options: &Options) -> Result<()> {
    let minutes = match options.quick {
        true => options.minutes.min(4.0),
        false => options.minutes,
    };
    let all = Duration::try_from_secs_f64(60.0 * minutes).context("--minutes")?;
    let begun = Instant::now();
    let found: Found = parts::run(options, all)?;
    print!("{}", found.text());
    eprintln!("{:.0} s in all", begun.elapsed().as_secs_f64());
    ensure!(
        found.is_good(),
        "something differs; see {}",
        options.out.display()
    );
    Ok(())
}
