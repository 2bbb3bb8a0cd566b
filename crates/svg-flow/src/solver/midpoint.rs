//! The midpoint solver.

use burn::prelude::*;

use crate::{Solver, Step, VelocityField};

/// `x + h v(x + h/2 v(x, t), t + h/2)`: order 2, two evaluations, neither at the end of the step.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Midpoint;

impl Solver for Midpoint {
    fn step(&self, field: &dyn VelocityField, x: Tensor<3>, step: &Step) -> Tensor<3> {
        let h = step.size();
        let here = field.velocity_at(x.clone(), step.at(step.from));
        let middle = x.clone() + here * (0.5 * h);
        let v = field.velocity_at(middle, step.at(step.from + 0.5 * h));
        x + v * h
    }
}
