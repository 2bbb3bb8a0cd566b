//! Steps from one noise level to the next.

use burn::prelude::*;

use super::{DdpmStep, NoiseField, NoisePrediction};
use crate::field::filled;

/// Numerical method that makes one step from a noise level to the next lower one.
pub trait DdpmSolver {
    /// Samples at the noise level `step.previous`, given those at `step.alpha_bar`.
    ///
    /// # Shapes
    ///
    /// - x and output: `[batch, tokens, channels]`
    fn step(&self, field: &dyn NoiseField, x: Tensor<3>, step: &DdpmStep) -> Tensor<3>;
}

/// A sample of the modelled posterior: `mean + sqrt(variance) noise`, without noise in the last step (arXiv
/// 2006.11239, algorithm 2).
///
/// The data in the mean are not clipped, as latents have no range. The logarithm of the variance lies between that
/// of the posterior and that of beta, where the network says; without a learned variance it is the posterior's. One
/// evaluation per step.
#[derive(Clone, Copy, Debug)]
pub struct Ancestral<N> {
    /// Standard normal noise of the step at a place (see [`DdpmStep::place`]), with the shape and device of the
    /// given samples: a function, so that the caller decides how it is drawn. It is not called for the last step.
    pub noise: N,
}

/// The deterministic step of DDIM with `eta = 0` (Song et al., arXiv 2010.02502, equation 12): data and noise are
/// put together again at the next level. One evaluation per step.
///
/// It is the Euler step of [`NoiseFlow`](crate::NoiseFlow) between the same levels.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Ddim;

impl<N: Fn(usize, &Tensor<3>) -> Tensor<3>> DdpmSolver for Ancestral<N> {
    fn step(&self, field: &dyn NoiseField, x: Tensor<3>, step: &DdpmStep) -> Tensor<3> {
        let NoisePrediction { noise, range } = predicted(field, &x, step);
        let [of_data, of_x] = step.mean_coefficients();
        let mean = data(x.clone(), noise, step) * of_data + x * of_x;
        if step.place == 0 {
            return mean;
        }
        let drawn = (self.noise)(step.place, &mean);
        let (low, high) = (step.log_variance, step.beta().ln());
        match range {
            // Half the logarithm of the variance, that of the deviation.
            Some(range) => {
                let between = (range + 1.0) * 0.5;
                mean + ((between * (high - low) + low) * 0.5).exp() * drawn
            }
            None => mean + drawn * (0.5 * low).exp(),
        }
    }
}

impl DdpmSolver for Ddim {
    fn step(&self, field: &dyn NoiseField, x: Tensor<3>, step: &DdpmStep) -> Tensor<3> {
        let noise = predicted(field, &x, step).noise;
        let data = data(x, noise.clone(), step);
        data * step.previous.sqrt() + noise * (1.0 - step.previous).sqrt()
    }
}

fn predicted(field: &dyn NoiseField, x: &Tensor<3>, step: &DdpmStep) -> NoisePrediction {
    field.predict(x.clone(), filled(x, step.index as f64))
}

/// The data that samples and their noise mean.
fn data(x: Tensor<3>, noise: Tensor<3>, step: &DdpmStep) -> Tensor<3> {
    let [of_x, of_noise] = step.data_coefficients();
    x * of_x + noise * of_noise
}
