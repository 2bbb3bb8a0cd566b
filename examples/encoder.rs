//! An encoder of one's own: both stages trained on it and sampled, by the ordinary tools.
//!
//! ```text
//! cargo run --release --example encoder
//! ```
//!
//! The encoder has no weights: its features are the lowest coefficients of a cosine transform of each patch,
//! colour by colour. It becomes a part of a bundle under a kind of its own. `svg_train` trains a residual
//! encoder and a decoder beside it, then a flow in their normalised features; a registry that knows the
//! kind opens the result. It writes `encoder.png`.

#![recursion_limit = "256"]

mod support;

use std::f64::consts::PI;
use std::ops::ControlFlow;
use std::sync::Arc;

use anyhow::{Context, Result};
use burn::prelude::*;
use burn::tensor::TensorData;
use svg_flow::Progress;
use svg_image::{grid, save_png};
use svg_model::{NewEncoder, OpenOptions, Registry, Sampling};
use svg_roles::{Condition, Encoder, EncoderSpec, Images, LatentSpace, Signed, Tokens};
use svg_shapes::{CLASSES, Shapes};
use svg_train::autoencoder::{AutoencoderTraining, FeatureDistance, RunInputs};
use svg_train::flow::{FlowInputs, FlowTraining, OnlineLatents};
use svg_train::run::RunOptions;

use support::{Printed, trained};

/// Patches of 8 by 8 pixels, the coefficients 0 to 2 in both directions of each of three colours.
#[derive(Clone, Copy, Debug)]
struct Cosines;

const KIND: &str = "cosine_transform";
const PATCH: usize = 8;
const KEPT: usize = 3;

impl Encoder for Cosines {
    fn tokens(&self, images: Tensor<4>) -> Tokens {
        let [batch, colours, height, width] = images.dims();
        let [rows, columns] = [height / PATCH, width / PATCH];
        let patches = images.reshape([batch, colours, rows, PATCH, columns, PATCH]);
        let patches = patches.permute([0, 2, 4, 1, 3, 5]);
        let patches = patches.reshape([batch, rows * columns * colours, PATCH * PATCH]);
        let device = patches.device();
        let basis = TensorData::new(basis(), [1, PATCH * PATCH, KEPT * KEPT]);
        let coefficients = patches.matmul(Tensor::<3>::from_data(basis, &device));
        Tokens {
            patches: coefficients.reshape([batch, rows * columns, colours * KEPT * KEPT]),
            summary: None,
            grid: [rows, columns],
        }
    }

    fn spec(&self) -> EncoderSpec {
        EncoderSpec {
            name: "cosine transform".to_string(),
            channels: 3 * KEPT * KEPT,
            patch_size: PATCH,
        }
    }

    fn to_device(&self, _device: &Device) -> Arc<dyn Encoder> {
        Arc::new(*self)
    }
}

/// A column for each pair of frequencies, `[PATCH * PATCH, KEPT * KEPT]`.
fn basis() -> Vec<f32> {
    let wave = |frequency: usize, place: usize| {
        (PI * frequency as f64 * (place as f64 + 0.5) / PATCH as f64).cos()
    };
    let mut basis = Vec::new();
    for pixel in 0..PATCH * PATCH {
        for pair in 0..KEPT * KEPT {
            let down = wave(pair / KEPT, pixel / PATCH);
            let across = wave(pair % KEPT, pixel % PATCH);
            basis.push((down * across * 2.0 / PATCH as f64) as f32);
        }
    }
    basis
}

fn main() -> Result<()> {
    let device = Device::default();
    let place = tempfile::tempdir()?;
    let figures = Shapes::new(0).images(100);
    let figures = figures.map(|(class, image)| (CLASSES[class], image));
    let set = support::picture_set(&place.path().join("data"), figures)?;

    // The first stage: a residual encoder and a decoder beside the cosines.
    let mut config = AutoencoderTraining::tiny();
    config.steps = 60;
    config.batch_size = 8;
    config.critic = None;
    let networks = config.network.svg_mut();
    let networks = networks.context("the preset is SVG's autoencoder")?;
    let channels = Cosines.spec().channels + networks.residual_channels();
    networks.decoder.in_channels = channels;
    networks.decoder.width_multipliers = vec![1; 4]; // Three doublings: 8 pixels per patch.
    networks.decoder.resolution = 32;
    let residual = networks.residual.as_mut().context("the preset has one")?;
    (residual.image_size, residual.patch_size) = (32, PATCH);
    config.data.size = 32;
    let part = NewEncoder {
        kind: KIND.to_string(),
        name: Cosines.spec().name,
        config: serde_json::Value::Null,
        fingerprint: format!("{KIND} {PATCH} {KEPT}"),
        path: None,
        copy: None,
        notes: vec![],
    };
    let inputs = RunInputs {
        options: RunOptions::new(place.path().join("autoencoder")),
        data: set.clone(),
        data_name: "drawn figures".to_string(),
        validation: None,
        workers: 0,
        perceptual_name: "distance of cosine coefficients".to_string(),
        replicas: vec![],
    };
    let distance = Box::new(FeatureDistance::new(&Cosines, &device));
    let ended = svg_train::autoencoder::train(
        config,
        Arc::new(Cosines),
        part,
        inputs,
        distance,
        &device,
        &mut Printed,
    )?;
    let mut bundle = trained(ended)?;

    // Its features, and what makes them latents.
    let registry = Registry::standard().with_encoder(KIND, |_opening, _part| Ok(Arc::new(Cosines)));
    let space = registry.space(&bundle, &OpenOptions::default(), &device)?;
    let pictures: Vec<_> = Shapes::new(1).images(100).map(|(_, image)| image).collect();
    support::set_statistics(&mut bundle, &*space, &pictures, &device)?;

    // The second stage: a flow of these latents.
    let latents: Arc<dyn LatentSpace> =
        Arc::new(registry.latents(&bundle, &OpenOptions::default(), &device)?);
    let geometry = latents.geometry();
    let [rows, columns] = geometry.grid();
    let mut config = FlowTraining::tiny();
    config.steps = 100;
    config.data.size = 32;
    let network = svg_sit::SitConfig::new(geometry.channels, rows, columns, 64, 2, 4, 128);
    config.network = network.with_n_classes(CLASSES.len()).into();
    let source = OnlineLatents::new(set, config.data.clone(), latents.clone(), 0, &device)?;
    let inputs = FlowInputs {
        options: RunOptions::new(place.path().join("flow")),
        source: Box::new(source),
        validation: None,
        data_name: "drawn figures".to_string(),
        bundle,
        space: latents,
        replicas: vec![],
    };
    let ended = svg_train::flow::train(config, inputs, &device, &mut Printed)?;
    let bundle = trained(ended)?;
    println!("encoder {}", bundle.part(svg_model::ENCODER)?.kind);

    let generator = registry.generator(&bundle, &OpenOptions::default(), &device)?;
    let numbers: Vec<u64> = (0..8).collect();
    let classes = Condition::classes(&[0, 1, 2, 3, 4, 5, 6, 7], &device);
    let go_on = &mut |_: &Progress| ControlFlow::Continue(());
    let noise = generator.noise(0, &numbers);
    let sampled = generator.latents(noise, &classes, &numbers, &Sampling::svg(), go_on)?;
    println!("latents {:?}", sampled.latents.dims());
    let images = Images::<Signed>::from_tensor(generator.images(sampled.latents)).to_rgb();
    save_png(&grid(&images, 4, 2), "encoder.png", &[])?;
    println!("encoder.png: samples of a short training");
    Ok(())
}
