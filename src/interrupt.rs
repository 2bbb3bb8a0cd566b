//! Ctrl-C, listened to once for all that a process does.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};

/// Whether Ctrl-C was pressed. A second one ends the process at once.
#[derive(Clone, Copy, Debug)]
pub struct Interrupt(&'static AtomicBool);

/// Why work ended early: somebody asked for it, and nothing is wrong.
#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;

static ASKED: AtomicBool = AtomicBool::new(false);
static LISTENS: OnceLock<()> = OnceLock::new();

impl Interrupt {
    /// Listens from now on. The system takes one handler for a process, so later calls share the first.
    pub fn listen() -> Result<Self> {
        if LISTENS.set(()).is_ok() {
            ctrlc::set_handler(|| {
                if ASKED.swap(true, Ordering::SeqCst) {
                    std::process::exit(130);
                }
                eprintln!(
                    "\nfinishing what is being done, so that it is kept; Ctrl-C again exits at once"
                );
            })
            .context("cannot listen for Ctrl-C")?;
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
