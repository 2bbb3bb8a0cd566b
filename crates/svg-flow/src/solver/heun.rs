//! The Heun solver.

use burn::prelude::*;

use crate::{Solver, Step, VelocityField};

/// `x + h/2 (v_a + v_b)`, with `v_b` at the end of an Euler step: order 2, two evaluations.
///
/// The second evaluation is at the end of the step, in the last step at time 1. It has the same step index
/// for a guidance schedule, as in SVG's released code.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Heun;

impl Solver for Heun {
    fn step(&self, field: &dyn VelocityField, x: Tensor<3>, step: &Step) -> Tensor<3> {
        let h = step.size();
        let here = field.velocity_at(x.clone(), step.at(step.from));
        let there = field.velocity_at(x.clone() + here.clone() * h, step.at(step.to));
        x + (here + there) * (0.5 * h)
    }
}
