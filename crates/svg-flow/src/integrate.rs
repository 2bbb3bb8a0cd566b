//! Integration over a time grid.

use std::ops::ControlFlow;

use burn::prelude::*;

use crate::{Solver, Step, VelocityField};

/// State after a step, passed to the callback of [`integrate`].
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// Number of finished steps, from 1.
    pub step: usize,
    /// Number of all steps.
    pub steps: usize,
    /// Time that was reached.
    pub t: f64,
    /// Samples at this time, `[batch, tokens, channels]`.
    pub x: &'a Tensor<3>,
}

/// Result of [`integrate`].
#[derive(Clone, Debug)]
pub struct Solution {
    /// Samples, `[batch, tokens, channels]`.
    pub x: Tensor<3>,
    /// Whether all steps were made; false if the callback stopped before.
    pub finished: bool,
}

/// Integrates a field from the first to the last of `times`, with one step between neighbouring times.
///
/// The times may decrease, which leads from data to noise. `watch` is called after every step and may stop
/// the integration; use [`unwatched`] for none.
///
/// ```
/// use burn::prelude::*;
/// use svg_flow::{Euler, integrate, unwatched};
///
/// let field = |x: Tensor<3>, _: Tensor<1>| x.zeros_like() + 3.0;
/// let noise = Tensor::ones([1, 1, 1], &Device::default());
/// let solution = integrate(&field, &Euler, &[0.0, 0.5, 1.0], noise, &mut unwatched);
/// assert!(solution.finished);
/// assert_eq!(solution.x.into_scalar::<f32>(), 4.0);
/// ```
///
/// # Shapes
///
/// - start: `[batch, tokens, channels]`
///
/// # Panics
///
/// If the field or the solver panics.
pub fn integrate(
    field: &dyn VelocityField,
    solver: &dyn Solver,
    times: &[f64],
    start: Tensor<3>,
    watch: &mut dyn FnMut(Progress<'_>) -> ControlFlow<()>,
) -> Solution {
    let mut x = start;
    let count = times.len().saturating_sub(1);
    for (index, pair) in times.windows(2).enumerate() {
        let (from, to) = (pair[0], pair[1]);
        let step = Step {
            index,
            count,
            from,
            to,
        };
        x = solver.step(field, x, &step);
        let done = index + 1;
        let progress = Progress {
            step: done,
            steps: count,
            t: to,
            x: &x,
        };
        if watch(progress).is_break() {
            let finished = done == count;
            return Solution { x, finished };
        }
    }
    Solution { x, finished: true }
}

/// A callback for [`integrate`] that never stops.
pub fn unwatched(_: Progress<'_>) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Euler;

    fn decay(x: Tensor<3>, _: Tensor<1>) -> Tensor<3> {
        x.neg()
    }

    fn one() -> Tensor<3> {
        Tensor::ones([1, 1, 1], &Device::default())
    }

    #[test]
    fn the_callback_sees_every_step_and_can_stop() {
        let times = [0.0, 0.5, 0.75, 1.0];
        let mut seen = vec![];
        let solution = integrate(&decay, &Euler, &times, one(), &mut |at| {
            seen.push((at.step, at.steps, at.t, at.x.clone().into_scalar::<f32>()));
            match at.step {
                2 => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        });
        assert_eq!(seen, [(1, 3, 0.5, 0.5), (2, 3, 0.75, 0.375)]);
        assert!(!solution.finished);
        assert_eq!(solution.x.into_scalar::<f32>(), 0.375);
    }

    #[test]
    fn stopping_after_the_last_step_counts_as_finished() {
        let stop = &mut |_: Progress<'_>| ControlFlow::Break(());
        assert!(integrate(&decay, &Euler, &[0.0, 1.0], one(), stop).finished);
    }

    #[test]
    fn a_grid_without_steps_returns_the_start() {
        for times in [&[][..], &[0.5]] {
            let solution = integrate(&decay, &Euler, times, one(), &mut unwatched);
            assert!(solution.finished);
            assert_eq!(solution.x.into_scalar::<f32>(), 1.0);
        }
    }

    #[test]
    fn one_step_solves_a_constant_field_in_both_directions() {
        let field = |x: Tensor<3>, _: Tensor<1>| x.zeros_like() + 3.0;
        let there = integrate(&field, &Euler, &[0.0, 1.0], one(), &mut unwatched).x;
        let back = integrate(&field, &Euler, &[1.0, 0.0], there.clone(), &mut unwatched).x;
        assert_eq!(there.into_scalar::<f32>(), 4.0);
        assert_eq!(back.into_scalar::<f32>(), 1.0);
    }
}
