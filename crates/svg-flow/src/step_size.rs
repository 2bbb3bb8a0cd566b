//! Adaptive step sizes.

use burn::prelude::*;

use crate::Step;

/// Chooses step sizes from the errors of earlier steps (Hairer, Nørsett and Wanner, "Solving Ordinary
/// Differential Equations I", section II.4).
///
/// The error is one number for the whole batch, the root of the mean of
/// `(error / (absolute + relative |x|))^2`; a step is accepted if it is at most 1. Samples of a batch
/// therefore share their steps and depend on each other within the tolerance: integrate them one at a time
/// if they must not. Each attempt reads this number back from the device.
///
/// ```
/// use burn::prelude::*;
/// use svg_flow::{DormandPrince, StepSizeController, integrate, unwatched};
///
/// let controller = StepSizeController { relative: 1e-5, ..Default::default() };
/// let decay = |x: Tensor<3>, _: Tensor<1>| x.neg();
/// let start = Tensor::ones([1, 1, 1], &Device::default());
/// let end = integrate(&decay, &DormandPrince { controller }, &[0.0, 1.0], start, &mut unwatched).x;
/// assert!((end.into_scalar::<f32>() - (-1.0_f32).exp()).abs() < 1e-4);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepSizeController {
    /// Absolute tolerance. Default: 1e-6
    pub absolute: f64,
    /// Tolerance relative to the value. Default: 1e-3
    pub relative: f64,
    /// The smallest step is the step of the grid divided by this number. It is accepted whatever its
    /// error, so that integration always terminates. Default: 1000
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

/// Result of one step of an embedded pair of Runge-Kutta methods.
pub struct Attempt {
    /// Samples at the end of the step.
    pub x: Tensor<3>,
    /// Velocity at the end, which is the first one of the next step.
    pub velocity: Tensor<3>,
    /// Difference of the two solutions.
    pub error: Tensor<3>,
}

impl StepSizeController {
    /// Divides `step` as the tolerance requires and returns the samples at its end.
    ///
    /// `velocity` is the velocity at the start. `attempt` computes one part of the step from the samples and
    /// the velocity at its start, with an error of order `order`.
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

    /// Initial step size: a hundredth of `|x| / |velocity|`.
    fn first_size(&self, x: &Tensor<3>, velocity: &Tensor<3>, span: f64) -> f64 {
        let size = 0.01 * self.norm(x.clone(), x, x) / self.norm(velocity.clone(), x, x);
        match size.is_finite() && size > 0.0 {
            true => size.min(span),
            false => 0.01 * span,
        }
    }

    /// Root mean square of `value` in units of the tolerance at `x` and `y`.
    fn norm(&self, value: Tensor<3>, x: &Tensor<3>, y: &Tensor<3>) -> f64 {
        let largest = x.clone().abs().max_pair(y.clone().abs());
        let allowed = largest * self.relative + self.absolute;
        let mean = (value / allowed).square().mean();
        f64::from(mean.into_scalar::<f32>()).sqrt()
    }
}
