//! Counting function evaluations.

use std::cell::Cell;

use burn::prelude::*;

use crate::{Branches, Moment, VelocityField};

/// Wraps a field or branches and counts evaluations per sample: one for each velocity, two for both
/// branches.
///
/// This is the number of function evaluations (NFE). Inside [`Guided`](crate::Guided) it counts passes of
/// the network, including those for guidance; around it, evaluations of the guided field.
///
/// ```
/// use burn::prelude::*;
/// use svg_flow::{Counted, Heun, integrate, unwatched};
///
/// let field = Counted::new(|x: Tensor<3>, _: Tensor<1>| x.neg());
/// let start = Tensor::ones([1, 1, 1], &Device::default());
/// integrate(&field, &Heun, &[0.0, 0.5, 1.0], start, &mut unwatched);
/// assert_eq!(field.evaluations(), 4);
/// ```
#[derive(Clone, Debug)]
pub struct Counted<F> {
    inner: F,
    evaluations: Cell<u64>,
}

impl<F> Counted<F> {
    /// Starts at zero.
    pub fn new(inner: F) -> Self {
        Self {
            inner,
            evaluations: Cell::new(0),
        }
    }

    /// Evaluations per sample so far.
    pub fn evaluations(&self) -> u64 {
        self.evaluations.get()
    }

    fn after(&self, passes: u64) -> &F {
        self.evaluations.set(self.evaluations.get() + passes);
        &self.inner
    }
}

impl<F: VelocityField> VelocityField for Counted<F> {
    fn velocity(&self, x: Tensor<3>, t: Tensor<1>) -> Tensor<3> {
        self.after(1).velocity(x, t)
    }

    fn velocity_at(&self, x: Tensor<3>, at: Moment) -> Tensor<3> {
        self.after(1).velocity_at(x, at)
    }
}

impl<B: Branches> Branches for Counted<B> {
    fn conditional(&self, x: Tensor<3>, t: Tensor<1>) -> Tensor<3> {
        self.after(1).conditional(x, t)
    }

    fn unconditional(&self, x: Tensor<3>, t: Tensor<1>) -> Tensor<3> {
        self.after(1).unconditional(x, t)
    }

    fn both(&self, x: Tensor<3>, t: Tensor<1>) -> [Tensor<3>; 2] {
        self.after(2).both(x, t)
    }
}
