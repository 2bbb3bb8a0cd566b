//! An embedded pair of orders 5 and 4.

use burn::prelude::*;

use crate::step_size::Attempt;
use crate::{Solver, Step, StepSizeController, VelocityField};

/// The embedded pair of orders 5 and 4 of Dormand and Prince ("A family of embedded Runge-Kutta
/// formulae", 1980), with steps that adapt to the error.
///
/// Each step of the grid is divided as its [`StepSizeController`] asks; with `[0, 1]` as the grid the
/// controller chooses all of them. An attempt costs six evaluations, for the seventh is the first of the next
/// one, and each step of the grid one more.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct DormandPrince {
    /// Chooses the sizes of the steps.
    pub controller: StepSizeController,
}

const STAGES: usize = 7;

/// Where each stage is, as a part of the step.
const NODES: [f64; STAGES] = [0.0, 1.0 / 5.0, 3.0 / 10.0, 4.0 / 5.0, 8.0 / 9.0, 1.0, 1.0];

/// How each stage after the first is reached. The last row is the solution of order 5.
#[rustfmt::skip]
const TABLEAU: [&[f64]; STAGES - 1] = [
    &[1.0 / 5.0],
    &[3.0 / 40.0, 9.0 / 40.0],
    &[44.0 / 45.0, -56.0 / 15.0, 32.0 / 9.0],
    &[19372.0 / 6561.0, -25360.0 / 2187.0, 64448.0 / 6561.0, -212.0 / 729.0],
    &[9017.0 / 3168.0, -355.0 / 33.0, 46732.0 / 5247.0, 49.0 / 176.0, -5103.0 / 18656.0],
    &[35.0 / 384.0, 0.0, 500.0 / 1113.0, 125.0 / 192.0, -2187.0 / 6784.0, 11.0 / 84.0],
];

/// The solution of order 5 less the one of order 4.
const ERROR: [f64; STAGES] = [
    71.0 / 57600.0,
    0.0,
    -71.0 / 16695.0,
    71.0 / 1920.0,
    -17253.0 / 339200.0,
    22.0 / 525.0,
    -1.0 / 40.0,
];

impl Solver for DormandPrince {
    fn step(&self, field: &dyn VelocityField, x: Tensor<3>, step: &Step) -> Tensor<3> {
        if step.size() == 0.0 {
            return x;
        }
        let first = field.velocity_at(x.clone(), step.at(step.from));
        let attempt = |x: &Tensor<3>, first: Tensor<3>, part: &Step| attempt(field, x, first, part);
        self.controller.divide(step, 5, x, first, attempt)
    }
}

fn attempt(field: &dyn VelocityField, x: &Tensor<3>, first: Tensor<3>, step: &Step) -> Attempt {
    let h = step.size();
    let mut slopes = vec![first];
    let mut end = x.clone();
    for (row, node) in TABLEAU.iter().zip(&NODES[1..]) {
        end = x.clone() + weighed(&slopes, row) * h;
        let t = if *node == 1.0 {
            step.to
        } else {
            step.from + node * h
        };
        slopes.push(field.velocity_at(end.clone(), step.at(t)));
    }
    Attempt {
        x: end,
        error: weighed(&slopes, &ERROR) * h,
        velocity: slopes.swap_remove(STAGES - 1),
    }
}

fn weighed(slopes: &[Tensor<3>], weights: &[f64]) -> Tensor<3> {
    let terms = slopes
        .iter()
        .zip(weights)
        .filter(|(_, weight)| **weight != 0.0);
    terms
        .map(|(slope, weight)| slope.clone() * *weight)
        .reduce(|sum, term| sum + term)
        .expect("a row of the tableau has a weight")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::beside_tokens;
    use crate::{Counted, integrate, unwatched};

    fn solve(field: &dyn VelocityField, solver: &DormandPrince, times: &[f64]) -> f64 {
        let x = Tensor::ones([1, 1, 1], &Device::default());
        let end = integrate(field, solver, times, x, &mut unwatched).x;
        f64::from(end.into_scalar::<f32>())
    }

    fn with(change: impl FnOnce(&mut StepSizeController)) -> DormandPrince {
        let mut solver = DormandPrince::default();
        change(&mut solver.controller);
        solver
    }

    #[test]
    fn the_tableau_is_consistent() {
        for (row, node) in TABLEAU.iter().zip(&NODES[1..]) {
            assert!((row.iter().sum::<f64>() - node).abs() < 1e-12);
        }
        assert!(ERROR.iter().sum::<f64>().abs() < 1e-15);
        // Order 5: the fifth condition of quadrature, and the fourth for the embedded solution.
        let moment = |weights: &[f64], power| {
            let terms = weights.iter().zip(&NODES);
            terms.map(|(w, c)| w * c.powi(power)).sum::<f64>()
        };
        for power in 0..5 {
            let exact = 1.0 / f64::from(power + 1);
            assert!((moment(TABLEAU[5], power) - exact).abs() < 1e-12);
        }
        for power in 0..4 {
            assert!(moment(&ERROR, power).abs() < 1e-12);
        }
        assert!(moment(&ERROR, 4).abs() > 1e-4);
    }

    #[test]
    fn a_tolerance_is_kept_and_a_smaller_one_costs_more() {
        let field = |x: Tensor<3>, t: Tensor<1>| x * (beside_tokens(t) * 20.0).cos() * 5.0;
        let exact = (0.25 * 20.0_f64.sin()).exp();
        let mut last = 0;
        for relative in [1e-2, 1e-3, 1e-4, 1e-5] {
            let solver = with(|controller| controller.relative = relative);
            let counted = Counted::new(field);
            let error = (solve(&counted, &solver, &[0.0, 1.0]) - exact).abs() / exact;
            assert!(error < 5.0 * relative, "{error} for {relative}");
            assert!(counted.evaluations() > last);
            last = counted.evaluations();
        }
    }

    #[test]
    fn it_ends_at_every_time_of_the_grid_and_goes_back_too() {
        let field = |x: Tensor<3>, _: Tensor<1>| x.neg();
        let solver = with(|controller| controller.relative = 1e-5);
        for times in [&[0.0, 0.3, 1.0][..], &[1.0, 0.0], &[0.4, 0.4]] {
            let exact = f64::exp(times[0] - times[times.len() - 1]);
            let found = solve(&field, &solver, times);
            assert!((found - exact).abs() < 1e-4, "{found} {exact}");
        }
    }

    #[test]
    fn a_field_without_numbers_comes_to_an_end() {
        let field = Counted::new(|x: Tensor<3>, _: Tensor<1>| x * f64::NAN);
        let solver = with(|controller| controller.most_steps = 10);
        assert!(solve(&field, &solver, &[0.0, 1.0]).is_nan());
        assert!(field.evaluations() <= 1 + 6 * 12);
    }
}
