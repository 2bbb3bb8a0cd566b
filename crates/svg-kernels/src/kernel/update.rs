//! Steps over all numbers of a parameter, in one pass over memory.

use rayon::prelude::*;

use super::norm::lane_sum;
use crate::AdamStep;

/// Numbers for one thread at a time.
const CHUNK: usize = 64 * 1024;

/// Parameter and both moments, in place.
pub fn adam(step: &AdamStep, [parameter, first, second]: [&mut [f32]; 3], gradient: &[f32]) {
    let parts = parameter
        .par_chunks_mut(CHUNK)
        .zip(first.par_chunks_mut(CHUNK))
        .zip(second.par_chunks_mut(CHUNK))
        .zip(gradient.par_chunks(CHUNK));
    parts.for_each(|(((parameter, first), second), gradient)| {
        adam_part(step, parameter, first, second, gradient);
    });
}

/// `old + (target - old) rate` in place of `old`.
pub fn blend(old: &mut [f32], target: &[f32], rate: f32) {
    let parts = old.par_chunks_mut(CHUNK).zip(target.par_chunks(CHUNK));
    parts.for_each(|(old, target)| blend_part(old, target, rate));
}

/// The sum of squares, in an order that does not depend on the number of threads.
pub fn squares(numbers: &[f32]) -> f64 {
    let parts: Vec<f64> = numbers.par_chunks(CHUNK).map(squares_part).collect();
    parts.iter().sum()
}

vectorised! {
    fn adam_part(
        step: &AdamStep,
        parameter: &mut [f32],
        first: &mut [f32],
        second: &mut [f32],
        gradient: &[f32]
    ) {
        let len = parameter.len();
        let (first, second) = (&mut first[..len], &mut second[..len]);
        let gradient = &gradient[..len];
        let AdamStep { beta_1, beta_2, epsilon, .. } = *step;
        let ([correction_1, correction_2], rate, left) = (step.corrections(), step.rate as f32, step.left());
        for i in 0..len {
            let g = gradient[i];
            let m = first[i] * beta_1 + g * (1.0 - beta_1);
            let v = second[i] * beta_2 + g * g * (1.0 - beta_2);
            (first[i], second[i]) = (m, v);
            let step = (m / correction_1) / ((v / correction_2).sqrt() + epsilon);
            parameter[i] = parameter[i] * left - step * rate;
        }
    }

    fn blend_part(old: &mut [f32], target: &[f32], rate: f32) {
        for (old, target) in old.iter_mut().zip(target) {
            *old += (target - *old) * rate;
        }
    }

    fn squares_part(numbers: &[f32]) -> f64 {
        let chunks = numbers.chunks(4096);
        chunks.map(|chunk| lane_sum(chunk.len(), |i| chunk[i] * chunk[i])).sum()
    }
}
