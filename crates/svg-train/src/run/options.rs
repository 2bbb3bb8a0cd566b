//! Where a run is.

use std::path::PathBuf;

/// Where a run is, and how it is to go on.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// The folder of the run.
    pub out: PathBuf,
    /// Whether to go on from the newest checkpoint.
    pub resume: bool,
    /// Whether to go on although the pictures have changed.
    pub force_data: bool,
    /// Steps to stop after, before those of the configuration.
    pub max_steps: Option<u64>,
    /// Steps whose numbers are read from the device together; by default one on the processor, where reading is
    /// free, and ten on a graphics card, which would wait. The files of a run do not depend on it.
    pub read_every: Option<usize>,
}

impl RunOptions {
    /// A new run in this folder, to its last step.
    pub fn new(out: impl Into<PathBuf>) -> Self {
        Self {
            out: out.into(),
            resume: false,
            force_data: false,
            max_steps: None,
            read_every: None,
        }
    }
}
