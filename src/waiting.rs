//! Lines for those who wait.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;

use crate::progress::status;

/// When somebody who waits is told what for, and how often again.
const SOON: Duration = Duration::from_secs(2);
const AGAIN: Duration = Duration::from_secs(15);

/// What a first step waits for.
pub const FIRST_STEP: &str = match cfg!(feature = "cards") {
    true => "the first step, for which a card may compile and tune kernels",
    false => "the first step",
};

/// Tells somebody who waits what for, until it is dropped.
pub struct Waiting {
    done: Option<Sender<()>>,
    teller: Option<JoinHandle<()>>,
}

impl Waiting {
    /// Says so when it has lasted two seconds, and then every now and then, above a bar that may be hidden.
    pub fn to(what: &str, bar: &ProgressBar) -> Self {
        let (done, over) = channel();
        let (what, bar, begun) = (what.to_string(), bar.clone(), Instant::now());
        let teller = std::thread::spawn(move || {
            let mut pause = SOON;
            while over.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                let seconds = begun.elapsed().as_secs_f64();
                bar.suspend(|| status!("{what}: {seconds:.0} s so far"));
                pause = AGAIN;
            }
        });
        Self {
            done: Some(done),
            teller: Some(teller),
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        drop(self.done.take());
        if let Some(teller) = self.teller.take() {
            // It only writes lines.
            let _ = teller.join();
        }
    }
}
