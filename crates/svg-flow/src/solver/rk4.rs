//! The classical Runge-Kutta solver.

use burn::prelude::*;

use crate::{Solver, Step, VelocityField};

/// `x + h/6 (k1 + 2 k2 + 2 k3 + k4)`: order 4, four evaluations.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rk4;

impl Solver for Rk4 {
    fn step(&self, field: &dyn VelocityField, x: Tensor<3>, step: &Step) -> Tensor<3> {
        let h = step.size();
        let half = 0.5 * h;
        let at = |x, t| field.velocity_at(x, step.at(t));
        let k1 = at(x.clone(), step.from);
        let k2 = at(x.clone() + k1.clone() * half, step.from + half);
        let k3 = at(x.clone() + k2.clone() * half, step.from + half);
        let k4 = at(x.clone() + k3.clone() * h, step.to);
        x + (k1 + (k2 + k3) * 2.0 + k4) * (h / 6.0)
    }
}
