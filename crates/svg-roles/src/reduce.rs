//! Trait for averaging gradients over processes.

use std::fmt::Debug;

use burn::optim::GradientsParams;

/// Trait for averaging gradients over the processes of a training step.
///
/// All processes call [`mean`](Self::mean) with gradients of the same parameters in the same order.
pub trait Reduce: Debug + Send + Sync {
    /// Number of processes.
    fn processes(&self) -> usize;

    /// Mean of the gradients of all processes, the same on each.
    fn mean(&self, gradients: GradientsParams) -> GradientsParams;
}
