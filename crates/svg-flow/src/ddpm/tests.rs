//! Discrete diffusion of normal data, whose noise is known: every step is affine, so mean and variance of the samples
//! follow from few runs without random numbers.

use burn::prelude::*;

use super::{
    Ancestral, Ddim, DdpmSolver, NoiseField, NoiseFlow, NoisePrediction, NoiseSchedule, Respaced,
    Spacing, denoise,
};
use crate::field::beside_tokens;
use crate::{Euler, GaussianMixture, Heun, TimeShift, VelocityField, integrate, unwatched};

const MEAN: f64 = 0.5;
const STD: f64 = 0.6;

/// The expected noise in samples of `N(MEAN, STD^2)`.
struct Normal {
    schedule: NoiseSchedule,
    range: Option<f32>,
}

fn normal(range: Option<f32>) -> Normal {
    let schedule = NoiseSchedule::linear(1000);
    Normal { schedule, range }
}

impl NoiseField for Normal {
    fn predict(&self, x: Tensor<3>, index: Tensor<1>) -> NoisePrediction {
        let device = x.device();
        let levels = index.into_data();
        let levels: Vec<f64> = levels
            .iter::<f64>()
            .map(|index| {
                let (low, part) = (index.floor() as usize, index.fract());
                let high = (low + 1).min(self.schedule.len() - 1);
                let level = |i| self.schedule.alpha_bar(i);
                level(low).powf(1.0 - part) * level(high).powf(part)
            })
            .collect();
        let of = |value: &dyn Fn(f64) -> f64| {
            let values: Vec<f32> = levels.iter().map(|level| value(*level) as f32).collect();
            beside_tokens(Tensor::from_data(values.as_slice(), &device))
        };
        let centre = of(&|level| level.sqrt() * MEAN);
        let slope = of(&|level| (1.0 - level).sqrt() / (level * STD * STD + 1.0 - level));
        NoisePrediction {
            noise: (x.clone() - centre) * slope,
            range: self.range.map(|range| x.zeros_like() + range),
        }
    }
}

fn respaced(text: &str) -> Respaced {
    let spacing: Spacing = text.parse().unwrap();
    Respaced::new(&NoiseSchedule::linear(1000), &spacing).unwrap()
}

/// Mean and variance of the samples: token 0 starts at 0 without noise, token 1 at 1, and token `1 + k` has the noise
/// 1 in the step at place `k` alone.
fn moments(field: &Normal, solver: &dyn DdpmSolver, respaced: &Respaced) -> [f64; 2] {
    let mut start = vec![0.0f32; respaced.len() + 1];
    start[1] = 1.0;
    let start = Tensor::<1>::from_data(start.as_slice(), &Device::default());
    let start = start.reshape([1, respaced.len() + 1, 1]);
    let end = denoise(field, solver, respaced, start, &mut unwatched).x;
    let end: Vec<f64> = end.into_data().iter().collect();
    let variance = end[1..].iter().map(|x| (x - end[0]).powi(2)).sum();
    [end[0], variance]
}

fn ancestral() -> Ancestral<impl Fn(usize, &Tensor<3>) -> Tensor<3>> {
    let noise = |place: usize, like: &Tensor<3>| {
        let [_, tokens, _] = like.dims();
        let mut noise = vec![0.0f32; tokens];
        // The first step, at the last place, has no token left: token 1 starts there instead.
        noise[1 + place] = 1.0;
        Tensor::<1>::from_data(noise.as_slice(), &like.device()).reshape([1, tokens, 1])
    };
    Ancestral { noise }
}

#[test]
fn both_samplers_sample_the_data() {
    // Without a learned variance, with the smallest and with the largest of the range.
    for (range, tolerance) in [(None, 6e-3), (Some(-1.0), 6e-3), (Some(1.0), 2e-3)] {
        let [mean, variance] = moments(&normal(range), &ancestral(), &respaced("1000"));
        assert!((mean - MEAN).abs() < 5e-3, "{range:?}: {mean}");
        let difference = (variance - STD * STD).abs();
        assert!(difference < tolerance, "{range:?}: {variance}");
    }
    let [mean, variance] = moments(&normal(None), &Ddim, &respaced("1000"));
    assert!((mean - MEAN).abs() < 5e-3, "{mean}");
    assert!((variance - STD * STD).abs() < 3e-3, "{variance}");
}

#[test]
fn the_range_goes_from_the_variance_of_the_posterior_to_beta() {
    let of = |range| moments(&normal(range), &ancestral(), &respaced("50"))[1];
    let (without, low, middle, high) = (of(None), of(Some(-1.0)), of(Some(0.0)), of(Some(1.0)));
    assert!((low - without).abs() < 1e-6);
    assert!(low < middle && middle < high, "{low} {middle} {high}");
    // One step by hand: ln variance = f ln beta + (1 - f) ln posterior with f = 3/4.
    let respaced = respaced("50");
    let step = respaced.step(20);
    let start = Tensor::<3>::zeros([1, 22, 1], &Device::default());
    let end = ancestral().step(&normal(Some(0.5)), start, step);
    let end: Vec<f64> = end.into_data().iter().collect();
    let expected = 0.75 * step.beta().ln() + 0.25 * step.posterior_variance().ln();
    let found = 2.0 * (end[21] - end[0]).ln();
    assert!((found - expected).abs() < 1e-4, "{found} {expected}");
}

#[test]
fn samplers_converge_with_order_one() {
    for solver in [&ancestral() as &dyn DdpmSolver, &Ddim] {
        let known = STD * STD;
        let error = |text: &str| (moments(&normal(None), solver, &respaced(text))[1] - known).abs();
        let (coarse, fine) = (error("50"), error("100"));
        let order = (coarse / fine).log2();
        assert!((0.7..1.4).contains(&order), "{coarse} {fine}: {order}");
    }
}

#[test]
fn the_last_step_adds_no_noise() {
    let respaced = respaced("10");
    let drawing = Ancestral {
        noise: |place: usize, like: &Tensor<3>| {
            assert_ne!(place, 0);
            like.ones_like()
        },
    };
    let start = Tensor::zeros([1, 1, 1], &Device::default());
    let solution = denoise(&normal(None), &drawing, &respaced, start, &mut unwatched);
    assert!(solution.finished);
}

#[test]
fn networks_see_the_original_indices_and_watchers_the_times_of_the_linear_path() {
    let seen = std::cell::RefCell::new(vec![]);
    let inner = normal(None);
    let field = |x: Tensor<3>, index: Tensor<1>| {
        seen.borrow_mut().push(index.clone().into_scalar::<f32>());
        inner.predict(x, index)
    };
    let mut times = vec![];
    let start = Tensor::zeros([1, 1, 1], &Device::default());
    denoise(&field, &Ddim, &respaced("3"), start, &mut |at| {
        times.push((at.step, at.steps, at.t));
        std::ops::ControlFlow::Continue(())
    });
    assert_eq!(*seen.borrow(), [999.0, 500.0, 0.0]);
    let schedule = NoiseSchedule::linear(1000);
    let [middle, last] = [500, 0].map(|index| schedule.flow_time(index));
    assert_eq!(times, [(1, 3, middle), (2, 3, last), (3, 3, 1.0)]);
}

#[test]
fn ddim_is_euler_on_the_linear_path() {
    let respaced = respaced("20");
    let flow = NoiseFlow {
        field: normal(None),
        schedule: NoiseSchedule::linear(1000),
    };
    let times = respaced.flow_times();
    let start = Tensor::<3>::from_data([[[0.3, -1.2], [2.0, 0.1]]], &Device::default());
    let ddim = denoise(&flow.field, &Ddim, &respaced, start.clone(), &mut unwatched).x;
    let start = flow.start(start, times[0]);
    let euler = integrate(&flow, &Euler, &times, start, &mut unwatched).x;
    let difference: f32 = (ddim - euler).abs().max().into_scalar();
    assert!(difference < 1e-4, "{difference}");
}

#[test]
fn the_flow_of_predicted_noise_is_that_of_the_mixture() {
    let flow = NoiseFlow {
        field: normal(None),
        schedule: NoiseSchedule::linear(1000),
    };
    let exact = GaussianMixture::new(vec![vec![MEAN]], vec![1.0], STD);
    let device = Device::default();
    let x = Tensor::<3>::from_data([[[0.3]], [[-1.2]], [[0.8]]], &device);
    let times = [3, 400, 900].map(|index| flow.schedule.flow_time(index) as f32);
    let t = Tensor::<1>::from_data(times, &device);
    let difference = flow.velocity(x.clone(), t.clone()) - exact.velocity(x, t);
    let difference: f32 = difference.abs().max().into_scalar();
    assert!(difference < 1e-3, "{difference}");
}

#[test]
fn every_solver_follows_the_flow_of_predicted_noise() {
    let flow = NoiseFlow {
        field: normal(None),
        schedule: NoiseSchedule::linear(1000),
    };
    let first = flow.schedule.flow_time(999);
    let times: Vec<f64> = TimeShift::new(1.0)
        .grid(50)
        .iter()
        .map(|t| first + (1.0 - first) * t)
        .collect();
    let start = flow.start(Tensor::full([1, 1, 1], 1.3, &Device::default()), first);
    let end = integrate(&flow, &Heun, &times, start, &mut unwatched).x;
    let end: f32 = end.into_scalar();
    assert!((f64::from(end) - (MEAN + 1.3 * STD)).abs() < 5e-3, "{end}");
}

#[test]
#[should_panic(expected = "predicted noise has no velocity at time 0")]
fn predicted_noise_has_no_velocity_at_time_zero() {
    let flow = NoiseFlow {
        field: normal(None),
        schedule: NoiseSchedule::linear(1000),
    };
    let x = Tensor::zeros([1, 1, 1], &Device::default());
    integrate(&flow, &Euler, &[0.0, 1.0], x, &mut unwatched);
}
