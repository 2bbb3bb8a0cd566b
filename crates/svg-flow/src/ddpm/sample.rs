//! From noise to data over the steps of a discrete diffusion.

use std::ops::ControlFlow;

use burn::prelude::*;

use super::{DdpmSolver, NoiseField, Respaced};
use crate::{Progress, Solution};

/// Follows the steps of `respaced` from noise to data.
///
/// `watch` is called after every step, with the time of the linear path that has the same noise level
/// ([`DdpmStep::time_after`](crate::DdpmStep::time_after)), and may stop the sampling; use
/// [`unwatched`](crate::unwatched) for none.
///
/// ```
/// use burn::prelude::*;
/// use svg_flow::{Ddim, NoisePrediction, NoiseSchedule, Respaced, Spacing, denoise, unwatched};
///
/// // Data that are all zero: everything in a sample is noise.
/// let schedule = NoiseSchedule::linear(1000);
/// let field = |x: Tensor<3>, index: Tensor<1>| {
///     let level = schedule.alpha_bar(index.into_scalar::<f32>() as usize);
///     NoisePrediction { noise: x / (1.0 - level).sqrt(), range: None }
/// };
/// let respaced = Respaced::new(&schedule, &Spacing::steps(10)).unwrap();
/// let noise = Tensor::ones([1, 2, 3], &Device::default());
/// let solution = denoise(&field, &Ddim, &respaced, noise, &mut unwatched);
/// assert!(solution.x.abs().max().into_scalar::<f32>() < 1e-4);
/// ```
///
/// # Shapes
///
/// - start: standard normal noise, `[batch, tokens, channels]`
///
/// # Panics
///
/// If the field or the solver panics.
pub fn denoise(
    field: &dyn NoiseField,
    solver: &dyn DdpmSolver,
    respaced: &Respaced,
    start: Tensor<3>,
    watch: &mut dyn FnMut(Progress<'_>) -> ControlFlow<()>,
) -> Solution {
    let (mut x, steps) = (start, respaced.len());
    for (done, step) in (1..).zip(respaced.from_noise()) {
        x = solver.step(field, x, step);
        let progress = Progress {
            step: done,
            steps,
            t: step.time_after(),
            x: &x,
        };
        if watch(progress).is_break() {
            let finished = done == steps;
            return Solution { x, finished };
        }
    }
    Solution { x, finished: true }
}
