//! The process in which inputs are tried: what it does to itself is seen from outside.

use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::time::Instant;

use anyhow::Result;

use crate::input::{Bench, Seeds};
use crate::targets::{self, Target};
use crate::verdict::Verdict;
use crate::world::World;

/// The first panic since it was last taken.
static PANIC: Mutex<Option<String>> = Mutex::new(None);

/// What a worker prints before its first input.
pub const READY: &str = "ready";

/// Tries inputs `from` to `to` of a target, and prints two lines for each: its number, and then its number, the
/// milliseconds and the verdict.
pub fn work(name: &str, seed: u64, from: u64, to: u64, world: &World) -> Result<()> {
    let target = targets::find(name)?;
    let seeds = Seeds::read((target.seeds)(world)?, name)?;
    let folder = tempfile::tempdir()?;
    let bench = Bench::new(&seeds, folder.path())?;
    listen();
    say(READY);
    for number in from..to {
        say(&number.to_string());
        let start = Instant::now();
        let verdict = tried(&target, &seeds, &bench, seed, number, world)?;
        let milliseconds = start.elapsed().as_millis();
        say(&format!("{number} {milliseconds} {}", verdict.to_line()));
    }
    Ok(())
}

/// Keeps the message and the place of a panic instead of printing them.
fn listen() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        let message = panic.payload_as_str().unwrap_or("no message");
        let text = format!("{}: {message}", place.unwrap_or_default());
        if let Ok(mut kept) = PANIC.lock() {
            kept.get_or_insert(text);
        }
    }));
}

fn tried(
    target: &Target,
    seeds: &Seeds,
    bench: &Bench,
    seed: u64,
    number: u64,
    world: &World,
) -> Result<Verdict> {
    let changed = seeds.input(target.name, seed, number);
    let unwound = bench.with(seeds, &changed, target.anew, |input| {
        catch_unwind(AssertUnwindSafe(|| (target.check)(input, world)))
    })?;
    let panic = PANIC.lock().ok().and_then(|mut kept| kept.take());
    Ok(match (unwound, panic) {
        (Err(_), panic) => Verdict::Panicked(panic.unwrap_or_default()),
        (Ok(Verdict::Refused(_) | Verdict::Accepted), Some(panic)) => Verdict::Caught(panic),
        (Ok(verdict), _) => verdict,
    })
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // The campaign has ended if it does not listen; then this process will be ended, too.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
