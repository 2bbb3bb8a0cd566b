//! Watching a run.

use std::path::PathBuf;

use crate::log::Scalars;

/// A scalar for the line of progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Headline {
    /// Its name among the scalars of a step; a step may lack it.
    pub scalar: &'static str,
    /// Its label there.
    pub label: &'static str,
    /// Digits after the point.
    pub digits: usize,
}

impl Headline {
    pub(crate) const fn new(scalar: &'static str, label: &'static str, digits: usize) -> Self {
        Self {
            scalar,
            label,
            digits,
        }
    }
}

/// Receives what happens in a run.
pub trait Observer {
    /// The scalars of the line of progress, once before the run begins.
    fn watches(&mut self, _headlines: &'static [Headline]) {}
    /// Training begins with this many steps behind it.
    fn begins(&mut self, step: u64, steps: u64, images_per_step: u64);
    /// A step was taken.
    fn stepped(&mut self, step: u64, scalars: &Scalars);
    /// A message for the user.
    fn remark(&mut self, text: &str);
    /// Whether to stop: after the step that is being taken, or before it while its data are being read.
    fn wants_to_stop(&self) -> bool;
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// All steps were taken; the model is in this folder.
    Finished(PathBuf),
    /// It was asked to stop, and a checkpoint was written at this step.
    Interrupted(u64),
}
