//! What stochastic solvers make of normal data, exactly: for one Gaussian every step is affine in samples and noise, so
//! mean and variance of the result follow from few runs without random numbers.

use burn::prelude::*;

use super::{Diffusion, EulerMaruyama, LastStep, Solver, StochasticHeun};
use crate::{
    GaussianMixture, Guidance, Guided, Pair, Reversed, VelocityField, integrate, sde_times,
    unwatched,
};

const MEAN: f64 = 0.5;
const STD: f64 = 0.6;

fn gaussian() -> GaussianMixture {
    GaussianMixture::new(vec![vec![MEAN]], vec![1.0], STD)
}

/// Token 0 starts at 0 without noise, token 1 at 1, and token `2 + k` has the noise 1 in step `k` alone.
fn unit_noise(step: usize, like: &Tensor<3>) -> Tensor<3> {
    let [_, tokens, _] = like.dims();
    let mut noise = vec![0.0f32; tokens];
    noise[2 + step] = 1.0;
    Tensor::<1>::from_data(noise.as_slice(), &like.device()).reshape([1, tokens, 1])
}

/// Mean and variance of the samples of standard normal noise.
fn moments(field: &dyn VelocityField, solver: &dyn Solver, times: &[f64]) -> [f64; 2] {
    let mut start = vec![0.0f32; times.len() + 1];
    start[1] = 1.0;
    let start = Tensor::<1>::from_data(start.as_slice(), &Device::default());
    let start = start.reshape([1, times.len() + 1, 1]);
    let end = integrate(field, solver, times, start, &mut unwatched).x;
    let end: Vec<f64> = end.into_data().iter().collect();
    let variance = end[1..].iter().map(|x| (x - end[0]).powi(2)).sum();
    [end[0], variance]
}

fn euler(diffusion: Diffusion, last: LastStep) -> Box<dyn Solver> {
    let noise = unit_noise;
    Box::new(EulerMaruyama {
        diffusion,
        last,
        noise,
    })
}

fn heun(diffusion: Diffusion, last: LastStep) -> Box<dyn Solver> {
    let noise = unit_noise;
    Box::new(StochasticHeun {
        diffusion,
        last,
        noise,
    })
}

/// The largest difference from the moments at time 0.96, after so many steps.
fn error(solver: &dyn Solver, steps: usize) -> f64 {
    let t = 0.96;
    let [mean, variance] = moments(&gaussian(), solver, &sde_times(steps + 1, 1.0 - t));
    let known = (1.0 - t) * (1.0 - t) + t * t * STD * STD;
    (mean - t * MEAN).abs().max((variance - known).abs())
}

#[test]
fn mean_and_variance_converge_with_order_one_for_every_diffusion() {
    let check = |name: &str, diffusion: Diffusion, solver: Box<dyn Solver>| {
        let (coarse, fine) = (error(&*solver, 100), error(&*solver, 200));
        let order = (coarse / fine).log2();
        assert!(fine < 0.01, "{name} {diffusion:?}: {fine}");
        assert!((order - 1.0).abs() < 0.1, "{name} {diffusion:?}: {order}");
    };
    for diffusion in [
        Diffusion::Constant(0.5),
        Diffusion::Sigma(1.0),
        Diffusion::Decreasing(1.0),
        Diffusion::IncreasingDecreasing(0.5),
    ] {
        check("Euler", diffusion, euler(diffusion, LastStep::None));
    }
    for diffusion in [Diffusion::Constant(0.5), Diffusion::Decreasing(1.0)] {
        check("Heun", diffusion, heun(diffusion, LastStep::None));
    }
}

/// The noise of a step is that of its start, which the other terms of the error nearly cancel here.
#[test]
fn heun_is_far_closer_than_euler_with_the_standard_deviation_as_diffusion() {
    let of = |solver: Box<dyn Solver>| error(&*solver, 100);
    let sigma = Diffusion::Sigma(1.0);
    let (euler, heun) = (
        of(euler(sigma, LastStep::None)),
        of(heun(sigma, LastStep::None)),
    );
    assert!(heun < 0.02 * euler, "{heun} {euler}");
}

#[test]
fn without_diffusion_heun_has_order_two() {
    let solver = heun(Diffusion::Constant(0.0), LastStep::None);
    let order = (error(&*solver, 16) / error(&*solver, 32)).log2();
    assert!((order - 2.0).abs() < 0.2, "{order}");
}

/// From time 0.96 with the step 0.04, applied to samples that have the moments of that time.
#[test]
fn each_last_step_changes_the_moments_as_its_formula_says() {
    let (t, h, w): (f64, f64, f64) = (0.96, 0.04, 0.04);
    let variance = (1.0 - t) * (1.0 - t) + t * t * STD * STD;
    // v = m + slope (x - t m), s = -(x - t m) / variance
    let slope = (t * STD * STD - (1.0 - t)) / variance;
    let after = |factor: f64| [MEAN, variance * factor * factor];
    for (last, expected) in [
        (LastStep::Euler, after(1.0 + h * slope)),
        (LastStep::Tweedie, after(1.0 + h * slope)),
        (LastStep::Mean, after(1.0 + h * (slope - w / variance))),
        (LastStep::None, [t * MEAN, variance]),
    ] {
        let start = Tensor::<1>::from_data(
            [t * MEAN, t * MEAN + variance.sqrt()].map(|x| x as f32),
            &Device::default(),
        );
        let solver = euler(Diffusion::Sigma(1.0), last);
        let start = start.reshape([1, 2, 1]);
        let end = integrate(&gaussian(), &*solver, &[t, 1.0], start, &mut unwatched).x;
        let end: Vec<f64> = end.into_data().iter().collect();
        let found = [end[0], (end[1] - end[0]).powi(2)];
        for (found, expected) in found.iter().zip(expected) {
            assert!(
                (found - expected).abs() < 1e-6,
                "{last:?}: {found} {expected}"
            );
        }
    }
}

#[test]
fn two_hundred_and_fifty_steps_of_sit_sample_normal_data() {
    for last in [LastStep::Mean, LastStep::Euler, LastStep::Tweedie] {
        let solver = euler(Diffusion::Sigma(1.0), last);
        let [mean, variance] = moments(&gaussian(), &*solver, &sde_times(250, 0.04));
        assert!((mean - MEAN).abs() < 1e-3, "{last:?}: {mean}");
        assert!((variance - STD * STD).abs() < 8e-3, "{last:?}: {variance}");
    }
}

/// Some numbers, with tokens for the noise of so many steps.
fn some_start(points: usize) -> Tensor<3> {
    let start: Vec<f32> = (0..points + 2).map(|i| (i as f32 * 0.7).sin()).collect();
    let start = Tensor::<1>::from_data(start.as_slice(), &Device::default());
    start.reshape([1, points + 2, 1])
}

/// REPA's rule, in its own convention and as it is written there: time 1 is noise, `w = 2 t`, the guided drift is
/// `v - w s / 2` with the score `-((1 - t) v + x) / t`, and the last step from 0.04 to 0 adds no noise.
fn repa(field: &dyn Fn(Tensor<3>, f64) -> [Tensor<3>; 2], scale: f64, points: usize) -> Tensor<3> {
    let mut times: Vec<f64> = (0..points)
        .map(|i| 1.0 - 0.96 * i as f64 / (points - 1) as f64)
        .collect();
    times.push(0.0);
    let mut x = some_start(points);
    for (index, pair) in times.windows(2).enumerate() {
        let (t, step) = (pair[0], pair[1] - pair[0]);
        let drift = |v: Tensor<3>| {
            let score = (v.clone() * (1.0 - t) + x.clone()) / -t;
            v - score * t
        };
        let [conditional, unconditional] = field(x.clone(), t).map(drift);
        let guided = match (0.0..=0.7).contains(&t) {
            true => unconditional.clone() + (conditional - unconditional) * scale,
            false => conditional,
        };
        x = x + guided * step;
        if index + 1 < points {
            let noise = unit_noise(index, &x);
            x = x + noise * (2.0 * t * -step).sqrt();
        }
    }
    x
}

#[test]
fn the_sampler_of_repa_is_euler_maruyama_with_the_standard_deviation_as_diffusion() {
    let points = 40;
    let reversed = |mean: f64| {
        Reversed(GaussianMixture::new(
            vec![vec![mean], vec![mean - 1.0]],
            vec![1.0, 2.0],
            STD,
        ))
    };
    let (conditional, unconditional) = (reversed(MEAN), reversed(-MEAN));
    let of = |field: &Reversed<GaussianMixture>, x: Tensor<3>, t: f64| {
        let t = crate::field::filled(&x, t);
        field.velocity(x, t)
    };
    let expected = repa(
        &|x, t| [&conditional, &unconditional].map(|field| of(field, x.clone(), t)),
        1.8,
        points,
    );
    let field = Guided {
        branches: Reversed(Pair {
            conditional: conditional.clone(),
            unconditional: unconditional.clone(),
        }),
        guidance: Guidance::new(1.8, "interval:0.3:1".parse().unwrap()).unwrap(),
    };
    let solver = euler(Diffusion::Sigma(1.0), LastStep::Mean);
    let start = some_start(points);
    let times = sde_times(points, 0.04);
    let found = integrate(&field, &*solver, &times, start, &mut unwatched).x;
    let difference: f32 = (found - expected).abs().max().into_scalar();
    assert!(difference < 1e-4, "{difference}");
}
