//! Solvers, which make one step along a field.

mod dormand_prince;
mod euler;
mod euler_maruyama;
mod heun;
mod midpoint;
mod rk4;
mod stochastic_heun;

use burn::prelude::*;

pub use dormand_prince::DormandPrince;
pub use euler::Euler;
pub use euler_maruyama::{Diffusion, EulerMaruyama, LastStep};
pub use heun::Heun;
pub use midpoint::Midpoint;
pub use rk4::Rk4;
pub use stochastic_heun::StochasticHeun;

use crate::{Moment, VelocityField};

/// One interval of a time grid.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Index of the step, from 0.
    pub index: usize,
    /// Number of steps in the grid.
    pub count: usize,
    /// Time at the start.
    pub from: f64,
    /// Time at the end; less than `from` if the grid goes back.
    pub to: f64,
}

impl Step {
    /// `to - from`
    pub fn size(&self) -> f64 {
        self.to - self.from
    }

    /// The time `t` within this step.
    pub fn at(&self, t: f64) -> Moment {
        Moment {
            t,
            step: self.index,
            steps: self.count,
        }
    }

    /// Whether this is the last step of the grid.
    pub fn is_last(&self) -> bool {
        self.index + 1 == self.count
    }
}

/// Numerical method that makes one step along a field.
///
/// ```
/// use burn::prelude::*;
/// use svg_flow::{Euler, Heun, Solver, Step};
///
/// let field = |x: Tensor<3>, _: Tensor<1>| x;
/// let step = Step { index: 0, count: 1, from: 0.0, to: 1.0 };
/// let start = || Tensor::ones([1, 1, 1], &Device::default());
/// assert_eq!(Euler.step(&field, start(), &step).into_scalar::<f32>(), 2.0);
/// assert_eq!(Heun.step(&field, start(), &step).into_scalar::<f32>(), 2.5);
/// ```
pub trait Solver {
    /// Samples at `step.to`, given those at `step.from`.
    ///
    /// # Shapes
    ///
    /// - x and output: `[batch, tokens, channels]`
    fn step(&self, field: &dyn VelocityField, x: Tensor<3>, step: &Step) -> Tensor<3>;
}

#[cfg(test)]
mod stochastic_tests;
#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::beside_tokens;
    use crate::{Counted, TimeShift, integrate, unwatched};

    fn solve(field: &dyn VelocityField, solver: &dyn Solver, times: &[f64], start: f32) -> f64 {
        let x = Tensor::full([1, 1, 1], start, &Device::default());
        let end = integrate(field, solver, times, x, &mut unwatched).x;
        f64::from(end.into_scalar::<f32>())
    }

    /// Measured order of convergence on `x' = -2 x` and on `x' = 4 t x`.
    fn orders(solver: &dyn Solver, steps: usize) -> [f64; 2] {
        let decay = |x: Tensor<3>, _: Tensor<1>| x * -2.0;
        let driven = |x: Tensor<3>, t: Tensor<1>| x * beside_tokens(t) * 4.0;
        let fields: [(&dyn VelocityField, f64); 2] =
            [(&decay, (-2.0_f64).exp()), (&driven, 2.0_f64.exp())];
        fields.map(|(field, exact)| {
            let error = |steps| {
                let times = TimeShift::new(1.0).grid(steps);
                (solve(field, solver, &times, 1.0) - exact).abs()
            };
            (error(steps) / error(2 * steps)).log2()
        })
    }

    #[test]
    fn every_solver_has_its_documented_order() {
        let check = |name, solver: &dyn Solver, steps, order: f64| {
            for found in orders(solver, steps) {
                assert!((found - order).abs() < 0.2, "{name}: {found} for {order}");
            }
        };
        check("Euler", &Euler, 64, 1.0);
        check("Heun", &Heun, 32, 2.0);
        check("Midpoint", &Midpoint, 32, 2.0);
        check("Rk4", &Rk4, 10, 4.0);
    }

    #[test]
    fn every_solver_makes_its_documented_number_of_evaluations() {
        let cost = |solver: &dyn Solver| {
            let field = Counted::new(|x: Tensor<3>, _: Tensor<1>| x.neg());
            solve(&field, solver, &TimeShift::new(0.15).grid(5), 1.0);
            field.evaluations()
        };
        assert_eq!(cost(&Euler), 5);
        assert_eq!(cost(&Heun), 10);
        assert_eq!(cost(&Midpoint), 10);
        assert_eq!(cost(&Rk4), 20);
    }

    #[test]
    fn all_solvers_but_euler_are_exact_for_a_field_linear_in_time() {
        let field = |x: Tensor<3>, t: Tensor<1>| x.zeros_like() + beside_tokens(t) * 2.0 + 1.0;
        assert_eq!(solve(&field, &Euler, &[0.0, 1.0], 0.0), 1.0);
        let solvers: [&dyn Solver; 4] = [&Heun, &Midpoint, &Rk4, &DormandPrince::default()];
        for solver in solvers {
            assert!((solve(&field, solver, &[0.0, 1.0], 0.0) - 2.0).abs() < 1e-6);
        }
    }

    #[test]
    fn every_solver_is_exact_for_a_constant_field() {
        let field = |x: Tensor<3>, _: Tensor<1>| x.zeros_like() + 0.75;
        let solvers: [&dyn Solver; 5] = [&Euler, &Heun, &Midpoint, &Rk4, &DormandPrince::default()];
        for solver in solvers {
            assert!((solve(&field, solver, &[0.0, 1.0], 1.0) - 1.75).abs() < 1e-6);
        }
    }
}
