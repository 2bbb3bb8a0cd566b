//! Micro-batches, prepared by a thread of their own while steps compute.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use super::Place;
use crate::TrainError;

/// A source of micro-batches.
pub(crate) trait Source: Send + 'static {
    /// The data of a micro-batch, on their device.
    type Batch: Send + 'static;

    /// The micro-batch at `place`, with the data from `cursor` on. It is a function of both, whatever was asked for
    /// before; going on from [`Prepared::cursor_after`] is cheap.
    fn batch(&mut self, place: Place, cursor: u64) -> Result<Prepared<Self::Batch>, TrainError>;
}

/// A micro-batch.
pub(crate) struct Prepared<B> {
    /// Its data.
    pub data: B,
    /// Where the order of data stands after it.
    pub cursor_after: u64,
    /// What people should read, such as the names of broken pictures.
    pub remarks: Vec<String>,
}

/// Which micro-batches a training needs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Needs {
    /// The first step.
    pub step: u64,
    /// Where its data begin.
    pub cursor: u64,
    /// The step before which it ends.
    pub end: u64,
    /// Micro-batches of a step.
    pub accumulation: u64,
}

/// Micro-batches in their order: while one is learned from, the next waits and another is being prepared, no more.
///
/// Whatever order the threads run in, a batch is the same, since it is a function of its place. Burn's devices are
/// used by several threads at once: on graphics cards each thread has a stream of its own, and a stream that is
/// given a tensor of another one waits for what makes it.
pub(crate) struct Ahead<S: Source> {
    /// `None` only when it ends.
    batches: Option<Receiver<Result<Prepared<S::Batch>, TrainError>>>,
    /// Gives the source back when nobody takes batches.
    thread: Option<JoinHandle<S>>,
}

impl<S: Source> Ahead<S> {
    /// Begins to prepare.
    pub fn begin(source: S, needs: Needs) -> Self {
        let (give, take) = sync_channel(1);
        Self {
            batches: Some(take),
            thread: Some(thread::spawn(move || prepare(source, needs, &give))),
        }
    }

    /// The next micro-batch, after waiting for it if need be.
    ///
    /// # Errors
    ///
    /// What the source ended with, after the batches before it.
    ///
    /// # Panics
    ///
    /// If the source panicked, or after the last batch.
    pub fn next(&mut self) -> Result<Prepared<S::Batch>, TrainError> {
        let batches = self.batches.as_ref().expect("it has not ended");
        batches.recv().unwrap_or_else(|_| {
            self.join();
            panic!("no batch is left")
        })
    }

    /// Begins anew elsewhere.
    pub fn restart(&mut self, needs: Needs) {
        let source = self.join().expect("it is joined once");
        *self = Self::begin(source, needs);
    }

    fn join(&mut self) -> Option<S> {
        self.batches = None;
        let ended = self.thread.take()?.join();
        Some(ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    }
}

impl<S: Source> Drop for Ahead<S> {
    /// Waits for the thread, which uses the device.
    fn drop(&mut self) {
        self.batches = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Prepares batches until nobody takes them, or one is an error.
fn prepare<S: Source>(
    mut source: S,
    needs: Needs,
    give: &SyncSender<Result<Prepared<S::Batch>, TrainError>>,
) -> S {
    let mut cursor = needs.cursor;
    for step in needs.step..needs.end {
        for batch in 0..needs.accumulation {
            let prepared = source.batch(Place { step, batch }, cursor);
            let is_error = prepared.is_err();
            cursor = prepared.as_ref().map_or(cursor, |batch| batch.cursor_after);
            if give.send(prepared).is_err() || is_error {
                return source;
            }
        }
    }
    source
}
