//! The stochastic step.

use std::f64::consts::PI;

use burn::prelude::*;

use crate::{NoiseSource, Solver, Step, VelocityField, expected_data, score};

/// How much noise is mixed in at time `t`: `w(t)`, with the factor `n` of each kind (Ma et al., "SiT",
/// arXiv 2401.08740, released code, for the linear path).
///
/// Any of them leaves the distribution at every time as it is, in the limit of small steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Diffusion {
    /// `n`
    Constant(f64),
    /// `n (1 - t) / t`, that of score-based models. Infinite at time 0, so the grid begins later.
    Sbdm(f64),
    /// `n (1 - t)`, the standard deviation of the noise. On the linear path SiT's `linear` is the same.
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

/// How the last step of the grid is made, which adds no noise.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum LastStep {
    /// The mean of the stochastic step: along the drift. Unless the diffusion vanishes at time 1, the
    /// samples come out narrower than the data, for the noise that belongs to it is missing.
    #[default]
    Mean,
    /// To the data that are expected, whatever the end of the grid. With the end at 1 this is `Euler`.
    Tweedie,
    /// Along the velocity.
    Euler,
    /// Not at all: the samples stay where the step before has left them.
    None,
}

/// One step of `dx = (v + w s) dt + sqrt(2 w) dW`: `x + h (v + w s) + sqrt(2 w h) noise`, with the
/// score `s` of the velocity.
///
/// One evaluation for each step. [`sde_times`](crate::sde_times) is the grid for it: the score has no
/// value at time 1, so the last step is a longer one of its own kind.
#[derive(Clone, Copy, Debug)]
pub struct EulerMaruyama<N> {
    /// How much noise, and when.
    pub diffusion: Diffusion,
    /// How the way ends.
    pub last: LastStep,
    /// The noise, standard normal.
    pub noise: N,
}

impl<N: NoiseSource> Solver for EulerMaruyama<N> {
    /// # Panics
    ///
    /// If the step goes back or begins at time 1, or the diffusion is negative or infinite where it
    /// begins.
    fn step(&self, field: &dyn VelocityField, x: Tensor<3>, step: &Step) -> Tensor<3> {
        let Step { from, to, .. } = *step;
        assert!(
            from < to && from < 1.0,
            "a stochastic step from {from} to {to}: it goes forward and begins before time 1"
        );
        if step.is_last() && self.last == LastStep::None {
            return x;
        }
        let velocity = field.velocity_at(x.clone(), step.at(from));
        let w = self.diffusion.at(from);
        assert!(
            w.is_finite() && w >= 0.0,
            "the diffusion {:?} is {w} at time {from}: begin later, or choose another",
            self.diffusion
        );
        let h = step.size();
        let mean = |x: Tensor<3>, velocity: Tensor<3>| {
            let drift = velocity.clone() + score(x.clone(), velocity, from) * w;
            x + drift * h
        };
        match (step.is_last(), self.last) {
            (true, LastStep::Tweedie) => expected_data(x, velocity, from),
            (true, LastStep::Euler) => x + velocity * h,
            (true, _) => mean(x, velocity),
            (false, _) => {
                let noise = self.noise.noise(step.index, &x);
                mean(x, velocity) + noise * (2.0 * w * h).sqrt()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Counted, Euler, GaussianMixture, integrate, sde_times, unwatched};

    const SAMPLES: usize = 4096;

    /// Normal numbers from a linear congruential generator and twelve uniform ones each.
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

    /// Data that are normal around 0.5 with the deviation 0.6.
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
    fn every_diffusion_reaches_the_distribution_of_the_data() {
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
        // Infinite at 0. From 0.1 the start, which is pure noise, is soon forgotten.
        let later: Vec<f64> = times.iter().map(|t| 0.1 + 0.9 * t).collect();
        check(Diffusion::Sbdm(1.0), LastStep::Euler, &later);
    }

    #[test]
    fn without_diffusion_it_is_euler_for_each_end_but_none() {
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
    fn each_step_costs_one_evaluation_and_the_missing_last_none() {
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
    fn the_diffusion_of_score_models_does_not_begin_at_the_noise() {
        sample(Diffusion::Sbdm(1.0), LastStep::Mean, &[0.0, 0.5, 1.0]);
    }

    #[test]
    #[should_panic(expected = "from 1 to 0.5: it goes forward")]
    fn a_stochastic_step_does_not_go_back() {
        sample(Diffusion::default(), LastStep::Mean, &[1.0, 0.5, 0.0]);
    }
}
