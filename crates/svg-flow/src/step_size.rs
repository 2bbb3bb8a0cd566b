//! Step sizes that keep the error of a step within a tolerance.

use burn::prelude::*;

use crate::Step;

/// Chooses the sizes of steps from the errors of those before (Hairer, Nørsett and Wanner, "Solving Ordinary
/// Differential Equations I", section II.4).
///
/// The error is one number for the whole batch, the root of the mean of
/// `(error / (absolute + relative |x|))^2`; a step is accepted if it is at most 1. Samples of a batch thus
/// share their steps and depend on each other within the tolerance: integrate them one at a time where they
/// must not. Each attempt reads that number back from the device.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepSizeController {
    /// The error that is always allowed. Default: 1e-6
    pub absolute: f64,
    /// The error that is allowed as a part of the value. Default: 1e-3
    pub relative: f64,
    /// Into how many equal parts a step of the grid may be divided. A part of that size is accepted
    /// whatever its error, so that every field comes to an end. Default: 1000
    pub most_steps: usize,
}

impl Default for StepSizeController {
    fn default() -> Self {
        Self {
            absolute: 1e-6,
            relative: 1e-3,
            most_steps: 1000,
        }
    }
}

/// What an embedded pair of Runge-Kutta methods makes of one step.
pub struct Attempt {
    /// The samples at the end of the step.
    pub x: Tensor<3>,
    /// The velocity there, which is the first one of the next step.
    pub velocity: Tensor<3>,
    /// The difference of both solutions.
    pub error: Tensor<3>,
}

impl StepSizeController {
    /// Divides `step` as the tolerance asks, and gives the samples at its end.
    ///
    /// `velocity` is the one at the start; `attempt` makes one part of the step from samples and the velocity
    /// there, with an error of order `order`.
    ///
    /// # Shapes
    ///
    /// - x, velocity and output: `[batch, tokens, channels]`
    pub fn divide(
        &self,
        step: &Step,
        order: i32,
        x: Tensor<3>,
        velocity: Tensor<3>,
        mut attempt: impl FnMut(&Tensor<3>, Tensor<3>, &Step) -> Attempt,
    ) -> Tensor<3> {
        let (span, sign) = (step.size().abs(), step.size().signum());
        let smallest = span / self.most_steps.max(1) as f64;
        let (mut x, mut first) = (x, velocity);
        let mut size = self.first_size(&x, &first, span).max(smallest);
        let mut done = 0.0;
        let mut rejected = false;
        while done < span {
            let ends = size >= span - done;
            let h = if ends { span - done } else { size };
            let from = step.from + sign * done;
            let to = if ends { step.to } else { from + sign * h };
            let part = Step { from, to, ..*step };
            let attempt = attempt(&x, first.clone(), &part);
            let error = self.norm(attempt.error, &x, &attempt.x);
            let factor = match error.is_finite() {
                true => (0.9 * error.powf(-1.0 / f64::from(order))).clamp(0.2, 5.0),
                false => 0.2,
            };
            let accepted = error <= 1.0 || h <= smallest;
            if accepted {
                (x, first) = (attempt.x, attempt.velocity);
                done = if ends { span } else { done + h };
            }
            // A step that follows a rejected one does not grow at once.
            let factor = if rejected { factor.min(1.0) } else { factor };
            rejected = !accepted;
            size = (h * factor).max(smallest);
        }
        x
    }

    /// A hundredth of the distance over which the value would change by itself.
    fn first_size(&self, x: &Tensor<3>, velocity: &Tensor<3>, span: f64) -> f64 {
        let size = 0.01 * self.norm(x.clone(), x, x) / self.norm(velocity.clone(), x, x);
        match size.is_finite() && size > 0.0 {
            true => size.min(span),
            false => 0.01 * span,
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
