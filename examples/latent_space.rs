//! A latent space of one's own, and a flow that is trained in it from nothing.
//!
//! ```text
//! cargo run --release --example latent_space
//! ```
//!
//! The latents are mean colours of blocks of pixels. A generator asks no more of a space than this.

use std::ops::ControlFlow;

use anyhow::Result;
use burn::optim::{AdamConfig, GradientsParams};
use burn::prelude::*;
use burn::tensor::Distribution::{Normal, Uniform};
use svg_flow::{Guidance, Progress, flow_matching_loss};
use svg_model::{Generator, Grid, LatentSpace, Sampling};
use svg_sit::SitConfig;

/// Images of `n` by `n` blocks of `side` by `side` pixels.
#[derive(Module, Debug)]
struct Blocks {
    n: usize,
    side: usize,
}

impl LatentSpace for Blocks {
    fn encode(&self, images: Tensor<4>) -> Tensor<3> {
        let (&Self { n, side }, [batch, ..]) = (self, images.dims());
        let cells = images.reshape([batch, 3, n, side, n, side]);
        let means = cells.mean_dim(3).mean_dim(5);
        means.reshape([batch, 3, n * n]).swap_dims(1, 2) // [batch, tokens, 3]
    }

    fn decode(&self, latents: Tensor<3>) -> Tensor<4> {
        let (&Self { n, side }, [batch, ..]) = (self, latents.dims());
        let cells = latents.swap_dims(1, 2).reshape([batch, 3, n, 1, n, 1]);
        let cells = cells.expand([batch, 3, n, side, n, side]);
        cells.reshape([batch, 3, n * side, n * side])
    }

    fn grid(&self) -> Grid {
        Grid {
            rows: self.n,
            columns: self.n,
            channels: 3,
        }
    }
}

fn main() -> Result<()> {
    let device = Device::default();
    device.seed(0);
    let space = Blocks { n: 4, side: 4 };
    let config = SitConfig::new(3, 4, 4, 32, 2, 2, 64).with_n_classes(2);
    // A network on such a device has a graph; `valid` leaves it again.
    let training = device.clone().autodiff();
    let mut flow = config.init(&training);
    let mut optimizer = AdamConfig::new().init();
    for _ in 0..200 {
        // Dark images are of class 0, light ones of class 1.
        let labels = Tensor::<1, Int>::arange(0..32, &training).remainder_scalar(2);
        let grey = Tensor::random([32], Uniform(-0.8, -0.2), &training) + labels.clone().float();
        let data = space.encode(grey.reshape([-1, 1, 1, 1]).expand([-1, 3, 16, 16]));
        let noise = data.random_like(Normal(0.0, 1.0));
        let t = Tensor::random([32], Uniform(0.0, 1.0), &training);
        let loss = flow_matching_loss(&flow.conditioned(labels), noise, data, t);
        let gradients = GradientsParams::from_grads(loss.backward(), &flow);
        flow = optimizer.step(3e-3, flow, gradients);
    }

    let generator = Generator::new(space, flow.valid())?;
    let mut sampling = Sampling::svg();
    sampling.guidance = Guidance::constant(1.0);
    let numbers: Vec<u64> = (0..16).collect();
    for (label, name) in ["dark", "light"].iter().enumerate() {
        let noise = generator.noise(sampling.seed, &numbers);
        let go_on = &mut |_: &Progress| ControlFlow::Continue(());
        let sampled = generator.latents(noise, &[label; 16], &numbers, &sampling, go_on)?;
        let mean = generator.images(sampled.latents).mean();
        println!("{name}: mean {:.2}", mean.into_scalar::<f32>());
    }
    Ok(())
}
