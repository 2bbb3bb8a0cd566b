//! Whether velocities agree, and how straight the paths of samples are.

use anyhow::Result;
use burn::prelude::*;
use serde::{Deserialize, Serialize};
use svg_model::noise;
use svg_roles::{Condition, Velocity};

use crate::gathered::numbers;

/// Times at which velocities are compared.
pub const TIMES: [f64; 9] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9];
/// Euler steps along which paths are followed.
const STEPS: usize = 50;
/// Samples that go through the network at once.
const BATCH: usize = 50;

/// Velocities of a model at points between noise and latents, and along its own paths.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Paths {
    /// Mean cosine between velocities of two latents of one class, at each of [`TIMES`].
    pub within: Vec<f64>,
    /// The same of two classes.
    pub between: Vec<f64>,
    /// `E |(z1 - z0) - v|² / E |z1 - z0|²` over times and samples, where a path leads from `z0` to `z1`: 0 if all are
    /// straight, and one Euler step is enough (Liu et al., 2022).
    pub curvature: f64,
}

impl Paths {
    /// Of a network, real latents `[n, tokens, channels]` and their classes.
    pub fn of(
        field: &dyn Velocity,
        latents: &Tensor<3>,
        labels: &[usize],
        seed: u64,
    ) -> Result<Self> {
        let (mut within, mut between) = (Vec::new(), Vec::new());
        for time in TIMES {
            let velocities = velocities(field, latents, labels, time, seed)?;
            let [same, other] = cosines(&velocities, labels);
            within.push(same);
            between.push(other);
        }
        Ok(Self {
            within,
            between,
            curvature: curvature(field, labels, &latents.device(), seed)?,
        })
    }
}

/// The velocity at `(1 - t) z0 + t z1` of each latent `z1`, with noise `z0` of its own.
fn velocities(
    field: &dyn Velocity,
    latents: &Tensor<3>,
    labels: &[usize],
    time: f64,
    seed: u64,
) -> Result<Vec<Vec<f32>>> {
    let ([_, tokens, channels], device) = (latents.dims(), latents.device());
    let mut all = Vec::new();
    for first in (0..labels.len()).step_by(BATCH) {
        let count = BATCH.min(labels.len() - first);
        let start = starts(seed, first..first + count, [tokens, channels], &device);
        let end = latents.clone().narrow(0, first, count);
        let x = start * (1.0 - time) + end * time;
        let t = Tensor::full([count], time, &device);
        let classes = Condition::classes(&labels[first..first + count], &device);
        let found = numbers(field.velocity(x, t, &classes))?;
        all.extend(found.chunks(tokens * channels).map(<[f32]>::to_vec));
    }
    Ok(all)
}

fn starts(
    seed: u64,
    samples: std::ops::Range<usize>,
    [tokens, channels]: [usize; 2],
    device: &Device,
) -> Tensor<3> {
    let samples: Vec<u64> = samples.map(|sample| sample as u64).collect();
    noise(seed, &samples, [tokens, channels], device)
}

/// Mean cosines of pairs of one class, and of two.
fn cosines(rows: &[Vec<f32>], labels: &[usize]) -> [f64; 2] {
    let product = |a: &[f32], b: &[f32]| -> f64 {
        a.iter()
            .zip(b)
            .map(|(a, b)| f64::from(*a) * f64::from(*b))
            .sum()
    };
    let norms: Vec<f64> = rows.iter().map(|row| product(row, row).sqrt()).collect();
    let (mut sums, mut counts) = ([0.0; 2], [0usize; 2]);
    for one in 0..rows.len() {
        for other in one + 1..rows.len() {
            let kind = usize::from(labels[one] != labels[other]);
            let lengths = (norms[one] * norms[other]).max(f64::MIN_POSITIVE);
            sums[kind] += product(&rows[one], &rows[other]) / lengths;
            counts[kind] += 1;
        }
    }
    [0, 1].map(|kind| sums[kind] / counts[kind].max(1) as f64)
}

fn curvature(field: &dyn Velocity, labels: &[usize], device: &Device, seed: u64) -> Result<f64> {
    let [tokens, channels] = field.spec().shape();
    let (mut off, mut whole) = (0.0, 0.0);
    for first in (0..labels.len()).step_by(BATCH) {
        let count = BATCH.min(labels.len() - first);
        let classes = Condition::classes(&labels[first..first + count], device);
        let start = starts(seed, first..first + count, [tokens, channels], device);
        let mut x = start.clone();
        // |c - v|² = |c|² - 2 c v + |v|², and the mean of v over the steps is the chord c: one sum is enough.
        let mut squares = 0.0;
        for step in 0..STEPS {
            let t = Tensor::full([count], step as f64 / STEPS as f64, device);
            let v = field.velocity(x.clone(), t, &classes);
            squares += f64::from(v.clone().square().sum().into_scalar::<f32>());
            x = x + v / STEPS as f64;
        }
        let chord = f64::from((x - start).square().sum().into_scalar::<f32>());
        off += squares / STEPS as f64 - chord;
        whole += chord;
    }
    Ok(off / whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use svg_roles::VelocitySpec;

    /// A known field of two tokens with three channels.
    #[derive(Debug)]
    struct Known(fn(Tensor<3>, Tensor<3>, Tensor<3>) -> Tensor<3>);

    impl Velocity for Known {
        fn velocity(&self, x: Tensor<3>, t: Tensor<1>, condition: &Condition) -> Tensor<3> {
            let [batch, ..] = x.dims();
            let classes = condition.expect_classes().float().reshape([batch, 1, 1]);
            self.0(x, t.reshape([batch, 1, 1]), classes)
        }

        fn unconditional(&self, condition: &Condition) -> Condition {
            condition.clone()
        }

        fn spec(&self) -> VelocitySpec {
            VelocitySpec {
                grid: [1, 2],
                channels: 3,
                classes: 2,
            }
        }
    }

    const LABELS: [usize; 4] = [0, 1, 0, 1];

    #[test]
    fn straight_paths_have_no_curvature_and_a_turning_one_has_its_own() {
        let device = Device::default();
        let of = |field: Known| curvature(&field, &LABELS, &device, 1).unwrap();
        let straight = of(Known(|x, _, classes| x.zeros_like() + classes + 1.0));
        assert!(straight.abs() < 1e-6, "{straight}");
        // v = 2 t: the chord is the mean of the steps' times, 0.98, and E (v - c)² is their variance times 4.
        let turning = of(Known(|x, t, _| x.zeros_like() + t * 2.0));
        let times = (0..STEPS).map(|step| 2.0 * step as f64 / STEPS as f64);
        let chord = times.clone().sum::<f64>() / STEPS as f64;
        let variance = times.map(|v| (v - chord).powi(2)).sum::<f64>() / STEPS as f64;
        let expected = variance / chord.powi(2);
        assert!(
            (turning / expected - 1.0).abs() < 1e-4,
            "{turning}, not {expected}"
        );
    }

    #[test]
    fn velocities_of_one_class_agree_and_of_two_do_not() {
        let device = Device::default();
        let latents = Tensor::<3>::zeros([4, 2, 3], &device);
        // One direction for each class, at right angles.
        let field = Known(|x, _, classes| {
            let [batch, tokens, _] = x.dims();
            let none = classes.clone().neg() + 1.0;
            let both = Tensor::cat(vec![classes.clone(), none, classes * 0.0], 2);
            both.expand([batch, tokens, 3])
        });
        let found = Paths::of(&field, &latents, &LABELS, 3).unwrap();
        for (same, other) in found.within.iter().zip(&found.between) {
            assert!((same - 1.0).abs() < 1e-9 && other.abs() < 1e-9, "{found:?}");
        }
    }
}
