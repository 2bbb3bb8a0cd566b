//! How often a field was asked.

use std::cell::Cell;

use burn::prelude::*;

use crate::{Branches, Moment, VelocityField};

/// A field, or a pair of branches, that counts passes for each sample: one for each velocity, two for
/// both branches.
///
/// This is the number of function evaluations, NFE, of the literature, with guidance included.
/// Counted inside [`Guided`](crate::Guided) are passes of the network; counted around it are
/// evaluations of the guided field.
#[derive(Clone, Debug)]
pub struct Counted<F> {
    inner: F,
    evaluations: Cell<u64>,
}

impl<F> Counted<F> {
    /// Begins at zero.
    pub fn new(inner: F) -> Self {
        Self {
            inner,
            evaluations: Cell::new(0),
        }
    }

    /// Passes for each sample until now.
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
