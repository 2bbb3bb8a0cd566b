//! Trait for averaging gradients over processes or devices.

use std::fmt::Debug;

use burn::optim::GradientsParams;

/// The place of a process among those that train together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rank {
    /// From 0; the process of rank 0 writes files.
    pub index: usize,
    /// How many there are.
    pub count: usize,
}

impl Rank {
    /// A process that trains alone.
    pub const ALONE: Self = Self { index: 0, count: 1 };
}

/// Averages gradients over everything that shares a step of training.
///
/// All participants call [`mean`](Self::mean) with gradients of the same parameters in the same order.
pub trait Reduce: Debug + Send + Sync {
    /// The place of this process.
    fn rank(&self) -> Rank;

    /// The mean of the gradients of all participants, the same on each.
    fn mean(&self, gradients: GradientsParams) -> GradientsParams;
}
