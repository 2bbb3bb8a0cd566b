//! A generator on the device of the suite against the same on Burn's CPU backend.

use std::ops::ControlFlow;

use burn::prelude::*;
use svg_flow::Guidance;
use svg_model::{Generator, Grid, LatentSpace, Sampling};

use crate::compare::assert_close;
use crate::sit::{formula, tiny};

/// Latents that are shown as they are: three channels of them.
#[derive(Module, Debug)]
struct Shown {
    nothing: Tensor<1>,
}

impl LatentSpace for Shown {
    fn encode(&self, _: Tensor<4>) -> Tensor<3> {
        unimplemented!("nothing is encoded here")
    }

    fn decode(&self, latents: Tensor<3>) -> Tensor<4> {
        let [batch, _, _] = latents.dims();
        let channels = latents.narrow(2, 0, 3).swap_dims(1, 2);
        channels.reshape([batch, 3, 16, 16])
    }

    fn grid(&self) -> Grid {
        Grid {
            rows: 16,
            columns: 16,
            channels: 20,
        }
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

#[test]
fn five_guided_steps_from_a_seed_are_those_of_the_cpu() {
    let device = Device::default();
    let space = Shown {
        nothing: Tensor::zeros([1], &device),
    };
    let flow = formula(&tiny(), "dit_tiny.", &device);
    let generator = Generator::new(space, flow).unwrap();
    let sampling = Sampling {
        steps: 5,
        guidance: Guidance::constant(1.5),
        ..Sampling::svg()
    };
    let samples = [0, 1];
    let noise = generator.noise(0, &samples);
    let watch = &mut |_: &svg_flow::Progress| ControlFlow::Continue(());
    let sampled = generator.latents(noise, &[3, 42], &samples, &sampling, watch);
    let latents = sampled.unwrap().latents;
    let images = generator.images(latents.clone());
    assert_eq!(images.dims(), [2, 3, 16, 16]);
    let some = latents.slice(s![1..2, 0..256;32, 0..2]);
    assert_close("latents of a seed", some, &RECORDED, 1e-3);
}
