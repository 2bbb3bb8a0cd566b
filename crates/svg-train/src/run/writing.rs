//! A checkpoint that is written while training goes on.

use std::thread::{self, JoinHandle};

use crate::TrainError;

/// At most one checkpoint at a time that another thread writes. Dropped, it waits, so that nothing is written in the
/// folder of a run that nobody holds any more.
#[derive(Debug, Default)]
pub(crate) struct Writing(Option<JoinHandle<Result<(), TrainError>>>);

impl Writing {
    /// Lets another thread write, once the checkpoint before is written.
    ///
    /// # Errors
    ///
    /// That of the checkpoint before.
    pub fn begin(
        &mut self,
        write: impl FnOnce() -> Result<(), TrainError> + Send + 'static,
    ) -> Result<(), TrainError> {
        self.wait()?;
        self.0 = Some(thread::spawn(write));
        Ok(())
    }

    /// Waits until nothing is being written.
    ///
    /// # Errors
    ///
    /// Why the last checkpoint could not be written.
    pub fn wait(&mut self) -> Result<(), TrainError> {
        match self.0.take().map(JoinHandle::join) {
            None => Ok(()),
            Some(Ok(written)) => written,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
        }
    }

    /// The error of a checkpoint that has failed meanwhile; does not wait.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait).
    pub fn check(&mut self) -> Result<(), TrainError> {
        match &self.0 {
            Some(thread) if thread.is_finished() => self.wait(),
            _ => Ok(()),
        }
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        if let Some(thread) = self.0.take() {
            let _ = thread.join();
        }
    }
}
