//! Trait for averaging gradients over processes.

use std::fmt::Debug;

use burn::optim::GradientsParams;

/// Rank of a process among those that train together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rank {
    /// Index from 0.
    pub index: usize,
    /// Number of processes.
    pub count: usize,
}

/// Trait for averaging gradients over the processes of a training step.
///
/// All processes call [`mean`](Self::mean) with gradients of the same parameters in the same order.
pub trait Reduce: Debug + Send + Sync {
    /// Rank of this process.
    fn rank(&self) -> Rank;

    /// Mean of the gradients of all processes, the same on each.
    fn mean(&self, gradients: GradientsParams) -> GradientsParams;
}
