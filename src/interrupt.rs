//! Signals that ask for an end, listened to once for all that a process does.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::progress::status;

/// Whether an end was asked for: by Ctrl-C, or by the SIGTERM or SIGHUP of a scheduler, a service or a terminal that
/// is closed. A later signal ends the process at once.
#[derive(Clone, Copy, Debug)]
pub struct Interrupt(&'static AtomicBool);

/// Why work ended early: somebody asked for it, and nothing is wrong.
#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;

/// The exit code of a process that was asked to end, as shells have it for Ctrl-C.
pub const INTERRUPTED: u8 = 130;

/// Signals within so short a time are one request: `timeout` signals its command and then its process group, and a
/// terminal that is closed sends SIGHUP by itself and by its shell.
const ONE_REQUEST: Duration = Duration::from_secs(1);

static ASKED: AtomicBool = AtomicBool::new(false);
static LISTENS: OnceLock<()> = OnceLock::new();

impl Interrupt {
    /// Listens from now on. The system takes one handler for a process, so later calls share the first.
    pub fn listen() -> Result<Self> {
        Self::listen_with_grace(None)
    }

    /// As [`listen`](Self::listen). When `grace` has passed since the first signal, the process ends whatever it is
    /// doing.
    pub fn listen_with_grace(grace: Option<Duration>) -> Result<Self> {
        if LISTENS.set(()).is_ok() {
            let mut first = None;
            listen(move || asked(&mut first, grace)).context("cannot listen for signals")?;
        }
        Ok(Self(&ASKED))
    }

    pub fn is_asked(self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// An error once somebody has asked.
    pub fn check(self) -> Result<(), Interrupted> {
        match self.is_asked() {
            true => Err(Interrupted),
            false => Ok(()),
        }
    }
}

/// A signal has come; `first` is when the first one came.
fn asked(first: &mut Option<Instant>, grace: Option<Duration>) {
    match first {
        Some(first) if first.elapsed() < ONE_REQUEST => return,
        Some(_) => end(),
        None => *first = Some(Instant::now()),
    }
    ASKED.store(true, Ordering::SeqCst);
    let within = grace.map(|grace| format!(" within {} s", grace.as_secs()));
    status!(
        "\nfinishing what is being done{}, so that it is kept; Ctrl-C again exits at once",
        within.unwrap_or_default()
    );
    if let Some(grace) = grace {
        thread::spawn(move || {
            thread::sleep(grace);
            status!(
                "the time of --grace is over; what is being done is lost, and what was kept before stays"
            );
            end();
        });
    }
}

fn end() -> ! {
    std::process::exit(INTERRUPTED.into())
}

/// Calls `handler` for every signal that asks for an end, on a thread of its own.
#[cfg(unix)]
fn listen(handler: impl FnMut() + Send + 'static) -> Result<()> {
    use nix::sys::signal::{SigHandler, Signal, signal};
    // SAFETY: a signal that is ignored runs no code of this process.
    let ignore = || unsafe { signal(Signal::SIGHUP, SigHandler::SigIgn) };
    // `nohup` starts its command so, which is to outlive its terminal.
    let was = ignore()?;
    ctrlc::set_handler(handler)?;
    if matches!(was, SigHandler::SigIgn) {
        ignore()?;
    }
    Ok(())
}

#[cfg(not(unix))]
fn listen(handler: impl FnMut() + Send + 'static) -> Result<()> {
    Ok(ctrlc::set_handler(handler)?)
}
