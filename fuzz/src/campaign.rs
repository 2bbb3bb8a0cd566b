//! Many inputs, in processes with a limit of memory, each input with a limit of time.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::tally::Tally;
use crate::verdict::Verdict;
use crate::worker::READY;
use crate::world::World;

/// Inputs of one process, at most.
const CHUNK: u64 = 500;
/// Processes for each job, at least, so that all end at about the same time.
const PROCESSES: u64 = 4;
/// Longest time until a process is ready.
const START: Duration = Duration::from_secs(120);

/// How inputs are tried.
pub struct Campaign<'a> {
    pub world: &'a World,
    /// The seed of all inputs.
    pub seed: u64,
    /// Processes at once.
    pub jobs: usize,
    /// Longest time of one input.
    pub limit: Duration,
    /// Most memory of a process, in KiB of its address space.
    pub memory: u64,
}

impl Campaign<'_> {
    /// Tries inputs `from` to `to` of a target.
    pub fn target(&self, name: &str, from: u64, to: u64) -> Result<Tally> {
        let (next, tally) = (AtomicU64::new(from), Mutex::new(Tally::default()));
        let processes = PROCESSES * self.jobs.max(1) as u64;
        let chunk = (to - from).div_ceil(processes).clamp(1, CHUNK);
        std::thread::scope(|scope| {
            let work = || -> Result<()> {
                loop {
                    let begin = next.fetch_add(chunk, Ordering::Relaxed);
                    if begin >= to {
                        return Ok(());
                    }
                    let tried = self.chunk(name, begin, to.min(begin + chunk))?;
                    if let Ok(mut tally) = tally.lock() {
                        tally.add(tried);
                        eprintln!("{name}: {} of {}", tally.inputs(), to - from);
                    }
                }
            };
            let jobs: Vec<_> = (0..self.jobs.max(1)).map(|_| scope.spawn(work)).collect();
            jobs.into_iter().try_for_each(|job| match job.join() {
                Ok(done) => done,
                Err(_) => bail!("a thread of the campaign panicked"),
            })
        })?;
        tally.into_inner().ok().context("a thread panicked")
    }

    /// Tries inputs with as many processes as they end.
    fn chunk(&self, name: &str, from: u64, to: u64) -> Result<Tally> {
        let (mut tally, mut from) = (Tally::default(), from);
        while from < to {
            from = self.process(name, from, to, &mut tally)?;
        }
        Ok(tally)
    }

    /// Tries inputs with one process until it ends; the number of the next input.
    fn process(&self, name: &str, from: u64, to: u64, tally: &mut Tally) -> Result<u64> {
        let folder = tempfile::tempdir()?;
        let errors = folder.path().join("standard-error");
        let mut worker = self.start(name, from, to, folder.path(), &errors)?;
        let lines = lines(&mut worker)?;
        let mut next = from;
        let mut limit = START;
        let fault = loop {
            match lines.recv_timeout(limit) {
                Ok(line) if line == READY => limit = self.limit,
                Ok(line) => {
                    // The first line of an input has its number alone.
                    if let Some((number, took, verdict)) = verdict(&line) {
                        tally.count(number, Duration::from_millis(took), verdict);
                        next = number + 1;
                    }
                }
                Err(RecvTimeoutError::Timeout) => break Some(Verdict::Slow),
                Err(RecvTimeoutError::Disconnected) => break None,
            }
        };
        // Already ended, or to be ended.
        let _ = worker.kill();
        let status = worker.wait()?;
        if next < to {
            let said = std::fs::read(&errors).unwrap_or_default();
            let said = String::from_utf8_lossy(&said).trim().to_string();
            let first = said.lines().next().unwrap_or_default();
            if limit == START {
                bail!("{name}: the process did not begin, {status}: {said}");
            }
            let ended = || Verdict::Aborted(format!("{status}: {first}"));
            tally.count(next, self.limit, fault.unwrap_or_else(ended));
            next += 1;
        }
        Ok(next)
    }

    fn start(
        &self,
        name: &str,
        from: u64,
        to: u64,
        scratch: &Path,
        errors: &Path,
    ) -> Result<Child> {
        let mut command = self.limited(&std::env::current_exe()?);
        let numbers = [self.seed, from, to].map(|number| number.to_string());
        command.args(["worker", "--target", name]);
        command.args([
            "--seed",
            &numbers[0],
            "--from",
            &numbers[1],
            "--to",
            &numbers[2],
        ]);
        command.arg("--world").arg(self.world.path(""));
        command.arg("--svg").arg(&self.world.svg);
        // One thread for each input: processes share the processors, and a thread's stack counts as memory.
        command.env("RAYON_NUM_THREADS", "1").env("TMPDIR", scratch);
        command.env("RUST_BACKTRACE", "0");
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        command.stderr(std::fs::File::create(errors)?);
        command.spawn().context("a process for inputs")
    }

    /// A program with a limit of memory, where the system has a shell that sets one.
    fn limited(&self, program: &Path) -> Command {
        if !cfg!(unix) {
            return Command::new(program);
        }
        let mut command = Command::new("sh");
        let script = format!("ulimit -v {} && exec \"$0\" \"$@\"", self.memory);
        command.args(["-c", &script]).arg(program);
        command
    }
}

/// The lines that a process prints, as they come.
fn lines(worker: &mut Child) -> Result<Receiver<String>> {
    let out = worker.stdout.take().context("standard output is piped")?;
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let lines = BufReader::new(out).lines().map_while(Result::ok);
        for line in lines {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    Ok(receiver)
}

/// The number, the milliseconds and the verdict of a line.
fn verdict(line: &str) -> Option<(u64, u64, Verdict)> {
    let mut parts = line.splitn(3, ' ');
    let number = parts.next()?.parse().ok()?;
    let took = parts.next()?.parse().ok()?;
    Some((number, took, Verdict::from_line(parts.next()?)?))
}
