//! The Heun solver for stochastic sampling.

use burn::prelude::*;

use super::euler_maruyama::{at, drift};
use crate::{Diffusion, EulerMaruyama, LastStep, Solver, Step, VelocityField};

/// One step of `dx = (v + w s) dt + sqrt(2 w) dW` that adds the noise first, `y = x + sqrt(2 w h) noise` with `w` at
/// the start of the step, and follows the drift from `y` by Heun's rule (Ma et al., "SiT", arXiv 2401.08740, released
/// code).
///
/// Two evaluations per step. The last step of the grid is that of [`EulerMaruyama`].
#[derive(Clone, Copy, Debug)]
pub struct StochasticHeun<N> {
    /// Diffusion coefficient.
    pub diffusion: Diffusion,
    /// Last step of the grid.
    pub last: LastStep,
    /// Standard normal noise of a step, as for [`EulerMaruyama`].
    pub noise: N,
}

impl<N: Fn(usize, &Tensor<3>) -> Tensor<3>> Solver for StochasticHeun<N> {
    /// # Panics
    ///
    /// If the step goes back or begins at time 1, if it is not the last one and ends there, or if the diffusion is
    /// negative or infinite at its start or end.
    fn step(&self, field: &dyn VelocityField, x: Tensor<3>, step: &Step) -> Tensor<3> {
        if step.is_last() {
            let (diffusion, last) = (self.diffusion, self.last);
            let noise = &self.noise;
            let plain = EulerMaruyama {
                diffusion,
                last,
                noise,
            };
            return plain.step(field, x, step);
        }
        let Step { from, to, .. } = *step;
        assert!(
            from < to && to < 1.0,
            "a stochastic step of Heun from {from} to {to}: it must go forward and end before time 1"
        );
        let h = step.size();
        let w = at(&self.diffusion, from);
        let noise = (self.noise)(step.index, &x);
        let x = x + noise * (2.0 * w * h).sqrt();
        let slope = |x: Tensor<3>, t: f64| {
            let velocity = field.velocity_at(x.clone(), step.at(t));
            drift(x, velocity, t, at(&self.diffusion, t))
        };
        let here = slope(x.clone(), from);
        let there = slope(x.clone() + here.clone() * h, to);
        x + (here + there) * (0.5 * h)
    }
}
