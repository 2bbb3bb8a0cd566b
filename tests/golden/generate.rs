//! A generator on the device of the suite against the same on Burn's CPU backend.

use std::ops::ControlFlow;
use std::sync::Arc;

use burn::prelude::*;
use svg_flow::Guidance;
use svg_model::{Generator, Sampling};
use svg_roles::{Condition, Draw, Geometry, LatentSpace};

use super::compare::assert_close;
use super::sit::{formula, tiny};

/// Shows the first three channels of latents.
#[derive(Debug)]
struct Shown;

impl LatentSpace for Shown {
    fn encode(&self, _: Tensor<4>, _: Draw) -> Tensor<3> {
        unimplemented!("nothing is encoded here")
    }

    fn decode(&self, latents: Tensor<3>, [rows, columns]: [usize; 2]) -> Tensor<4> {
        let [batch, _, _] = latents.dims();
        let channels = latents.narrow(2, 0, 3).swap_dims(1, 2);
        channels.reshape([batch, 3, rows, columns])
    }

    fn geometry(&self) -> Geometry {
        Geometry::of_patches([16, 16], 1, 20)
    }
}

/// The first two numbers of eight tokens of sample 1, by this very test on Burn's flex backend.
const RECORDED: [f32; 16] = [
    0.7044326,
    -1.4582781,
    0.893813,
    -1.3046746,
    -0.3778393,
    0.31470764,
    0.6410472,
    0.1861198,
    1.9805859,
    -2.8611708,
    0.66967183,
    -3.4778605,
    0.48489583,
    -1.6673069,
    1.4344785,
    -0.60586834,
];

#[cfg_attr(test, test)]
pub fn five_guided_steps_from_a_seed_are_those_of_the_cpu() {
    let device = Device::default();
    let flow = formula(&tiny(), "dit_tiny.", &device);
    let generator = Generator::new(Arc::new(Shown), Arc::new(flow), &device).unwrap();
    let sampling = Sampling {
        steps: 5,
        guidance: Guidance::constant(1.5),
        ..Sampling::svg()
    };
    let samples = [0, 1];
    let noise = generator.noise(0, &samples);
    let watch = &mut |_: &svg_flow::Progress| ControlFlow::Continue(());
    let classes = Condition::classes(&[3, 42], &device);
    let sampled = generator.latents(noise, &classes, &samples, &sampling, watch);
    let latents = sampled.unwrap().latents;
    let images = generator.images(latents.clone());
    assert_eq!(images.dims(), [2, 3, 16, 16]);
    let some = latents.slice(s![1..2, 0..256;32, 0..2]);
    assert_close("latents of a seed", some, &RECORDED, 1e-3);
}
