//! A latent space of one's own, trained and sampled by the ordinary tools.
//!
//! ```text
//! cargo run --release --example latent_space
//! ```
//!
//! The latents are mean colours of blocks of pixels. The space becomes a part of a bundle under a kind of its
//! own; `svg_train` trains a flow in it from drawn pictures, with checkpoints and logs as for any other; a
//! registry that knows the kind opens the result; a generator samples from it. It writes
//! `latent_space.png`.

#![recursion_limit = "256"]

mod support;

use std::ops::ControlFlow;
use std::sync::Arc;

use anyhow::Result;
use burn::prelude::*;
use svg_flow::{Guidance, Progress};
use svg_image::{Rgb, RgbImage, grid, save_png};
use svg_model::{Bundle, NewPart, OpenOptions, Registry, SPACE, Sampling};
use svg_roles::{Condition, Draw, Geometry, Images, LatentSpace, Signed};
use svg_train::flow::{FlowInputs, FlowTraining, OnlineLatents, train};
use svg_train::run::RunOptions;

use support::{Printed, trained};

/// Mean colours of blocks of `side` by `side` pixels, for images of 32 by 32.
#[derive(Clone, Debug)]
struct Blocks {
    side: usize,
}

/// The kind of its parts.
const KIND: &str = "mean_colours";

impl LatentSpace for Blocks {
    fn encode(&self, images: Tensor<4>, _draw: Draw) -> Tensor<3> {
        let ([batch, colours, height, width], side) = (images.dims(), self.side);
        let [rows, columns] = [height / side, width / side];
        let blocks = images.reshape([batch, colours, rows, side, columns, side]);
        let means = blocks.mean_dim(3).mean_dim(5);
        means
            .reshape([batch, colours, rows * columns])
            .swap_dims(1, 2)
    }

    fn decode(&self, latents: Tensor<3>, [rows, columns]: [usize; 2]) -> Tensor<4> {
        let ([batch, _, colours], side) = (latents.dims(), self.side);
        let blocks = latents
            .swap_dims(1, 2)
            .reshape([batch, colours, rows, 1, columns, 1]);
        let blocks = blocks.expand([batch, colours, rows, side, columns, side]);
        blocks.reshape([batch, colours, rows * side, columns * side])
    }

    fn geometry(&self) -> Geometry {
        Geometry::of_patches([32, 32], self.side, 3)
    }
}

fn main() -> Result<()> {
    let device = Device::default();
    let place = tempfile::tempdir()?;
    let squares = (0..60).map(|number| (["dark", "light"][number as usize % 2], picture(number)));
    let set = support::picture_set(&place.path().join("data"), squares)?;

    // The space as a part of a bundle, and what opens parts of its kind.
    let space = Blocks { side: 4 };
    let mut part = NewPart::new(KIND, &serde_json::json!({ "side": space.side }));
    part.part.geometry = Some(space.geometry());
    part.part.fingerprint = Some(format!("{KIND} {}", space.side));
    let mut bundle = Bundle::create(&place.path().join("bundle"), [(SPACE, part)], false)?;
    let registry = Registry::standard().with_space(KIND, |opening, part| {
        let side = part.config["side"].as_u64();
        let side = side.ok_or_else(|| opening.bundle.unusable(SPACE, "it says no side"))?;
        Ok(Arc::new(Blocks {
            side: side as usize,
        }))
    });

    // What features are normalised by, so that they become latents.
    let pictures: Vec<_> = (0..50).map(picture).collect();
    support::set_statistics(&mut bundle, &space, &pictures, &device)?;
    let latents = registry.latents(&bundle, &OpenOptions::default(), &device)?;

    // The ordinary trainer, with a small network on 8 x 8 tokens of 3 channels.
    let mut config = FlowTraining::tiny();
    config.steps = 200;
    config.batch_size = 16;
    config.data.size = 32;
    config.network = svg_sit::SitConfig::new(3, 8, 8, 64, 2, 4, 128)
        .with_n_classes(2)
        .into();
    let latents: Arc<dyn LatentSpace> = Arc::new(latents);
    let source = OnlineLatents::new(set, config.data.clone(), latents.clone(), 0, &device)?;
    let inputs = FlowInputs {
        options: RunOptions::new(place.path().join("run")),
        source: Box::new(source),
        validation: None,
        data_name: "drawn pictures".to_string(),
        bundle,
        space: latents,
        replicas: vec![],
    };
    let ended = train(config, inputs, &device, &mut Printed)?;

    // The result is an ordinary bundle of an unusual kind.
    let bundle = trained(ended)?;
    let generator = registry.generator(&bundle, &OpenOptions::default(), &device)?;
    let mut sampling = Sampling::svg();
    sampling.guidance = Guidance::constant(1.0);
    let numbers: Vec<u64> = (0..8).collect();
    let mut sheet = Vec::new();
    for (label, name) in ["dark", "light"].iter().enumerate() {
        let classes = Condition::classes(&[label; 8], &device);
        let noise = generator.noise(sampling.seed, &numbers);
        let go_on = &mut |_: &Progress| ControlFlow::Continue(());
        let sampled = generator.latents(noise, &classes, &numbers, &sampling, go_on)?;
        let images = generator.images(sampled.latents);
        let mean = images.clone().mean().into_scalar::<f32>();
        println!("{name}: mean {mean:.2}");
        sheet.extend(Images::<Signed>::from_tensor(images).to_rgb());
    }
    save_png(&grid(&sheet, 8, 2), "latent_space.png", &[])?;
    println!("latent_space.png: a row of each class");
    Ok(())
}

/// Grey squares on grey: class 0 is dark, class 1 is light.
fn picture(number: u32) -> RgbImage {
    let base = if number.is_multiple_of(2) { 40 } else { 170 };
    let tone = |of: u32| Rgb([(base + of * 7 % 40) as u8; 3]);
    RgbImage::from_fn(32, 32, |x, y| match (x / 8 + y / 8 + number) % 3 {
        0 => tone(number),
        _ => tone(number / 2 + 1),
    })
}
