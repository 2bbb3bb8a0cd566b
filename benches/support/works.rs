//! What a user waits for, with random weights, on which times do not depend.

use std::sync::Arc;

use anyhow::{Context, Error, Result};
use burn::prelude::*;
use svg_dino::DinoConfig;
use svg_eval::{Lpips, Vgg16};
use svg_model::{Alignment, AutoencoderConfig};
use svg_nn::{Precision, module_tensors};
use svg_sit::{Sit, SitConfig};
use svg_train::autoencoder::{Adversary, AutoencoderTraining, CriticConfig, Start};
use svg_train::flow::{ComputeType, FlowBatch, FlowStage, FlowTraining};
use svg_train::kinds::Svg;
use svg_train::run::{Stage, Training};

use super::{Times, Timing, images, random};

/// A pass of the velocity network.
pub fn velocity(
    config: SitConfig,
    dtype: ComputeType,
    batch: usize,
    timing: &Timing,
    device: &Device,
) -> Result<Times> {
    let precision = select(dtype, device)?;
    let sit: Sit = precision.apply(config.init(device));
    let x = random::<3>([batch, 256, 392], device);
    let t = Tensor::full([batch], 0.37, device);
    timing.time(batch, device, || {
        let labels = Tensor::full([batch], 207, device);
        sit.forward(x.clone(), t.clone(), labels)
    })
}

/// A whole step of training on given latents: noise, label dropout, AdamW and the moving average.
pub fn flow_step(
    config: SitConfig,
    dtype: ComputeType,
    batch: usize,
    timing: &Timing,
    device: &Device,
) -> Result<Times> {
    let (mut stage, data) = flow_stage(config, dtype, batch, device)?;
    let mut number = 0;
    timing.time(batch, device, || {
        stage.step(number, 1e-4, vec![data.clone()]);
        number += 1;
    })
}

/// A training of a velocity network and one batch of random latents.
pub fn flow_stage(
    config: SitConfig,
    dtype: ComputeType,
    batch: usize,
    device: &Device,
) -> Result<(FlowStage<Sit>, FlowBatch)> {
    select(dtype, device)?;
    let training = include_str!("../../configs/flow_svg_b_256.json");
    let mut training = FlowTraining::from_json(training).map_err(Error::msg)?;
    training.batch_size = batch;
    training.precision = dtype;
    let data = FlowBatch::new(random([batch, 256, 392], device), vec![207; batch]);
    Ok((FlowStage::new(training, config, device), data))
}

fn select(dtype: ComputeType, device: &Device) -> Result<Precision> {
    let precision = dtype.precision();
    let computes = precision.select(device);
    computes
        .then_some(precision)
        .with_context(|| format!("{device:?} does not compute in {precision:?}"))
}

/// Features to pixels, released size.
pub fn decode(batch: usize, timing: &Timing, device: &Device) -> Result<Times> {
    let decoder = AutoencoderConfig::svg().decoder.init(device);
    let features = random([batch, 256, 392], device);
    timing.time(batch, device, || {
        decoder.forward(features.clone(), [16, 16])
    })
}

/// DINOv3, residual encoder and alignment, released sizes.
pub fn encode(batch: usize, timing: &Timing, device: &Device) -> Result<Times> {
    let dino = DinoConfig::vits16plus().init(device);
    let config = AutoencoderConfig::svg().with_alignment(Alignment::Batch);
    let model = config.init(Arc::new(dino), device);
    let images = images([batch, 256], device);
    timing.time(batch, device, || model.encoder.features(images.clone()))
}

/// A whole step of the first stage in its adversarial phase, with LPIPS and both optimisers, without an average.
pub fn autoencoder_step(batch: usize, timing: &Timing, device: &Device) -> Result<Times> {
    let config = include_str!("../../configs/autoencoder_svg_256.json");
    let mut config = AutoencoderTraining::from_json(config).map_err(Error::msg)?;
    config.average_decay = None;
    config.critic = Some(Adversary {
        network: CriticConfig::new(),
        start: Start::Step(0),
    });
    let vgg = module_tensors(&Vgg16::init(device));
    let lpips = Lpips::from_tensors(vgg, None, "random", device)?;
    let dino = DinoConfig::vits16plus().init(device);
    let mut stage = Svg::stage(config, Arc::new(dino), Box::new(lpips), device)?;
    let images = images([batch, 256], device);
    let mut number = 0;
    timing.time(batch, device, || {
        stage.step(number, 1e-4, vec![images.clone()]);
        number += 1;
    })
}
