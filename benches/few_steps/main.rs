//! Why separated classes need fewer steps, in two dimensions and in closed form.
//!
//! ```text
//! cargo bench --bench few_steps -- few_steps.svg
//! ```
//!
//! Noise flows to data of two classes, each a round Gaussian. The variance of the data is always 1 for
//! each channel, as that of normalised latents is; what varies is how far apart the classes are,
//! measured in their own deviations. It prints a table, and draws the fields into a file that is
//! named: figure 4b of arXiv 2510.15301 with numbers.

mod picture;

use std::path::Path;

use anyhow::Result;
use burn::prelude::*;
use burn::tensor::Distribution;
use svg_flow::{Euler, GaussianMixture, Moment, Rk4, Solver, TimeShift, VelocityField};
use svg_flow::{integrate, linear_path, unwatched};

const SAMPLES: usize = 4000;
const STEPS: [usize; 5] = [1, 2, 5, 10, 25];
const RATIOS: [f64; 6] = [0.5, 1.0, 2.0, 4.0, 8.0, 16.0];

/// Two classes at a distance of so many of their deviations.
struct Toy {
    ratio: f64,
    std: f64,
    means: [[f64; 2]; 2],
    /// The fields of all data and of each class.
    all: GaussianMixture,
    classes: [GaussianMixture; 2],
}

impl Toy {
    fn new(ratio: f64) -> Self {
        let std = (1.0 + ratio * ratio / 8.0).powf(-0.5); // the variances of both channels have the mean 1
        let mean = ratio * std / 2.0;
        let means = [[mean, 0.0], [-mean, 0.0]];
        let mixture = |means: &[[f64; 2]]| {
            let rows = means.iter().map(|mean| mean.to_vec()).collect();
            GaussianMixture::new(rows, vec![1.0; means.len()], std)
        };
        let classes = means.map(|mean| mixture(&[mean]));
        let all = mixture(&means);
        Self {
            ratio,
            std,
            means,
            all,
            classes,
        }
    }

    /// What the first class, drawn from two noises, says about the field, averaged over time:
    ///
    /// - the length of the mean of the unit velocities within a class, 1 if all agree;
    /// - degrees between the velocities of the two classes at a point;
    /// - `E |(z1 - z0) - v|^2`, what no field can know, 0 if all ways are straight.
    fn directions(&self, noise: &Tensor<3>, other: Tensor<3>) -> [f64; 3] {
        let device = noise.device();
        let mean = Tensor::<1>::from_floats(self.means[0].map(|m| m as f32), &device);
        let data = other * self.std + mean.reshape([1, 1, 2]);
        let times: Vec<f64> = (0..20).map(|i| (i as f64 + 0.5) / 20.0).collect();
        let (mut agreement, mut angle, mut variance) = (0.0, 0.0, 0.0);
        for &t in &times {
            let time = Tensor::<1>::full([1], t as f32, &device);
            let path = linear_path(noise.clone(), data.clone(), time);
            let at = at_time(t);
            let field = self.all.velocity_at(path.x.clone(), at);
            let [one, other] = [0, 1].map(|k| self.classes[k].velocity_at(path.x.clone(), at));
            agreement += f64::from(length(unit(field.clone()).mean_dim(1)).into_scalar::<f32>());
            let cosines = (unit(one) * unit(other)).sum_dim(2).into_data();
            let cosines = cosines.iter::<f64>().map(|cosine| cosine.clamp(-1.0, 1.0));
            let angles = cosines.map(|cosine| cosine.acos().to_degrees());
            angle += angles.sum::<f64>() / SAMPLES as f64;
            let rest = length(path.velocity - field).powi_scalar(2).mean();
            variance += f64::from(rest.into_scalar::<f32>());
        }
        [agreement, angle, variance].map(|sum| sum / times.len() as f64)
    }
}

/// A moment of no integration.
fn at_time(t: f64) -> Moment {
    Moment {
        t,
        step: 0,
        steps: 1,
    }
}

/// Where so many uniform steps lead.
fn end(field: &GaussianMixture, solver: &dyn Solver, steps: usize, noise: &Tensor<3>) -> Tensor<3> {
    let times = TimeShift::new(1.0).grid(steps);
    integrate(field, solver, &times, noise.clone(), &mut unwatched).x
}

/// Root of the mean squared distance between Euler's ends and the true ones, of the same noise. It is
/// at least the 2-Wasserstein distance of the two distributions.
fn errors(field: &GaussianMixture, steps: &[usize], noise: &Tensor<3>) -> Vec<f64> {
    let exact = end(field, &Rk4, 200, noise);
    let error = |&steps: &usize| {
        let far = length(end(field, &Euler, steps, noise) - exact.clone());
        f64::from(far.powi_scalar(2).mean().into_scalar::<f32>()).sqrt()
    };
    steps.iter().map(error).collect()
}

fn length(x: Tensor<3>) -> Tensor<3> {
    x.powi_scalar(2).sum_dim(2).sqrt()
}

fn unit(x: Tensor<3>) -> Tensor<3> {
    let length = length(x.clone()).clamp_min(1e-9);
    x / length
}

fn main() -> Result<()> {
    // Cargo adds a flag of its own.
    let mut words = std::env::args().skip(1);
    let out = words.find(|word| !word.starts_with("--"));
    let device = Device::default();
    device.seed(0);
    let draw = || Tensor::<3>::random([1, SAMPLES, 2], Distribution::Normal(0.0, 1.0), &device);
    let (noise, other) = (draw(), draw());

    let shown = STEPS.map(|n| format!("{n:>8}")).concat();
    println!(
        "{:>47}error after this many Euler steps{:>12}",
        "", "steps for"
    );
    println!("ratio  agreement  angle  variance   field {shown}   error 0.1");
    let counts: Vec<usize> = (1..=40).collect();
    for ratio in RATIOS {
        let toy = Toy::new(ratio);
        let [agreement, angle, variance] = toy.directions(&noise, other.clone());
        print!("{ratio:>5}{agreement:>11.2}{angle:>6.0}°{variance:>10.2}");
        for (name, field) in [("all", &toy.all), ("class", &toy.classes[0])] {
            let errors = errors(field, &counts, &noise);
            let shown = STEPS.map(|n| format!("{:>8.3}", errors[n - 1])).concat();
            let enough = counts.iter().zip(&errors).find(|(_, error)| **error < 0.1);
            let enough = enough.map_or("more".to_string(), |(count, _)| count.to_string());
            let indent = if name == "all" { 3 } else { 35 };
            println!("{:indent$}{name:<6}{shown}{enough:>12}", "");
        }
    }
    if let Some(out) = out {
        picture::draw(Path::new(&out), &noise)?;
        println!("\nThe picture is {out}.");
    }
    Ok(())
}
