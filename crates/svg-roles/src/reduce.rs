//! Trait for averaging gradients over processes or devices.

use std::fmt::Debug;

use burn::optim::GradientsParams;

/// Rank of a process among those that train together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rank {
    /// Index from 0; the process with index 0 writes files.
    pub index: usize,
    /// Number of processes.
    pub count: usize,
}

impl Rank {
    /// A process that trains alone.
    pub const ALONE: Self = Self { index: 0, count: 1 };
}

/// Trait for averaging gradients over the participants of a training step.
///
/// All participants call [`mean`](Self::mean) with gradients of the same parameters in the same order.
pub trait Reduce: Debug + Send + Sync {
    /// Rank of this process.
    fn rank(&self) -> Rank;

    /// Mean of the gradients of all participants, the same on each.
    fn mean(&self, gradients: GradientsParams) -> GradientsParams;
}
