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

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use burn::prelude::*;
use svg_flow::{Guidance, Progress};
use svg_image::{ImageSet, Rgb, RgbImage, grid, save_png};
use svg_model::{
    Accumulator, Bundle, LatentStatistics, NewPart, Normalised, OpenOptions, Registry, SPACE,
    Sampling, StoredLatentStatistics,
};
use svg_roles::{Condition, Draw, Geometry, LatentSpace, from_rgb, to_rgb};
use svg_train::flow::{FlowInputs, FlowTraining, OnlineLatents, train};
use svg_train::log::Scalars;
use svg_train::run::{Ended, Observer, RunOptions};

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
    let data = place.path().join("data");
    draw_pictures(&data)?;
    let set = Arc::new(ImageSet::open(&[data])?);

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
    let mut moments = Accumulator::new();
    let pictures: Vec<_> = (0..50).map(picture).collect();
    let images = from_rgb(&pictures, &device);
    moments.push(space.encode(images, Draw::Mode));
    let statistics = LatentStatistics::of(&moments).context("there are tokens")?;
    bundle.set_latent_statistics(&StoredLatentStatistics {
        statistics: statistics.clone(),
        features: bundle.features_fingerprint(),
        tokens: moments.count(),
        source: "drawn pictures".to_string(),
    })?;

    // The ordinary trainer, with a small network on 8 x 8 tokens of 3 channels.
    let mut config = FlowTraining::tiny();
    config.steps = 200;
    config.batch_size = 16;
    config.data.size = 32;
    config.network = svg_sit::SitConfig::new(3, 8, 8, 64, 2, 4, 128)
        .with_n_classes(2)
        .into();
    let latents: Arc<dyn LatentSpace> = Arc::new(Normalised::new(Arc::new(space), statistics)?);
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
    let Ended::Finished(folder) = ended else {
        anyhow::bail!("it was interrupted");
    };

    // The result is an ordinary bundle of an unusual kind.
    let bundle = Bundle::open(&folder)?;
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
        println!(
            "{name}: mean {:.2}",
            images.clone().mean().into_scalar::<f32>()
        );
        sheet.extend(to_rgb(images));
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

/// A folder of pictures for each class, as any trainer reads them.
fn draw_pictures(folder: &Path) -> Result<()> {
    for number in 0..60 {
        let class = ["dark", "light"][number as usize % 2];
        let path = folder.join(class).join(format!("{number:03}.png"));
        std::fs::create_dir_all(path.parent().context("a file lies in a folder")?)?;
        save_png(&picture(number), path, &[])?;
    }
    Ok(())
}

/// Prints the loss now and then.
struct Printed;

impl Observer for Printed {
    fn begins(&mut self, _step: u64, steps: u64, _images_per_step: u64) {
        println!("{steps} steps");
    }

    fn stepped(&mut self, step: u64, scalars: &Scalars) {
        if step.is_multiple_of(50) {
            let loss = scalars.iter().find(|(name, _)| *name == "loss");
            println!(
                "step {step}: loss {:.3}",
                loss.map_or(f64::NAN, |(_, loss)| loss)
            );
        }
    }

    fn remark(&mut self, text: &str) {
        println!("{text}");
    }

    fn wants_to_stop(&self) -> bool {
        false
    }
}
