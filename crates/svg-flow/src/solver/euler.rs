//! The Euler solver.

use burn::prelude::*;

use crate::{Solver, Step, VelocityField};

/// `x + h v(x, t)`: order 1, one evaluation.
///
/// SVG samples with it in 25 steps (arXiv 2510.15301).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Euler;

impl Solver for Euler {
    fn step(&self, field: &dyn VelocityField, x: Tensor<3>, step: &Step) -> Tensor<3> {
        let v = field.velocity_at(x.clone(), step.at(step.from));
        x + v * step.size()
    }
}
