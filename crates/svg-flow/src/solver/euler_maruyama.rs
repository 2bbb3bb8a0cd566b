//! The Euler-Maruyama solver for stochastic sampling.

use std::f64::consts::PI;

use burn::prelude::*;

use crate::{Solver, Step, VelocityField, expected_data, score};

/// Diffusion coefficient `w(t)`, with a factor `n` in each variant (Ma et al., "SiT", arXiv 2401.08740,
/// released code, for the linear path).
///
/// In the limit of small steps, none of them changes the distribution at any time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Diffusion {
    /// `n`
    Constant(f64),
    /// `n (1 - t) / t`, as in score-based models. Infinite at time 0, so the grid must begin later.
    Sbdm(f64),
    /// `n (1 - t)`, the standard deviation of the noise. SiT's `linear` is the same on the linear path.
    Sigma(f64),
    /// `(n cos(pi t) + 1)^2 / 4`
    Decreasing(f64),
    /// `n sin(pi t)^2`
    IncreasingDecreasing(f64),
}

impl Default for Diffusion {
    fn default() -> Self {
        Self::Sigma(1.0)
    }
}

impl Diffusion {
    /// `w(t)`
    pub fn at(&self, t: f64) -> f64 {
        match *self {
            Self::Constant(n) => n,
            Self::Sbdm(n) => n * (1.0 - t) / t,
            Self::Sigma(n) => n * (1.0 - t),
            Self::Decreasing(n) => 0.25 * (n * (PI * t).cos() + 1.0).powi(2),
            Self::IncreasingDecreasing(n) => n * (PI * t).sin().powi(2),
        }
    }
}

/// Last step of the grid, which adds no noise.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum LastStep {
    /// Mean of the stochastic step, along the drift. Unless the diffusion vanishes at time 1, the samples
    /// have a smaller variance than the data, because the noise of this step is missing.
    #[default]
    Mean,
    /// [`expected_data`], whatever the end of the grid. If the grid ends at 1, this equals `Euler`.
    Tweedie,
    /// Along the velocity.
    Euler,
    /// No last step: the samples of the previous step are returned.
    None,
}

/// One step of `dx = (v + w s) dt + sqrt(2 w) dW`: `x + h (v + w s) + sqrt(2 w h) noise`, with the
/// score `s` of the velocity.
///
/// One evaluation per step. Use it with the grid [`sde_times`](crate::sde_times): the score is undefined at
/// time 1, so the last step is longer and of another kind.
///
/// With `w = 1 - t`, which is the default, the same grid and [`LastStep::Mean`], it is REPA's sampler (Yu et al., arXiv
/// 2410.06940, released code): there time is reversed, `w` is twice as large and halved in the drift, and what is guided
/// is the drift, which is affine in the velocity.
#[derive(Clone, Copy, Debug)]
pub struct EulerMaruyama<N> {
    /// Diffusion coefficient.
    pub diffusion: Diffusion,
    /// Last step of the grid.
    pub last: LastStep,
    /// Standard normal noise of a step, counted from 0, with the shape and device of the given samples: a
    /// function, so that the caller decides how it is drawn.
    pub noise: N,
}

impl<N: Fn(usize, &Tensor<3>) -> Tensor<3>> Solver for EulerMaruyama<N> {
    /// # Panics
    ///
    /// If the step goes back or begins at time 1, or if the diffusion is negative or infinite at its start.
    fn step(&self, field: &dyn VelocityField, x: Tensor<3>, step: &Step) -> Tensor<3> {
        let Step { from, to, .. } = *step;
        assert!(
            from < to && from < 1.0,
            "a stochastic step from {from} to {to}: it must go forward and begin before time 1"
        );
        if step.is_last() && self.last == LastStep::None {
            return x;
        }
        let velocity = field.velocity_at(x.clone(), step.at(from));
        let w = at(&self.diffusion, from);
        let h = step.size();
        let mean = |x: Tensor<3>, velocity| x.clone() + drift(x, velocity, from, w) * h;
        match (step.is_last(), self.last) {
            (true, LastStep::Tweedie) => expected_data(x, velocity, from),
            (true, LastStep::Euler) => x + velocity * h,
            (true, _) => mean(x, velocity),
            (false, _) => {
                let noise = (self.noise)(step.index, &x);
                mean(x, velocity) + noise * (2.0 * w * h).sqrt()
            }
        }
    }
}

/// The coefficient at a time at which a step begins.
pub(super) fn at(diffusion: &Diffusion, t: f64) -> f64 {
    let w = diffusion.at(t);
    assert!(
        w.is_finite() && w >= 0.0,
        "the diffusion {diffusion:?} is {w} at time {t}: begin later, or choose another"
    );
    w
}

/// `v + w s`
pub(super) fn drift(x: Tensor<3>, velocity: Tensor<3>, t: f64, w: f64) -> Tensor<3> {
    velocity.clone() + score(x, velocity, t) * w
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Counted, Euler, GaussianMixture, integrate, sde_times, unwatched};

    const SAMPLES: usize = 4096;

    /// Approximately normal numbers: sums of twelve uniform ones from a linear congruential generator.
    fn normal(step: usize, like: &Tensor<3>) -> Tensor<3> {
        let mut state = 0x2545_f491_u64 + 7919 * step as u64;
        let mut uniform = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1 << 24) as f32
        };
        let numbers: Vec<f32> = (0..SAMPLES)
            .map(|_| (0..12).map(|_| uniform()).sum::<f32>() - 6.0)
            .collect();
        Tensor::<1>::from_data(numbers.as_slice(), &like.device()).reshape([1, SAMPLES, 1])
    }

    /// Normal data with mean 0.5 and standard deviation 0.6.
    fn gaussian() -> GaussianMixture {
        GaussianMixture::new(vec![vec![0.5]], vec![1.0], 0.6)
    }

    fn sample(diffusion: Diffusion, last: LastStep, times: &[f64]) -> Vec<f32> {
        let solver = EulerMaruyama {
            diffusion,
            last,
            noise: normal,
        };
        let nothing = Tensor::zeros([1, SAMPLES, 1], &Device::default());
        let start = normal(1_000_000, &nothing);
        let solution = integrate(&gaussian(), &solver, times, start, &mut unwatched);
        solution.x.into_data().iter().collect()
    }

    fn moments(x: &[f32]) -> [f32; 2] {
        let mean = x.iter().sum::<f32>() / x.len() as f32;
        let square = x.iter().map(|x| (x - mean).powi(2)).sum::<f32>();
        [mean, square / x.len() as f32]
    }

    #[test]
    fn every_diffusion_samples_the_data_distribution() {
        let check = |diffusion, last, times: &[f64]| {
            let [mean, variance] = moments(&sample(diffusion, last, times));
            let far = (mean - 0.5).abs() > 0.05 || (variance - 0.36).abs() > 0.036;
            assert!(!far, "{diffusion:?}: {mean}, {variance}");
        };
        let times = sde_times(200, 0.04);
        check(Diffusion::Sigma(1.0), LastStep::Mean, &times);
        for diffusion in [
            Diffusion::Constant(0.5),
            Diffusion::Sigma(1.0),
            Diffusion::Decreasing(1.0),
            Diffusion::IncreasingDecreasing(0.5),
        ] {
            check(diffusion, LastStep::Euler, &times);
        }
        // Infinite at 0. Starting at 0.1 with pure noise is corrected after a few steps.
        let later: Vec<f64> = times.iter().map(|t| 0.1 + 0.9 * t).collect();
        check(Diffusion::Sbdm(1.0), LastStep::Euler, &later);
    }

    #[test]
    fn without_diffusion_it_equals_euler() {
        let times = sde_times(10, 0.04);
        let nothing = Tensor::zeros([1, SAMPLES, 1], &Device::default());
        let start = || normal(1_000_000, &nothing);
        let euler = |times| integrate(&gaussian(), &Euler, times, start(), &mut unwatched).x;
        let expected: Vec<f32> = euler(&times[..]).into_data().iter().collect();
        let close = |found: Vec<f32>, expected: &[f32]| {
            let pairs = found.iter().zip(expected);
            assert!(pairs.fold(0.0_f32, |worst, (a, b)| worst.max((a - b).abs())) < 1e-6);
        };
        for last in [LastStep::Mean, LastStep::Euler, LastStep::Tweedie] {
            close(sample(Diffusion::Constant(0.0), last, &times), &expected);
        }
        let before: Vec<f32> = euler(&times[..10]).into_data().iter().collect();
        close(
            sample(Diffusion::Constant(0.0), LastStep::None, &times),
            &before,
        );
    }

    #[test]
    fn each_step_costs_one_evaluation_and_a_missing_last_step_none() {
        let cost = |last| {
            let field = Counted::new(gaussian());
            let solver = EulerMaruyama {
                diffusion: Diffusion::default(),
                last,
                noise: normal,
            };
            let start = Tensor::zeros([1, SAMPLES, 1], &Device::default());
            integrate(&field, &solver, &sde_times(5, 0.04), start, &mut unwatched);
            field.evaluations()
        };
        assert_eq!(cost(LastStep::Mean), 5);
        assert_eq!(cost(LastStep::None), 4);
    }

    #[test]
    #[should_panic(expected = "the diffusion Sbdm(1.0) is inf at time 0: begin later")]
    fn sbdm_diffusion_panics_at_time_zero() {
        sample(Diffusion::Sbdm(1.0), LastStep::Mean, &[0.0, 0.5, 1.0]);
    }

    #[test]
    #[should_panic(expected = "from 1 to 0.5: it must go forward")]
    fn a_stochastic_step_back_panics() {
        sample(Diffusion::default(), LastStep::Mean, &[1.0, 0.5, 0.0]);
    }
}
