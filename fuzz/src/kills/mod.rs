//! Kills of commands at random moments.

mod contents;
mod trial;
mod writer;

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, bail, ensure};

use self::trial::{Reference, Shown, reference, trial};
use self::writer::{WRITERS, Writer};
use crate::world::World;

/// Trials of commands, in turns.
pub struct Kills<'a> {
    pub world: &'a World,
    /// The seed of all moments.
    pub seed: u64,
    /// Trials at once.
    pub jobs: usize,
    /// Their numbers.
    pub trials: Range<u64>,
    /// Commands by name; all if there are none.
    pub only: Vec<String>,
}

/// What the trials of one command have shown.
#[derive(Default)]
struct Sum {
    trials: u64,
    kills: u64,
    asked: u64,
    faults: u64,
}

impl Kills<'_> {
    /// Makes all trials and prints what they show; whether nothing was wrong.
    pub fn run(&self) -> Result<bool> {
        let writers = self.writers()?;
        let references = self.references(&writers)?;
        let next = AtomicU64::new(self.trials.start);
        let sums: Mutex<Vec<Sum>> = Mutex::new(writers.iter().map(|_| Sum::default()).collect());
        self.together(|| {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= self.trials.end {
                    return Ok(());
                }
                let which = (number % writers.len() as u64) as usize;
                let Some(reference) = &references[which] else {
                    continue;
                };
                let shown = self.one(writers[which], reference, number)?;
                if let Ok(mut sums) = sums.lock() {
                    sums[which].add(&shown);
                }
            }
        })?;
        let sums = sums.into_inner().ok().context("a thread panicked")?;
        println!("seed {}, trials {:?}", self.seed, self.trials);
        println!(
            "{:26}{:>8}{:>8}{:>9}{:>8}",
            "command", "trials", "kills", "SIGTERM", "faults"
        );
        let mut all = Sum::default();
        for (writer, sum) in writers.iter().zip(&sums) {
            println!("{:26}{}", writer.name, sum.row());
            all.trials += sum.trials;
            all.kills += sum.kills;
            all.asked += sum.asked;
            all.faults += sum.faults;
        }
        println!("{:26}{}", "together", all.row());
        Ok(all.faults == 0 && references.iter().all(Option::is_some))
    }

    fn writers(&self) -> Result<Vec<&'static Writer>> {
        for name in &self.only {
            let known = WRITERS.iter().any(|writer| writer.name == name);
            let names: Vec<_> = WRITERS.iter().map(|writer| writer.name).collect();
            ensure!(
                known,
                "{name} is no command here; known are {}",
                names.join(", ")
            );
        }
        let asked = |writer: &&Writer| {
            self.only.is_empty() || self.only.iter().any(|name| writer.name == name)
        };
        Ok(WRITERS.iter().filter(asked).collect())
    }

    /// What each command leaves; none for those that fail or do not leave the same twice, which is printed.
    fn references(&self, writers: &[&'static Writer]) -> Result<Vec<Option<Reference>>> {
        let next = AtomicU64::new(0);
        let found: Mutex<Vec<Option<Reference>>> =
            Mutex::new(writers.iter().map(|_| None).collect());
        self.together(|| {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed) as usize;
                let Some(writer) = writers.get(number) else {
                    return Ok(());
                };
                let folder = tempfile::tempdir()?;
                match reference(writer, self.world, folder.path()) {
                    Err(error) => println!("no trials of {}: {error:#}", writer.name),
                    Ok(reference) => {
                        let took = reference.took.as_secs_f64();
                        eprintln!("{}: {took:.2} s", writer.name);
                        if let Ok(mut found) = found.lock() {
                            found[number] = Some(reference);
                        }
                    }
                }
            }
        })?;
        found.into_inner().ok().context("a thread panicked")
    }

    /// One trial. Its folder is kept if it shows a fault.
    fn one(&self, writer: &Writer, reference: &Reference, number: u64) -> Result<Shown> {
        let folder = tempfile::tempdir()?;
        let shown = trial(
            writer,
            reference,
            self.world,
            folder.path(),
            [self.seed, number],
        )?;
        if let Some(fault) = &shown.fault {
            let kept = folder.keep();
            let place = kept.display();
            println!("trial {number}, {}: {fault}\n    in {place}", writer.name);
        }
        Ok(shown)
    }

    /// Calls a function on as many threads as there are jobs.
    fn together(&self, work: impl Fn() -> Result<()> + Sync) -> Result<()> {
        std::thread::scope(|scope| {
            let jobs: Vec<_> = (0..self.jobs.max(1)).map(|_| scope.spawn(&work)).collect();
            jobs.into_iter().try_for_each(|job| match job.join() {
                Ok(done) => done,
                Err(_) => bail!("a thread panicked"),
            })
        })
    }
}

impl Sum {
    fn add(&mut self, shown: &Shown) {
        self.trials += 1;
        self.kills += shown.kills;
        self.asked += shown.asked;
        self.faults += u64::from(shown.fault.is_some());
    }

    fn row(&self) -> String {
        let Self {
            trials,
            kills,
            asked,
            faults,
        } = self;
        format!("{trials:>8}{kills:>8}{asked:>9}{faults:>8}")
    }
}
