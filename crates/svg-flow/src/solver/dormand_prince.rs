//! Steps as large as a tolerance allows.

use burn::prelude::*;

use crate::{Solver, Step, VelocityField};

/// The embedded pair of orders 5 and 4 of Dormand and Prince ("A family of embedded Runge-Kutta
/// formulae", 1980), with steps that adapt to the error.
///
/// Each step of the grid is divided as the tolerance asks; with `[0, 1]` as the grid the solver is
/// alone. An attempt costs six evaluations, for the seventh is the first of the next one, and each
/// step of the grid one more.
///
/// The error is one number for all samples: the root of the mean over the whole batch of
/// `(error / (absolute + relative |x|))^2`. Samples share their steps, so a sample depends on its
/// company within the tolerance. Who wants it independent integrates one at a time. Each attempt
/// reads that number back from the device.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DormandPrince {
    /// The error that is always allowed. Default: 1e-6
    pub absolute: f64,
    /// The error that is allowed as a part of the value. Default: 1e-3
    pub relative: f64,
    /// Into how many equal parts a step of the grid may be divided. A part of that size is accepted
    /// whatever its error, so that every field comes to an end. Default: 1000
    pub most_steps: usize,
}

impl Default for DormandPrince {
    fn default() -> Self {
        Self {
            absolute: 1e-6,
            relative: 1e-3,
            most_steps: 1000,
        }
    }
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
    fn step(&self, field: &dyn VelocityField, mut x: Tensor<3>, step: &Step) -> Tensor<3> {
        let (span, sign) = (step.size().abs(), step.size().signum());
        if span == 0.0 {
            return x;
        }
        let smallest = span / self.most_steps.max(1) as f64;
        let mut first = field.velocity_at(x.clone(), step.at(step.from));
        let mut size = self.first_size(&x, &first, span).max(smallest);
        let mut done = 0.0;
        let mut rejected = false;
        while done < span {
            let ends = size >= span - done;
            let h = if ends { span - done } else { size };
            let from = step.from + sign * done;
            let to = if ends { step.to } else { from + sign * h };
            let part = Step { from, to, ..*step };
            let attempt = self.attempt(field, &x, first.clone(), &part);
            let factor = match attempt.error.is_finite() {
                true => (0.9 * attempt.error.powf(-0.2)).clamp(0.2, 5.0),
                false => 0.2,
            };
            let accepted = attempt.error <= 1.0 || h <= smallest;
            if accepted {
                (x, first) = (attempt.x, attempt.velocity);
                done = if ends { span } else { done + h };
            }
            // A step that follows a refused one does not grow at once.
            let factor = if rejected { factor.min(1.0) } else { factor };
            rejected = !accepted;
            size = (h * factor).max(smallest);
        }
        x
    }

    fn is_adaptive(&self) -> bool {
        true
    }
}

struct Attempt {
    x: Tensor<3>,
    velocity: Tensor<3>,
    error: f64,
}

impl DormandPrince {
    /// Hairer, Nørsett and Wanner, "Solving Ordinary Differential Equations I", section II.4: a
    /// hundredth of the way on which the value would change by itself.
    fn first_size(&self, x: &Tensor<3>, velocity: &Tensor<3>, span: f64) -> f64 {
        let size = 0.01 * self.norm(x.clone(), x, x) / self.norm(velocity.clone(), x, x);
        match size.is_finite() && size > 0.0 {
            true => size.min(span),
            false => 0.01 * span,
        }
    }

    fn attempt(
        &self,
        field: &dyn VelocityField,
        x: &Tensor<3>,
        first: Tensor<3>,
        step: &Step,
    ) -> Attempt {
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
        let error = self.norm(weighed(&slopes, &ERROR) * h, x, &end);
        Attempt {
            x: end,
            velocity: slopes.swap_remove(STAGES - 1),
            error,
        }
    }

    /// Root mean square of `value` in units of what is allowed at `x` and `y`.
    fn norm(&self, value: Tensor<3>, x: &Tensor<3>, y: &Tensor<3>) -> f64 {
        let largest = x.clone().abs().max_pair(y.clone().abs());
        let allowed = largest * self.relative + self.absolute;
        let mean = (value / allowed).square().mean();
        f64::from(mean.into_scalar::<f32>()).sqrt()
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
            let solver = DormandPrince {
                relative,
                ..Default::default()
            };
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
        let solver = DormandPrince {
            relative: 1e-5,
            ..Default::default()
        };
        for times in [&[0.0, 0.3, 1.0][..], &[1.0, 0.0], &[0.4, 0.4]] {
            let exact = f64::exp(times[0] - times[times.len() - 1]);
            let found = solve(&field, &solver, times);
            assert!((found - exact).abs() < 1e-4, "{found} {exact}");
        }
    }

    #[test]
    fn a_field_without_numbers_comes_to_an_end() {
        let field = Counted::new(|x: Tensor<3>, _: Tensor<1>| x * f64::NAN);
        let solver = DormandPrince {
            most_steps: 10,
            ..Default::default()
        };
        assert!(solve(&field, &solver, &[0.0, 1.0]).is_nan());
        assert!(field.evaluations() <= 1 + 6 * 12);
    }
}
