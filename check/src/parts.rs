//! Parts of a check, each in a process of its own: one that a driver holds up, or ends, costs the others nothing.

use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use burn::prelude::*;
use clap::ValueEnum;

use crate::report::{Found, Report};
use crate::{Budget, Options, goldens, times, training};

/// What can be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Part {
    Goldens,
    Times,
    Training,
}

/// How long a part may take to end by itself when its time is over, before it is ended.
const GRACE: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(50);

impl Part {
    /// Its share of the time.
    fn share(self) -> u32 {
        match self {
            Self::Goldens => 4,
            Self::Times => 4,
            Self::Training => 2,
        }
    }

    /// The file of its rows.
    pub fn file(self) -> String {
        format!("{}.json", self.name())
    }

    fn name(self) -> String {
        let value = self.to_possible_value().expect("no part is hidden");
        value.get_name().to_string()
    }

    /// Does it in this process.
    pub fn work(self, budget: Budget, device: &Device, report: &mut Report) -> Result<()> {
        match self {
            Self::Goldens => goldens::run(budget, report),
            Self::Times => times::run(budget, device, report),
            Self::Training => training::run(budget, device, report),
        }
    }
}

/// Does one part after the other. Time that one leaves is the next one's.
pub fn run(options: &Options, all: Duration) -> Result<Found> {
    let begun = Instant::now();
    let shares = |parts: &[Part]| parts.iter().map(|part| part.share()).sum::<u32>();
    let mut found = Found::default();
    for (at, &part) in options.only.iter().enumerate() {
        let until = all * shares(&options.only[..=at]) / shares(&options.only);
        let limit = until.saturating_sub(begun.elapsed()).saturating_sub(GRACE);
        found.append(alone(part, options, limit)?);
        found.write(&options.out)?;
    }
    Ok(found)
}

/// Does a part in another process, and ends that when it does not end itself.
fn alone(part: Part, options: &Options, limit: Duration) -> Result<Found> {
    let name = part.name();
    let rows = options.out.join(part.file());
    // That of an earlier check.
    let _ = std::fs::remove_file(&rows);
    let mut command = Command::new(std::env::current_exe().context("this program")?);
    command.args(["--only", &name, "--alone"]);
    command.arg(limit.as_secs_f64().to_string());
    command.arg("--out").arg(&options.out);
    if options.quick {
        command.arg("--quick");
    }
    if let Some(file) = &options.beside {
        command.arg("--beside").arg(file);
    }
    let begun = Instant::now();
    let ended = until(&mut command.spawn()?, limit + GRACE)?;
    let mut found = Found::read(&rows).unwrap_or_default();
    let doing = found.doing.take();
    let doing = doing.as_deref().unwrap_or("its beginning");
    let seconds = begun.elapsed().as_secs_f64();
    match ended {
        None => found.notes.push(format!(
            "{name}: ended after {seconds:.0} s, in the middle of {doing}; what comes after that was left out"
        )),
        Some(status) if !status.success() => {
            found.faults += 1;
            found.notes.push(format!("{name}: {status}, in the middle of {doing}"));
        }
        Some(_) => {}
    }
    Ok(found)
}

/// How a process ended by itself, if it did so in time.
fn until(child: &mut Child, limit: Duration) -> Result<Option<ExitStatus>> {
    let begun = Instant::now();
    while begun.elapsed() < limit {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        std::thread::sleep(PAUSE);
    }
    child.kill()?;
    child.wait()?;
    Ok(None)
}

/// The folder of results, made if it is not there.
pub fn folder(out: &Path) -> Result<()> {
    std::fs::create_dir_all(out).with_context(|| out.display().to_string())
}
