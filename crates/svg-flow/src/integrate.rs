//! The fold over a time grid.

use std::ops::ControlFlow;

use burn::prelude::*;

use crate::{Solver, Step, VelocityField};

/// What there is after a step.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// How many steps are done, from 1.
    pub step: usize,
    /// How many there are.
    pub steps: usize,
    /// The time that is reached.
    pub t: f64,
    /// The samples there, `[batch, tokens, channels]`.
    pub x: &'a Tensor<3>,
}

/// Where an integration ended.
#[derive(Clone, Debug)]
pub struct Solution {
    /// The samples, `[batch, tokens, channels]`.
    pub x: Tensor<3>,
    /// Whether all steps were made, or the watcher stopped before.
    pub finished: bool,
}

/// Follows a field from the first of `times` to the last, one step between neighbours.
///
/// The grid may go back, from data to noise. `watch` sees every step and may break off;
/// [`unwatched`] never does.
///
/// # Shapes
///
/// - start: `[batch, tokens, channels]`
///
/// # Panics
///
/// Where the field or the solver does.
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

/// The watcher that lets every step pass.
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
    fn a_watcher_sees_every_step_and_may_stop() {
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
    fn stopping_after_the_last_step_is_finishing() {
        let stop = &mut |_: Progress<'_>| ControlFlow::Break(());
        assert!(integrate(&decay, &Euler, &[0.0, 1.0], one(), stop).finished);
    }

    #[test]
    fn a_grid_without_a_step_changes_nothing() {
        for times in [&[][..], &[0.5]] {
            let solution = integrate(&decay, &Euler, times, one(), &mut unwatched);
            assert!(solution.finished);
            assert_eq!(solution.x.into_scalar::<f32>(), 1.0);
        }
    }

    #[test]
    fn a_straight_field_is_solved_by_one_step_and_the_way_back_undoes_it() {
        let field = |x: Tensor<3>, _: Tensor<1>| x.zeros_like() + 3.0;
        let there = integrate(&field, &Euler, &[0.0, 1.0], one(), &mut unwatched).x;
        let back = integrate(&field, &Euler, &[1.0, 0.0], there.clone(), &mut unwatched).x;
        assert_eq!(there.into_scalar::<f32>(), 4.0);
        assert_eq!(back.into_scalar::<f32>(), 1.0);
    }
}
