//! Noise to images, through a bundle with a flow.
//!
//! ```text
//! cargo run --release --example sample
//! cargo run --release --example sample -- svg/
//! ```
//!
//! Without a bundle it makes one that nobody has trained, so that its samples are noise. It writes
//! `samples.png`.

#![recursion_limit = "256"]

mod support;

use std::ops::ControlFlow;

use anyhow::Result;
use burn::prelude::*;
use svg_flow::{Guidance, Progress};
use svg_image::{grid, save_png};
use svg_model::{Bundle, FLOW, OpenOptions, Registry, Sampling, SolverKind};
use svg_roles::{Condition, Images, Signed};

fn main() -> Result<()> {
    let device = Device::default();
    let made = tempfile::tempdir()?;
    let folder = match std::env::args().nth(1) {
        Some(folder) => folder.into(),
        None => support::untrained_bundle(made.path(), &device)?,
    };

    let bundle = Bundle::open(&folder)?;
    let registry = Registry::standard();
    let generator = registry.generator(&bundle, &OpenOptions::default(), &device)?;
    let (count, names) = (bundle.flow_spec()?.classes, &bundle.part(FLOW)?.classes);
    let sampling = Sampling {
        solver: SolverKind::Heun,
        steps: 10,
        guidance: Guidance::constant(1.5),
        ..Sampling::svg()
    };

    // A sample is a function of the seed and its number, whatever the others are.
    let numbers: Vec<u64> = (0..8).collect();
    let labels: Vec<usize> = (0..8).map(|number| number % count).collect();
    let noise = generator.noise(sampling.seed, &numbers);
    let mut watch = |at: &Progress| {
        eprintln!("step {} of {}", at.step, at.steps);
        ControlFlow::Continue(())
    };
    let classes = Condition::classes(&labels, &device);
    let sampled = generator.latents(noise, &classes, &numbers, &sampling, &mut watch)?;
    println!("latents {:?}", sampled.latents.dims()); // [batch, tokens, channels]
    println!("passes through the network {:?}", sampled.evaluations);

    let images = Images::<Signed>::from_tensor(generator.images(sampled.latents)).to_rgb();
    save_png(&grid(&images, 4, 2), "samples.png", &[])?;
    let names = labels.iter().map(|label| match names.get(*label) {
        Some(name) => name.clone(),
        None => label.to_string(),
    });
    println!("samples.png: {}", names.collect::<Vec<_>>().join(", "));
    Ok(())
}
