//! The residual encoder against torchvision's vision transformer, weights by formula.

use std::path::Path;

use burn::module::Module;
use burn::prelude::*;
use serde::Deserialize;
use svg_residual::{ResidualConfig, ResidualEncoder, checkpoint_tensors, load};

use super::compare::{Summary, assert_close};
use super::fill::{murmur_fill, murmur_tensor, named};

/// Absolute, on outputs of a deviation of about 0.6.
const TOLERANCE: f64 = 2e-5;

#[derive(Deserialize)]
struct Expected {
    residual_vit_tiny: Tiny,
    residual_vit_full: Full,
}

#[derive(Deserialize)]
struct Tiny {
    out: Whole,
}

#[derive(Deserialize)]
struct Full {
    out: Summary,
}

#[derive(Deserialize)]
struct Whole {
    shape: Vec<usize>,
    data: Vec<f32>,
}

fn expected() -> Expected {
    let folder = Path::new("tests/golden/svg");
    let text = std::fs::read_to_string(folder.join("expected.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn filled(config: &ResidualConfig, prefix: &str, device: &Device) -> ResidualEncoder {
    let tensors = named(&checkpoint_tensors(&config.init(device)));
    load(config, murmur_fill(&tensors, prefix), "formula", device).unwrap()
}

#[cfg_attr(test, test)]
pub fn the_tiny_residual_encoder_is_torchvision_s() {
    let device = Device::default();
    let config = ResidualConfig::new()
        .with_image_size(32)
        .with_n_layers(2)
        .with_n_heads(4)
        .with_d_model(32)
        .with_d_ff(64)
        .with_mask_ratio(0.0);
    let encoder = filled(&config, "rv_tiny.", &device);
    let pixels = murmur_tensor("rv_tiny.x", [2, 3, 32, 32], 1.5, &device);
    let out = encoder.forward_normalized(pixels).swap_dims(1, 2); // [batch, channels, tokens]
    let want = expected().residual_vit_tiny.out;
    assert_eq!(out.dims().to_vec(), want.shape);
    assert_close("residual, tiny", out, &want.data, TOLERANCE);
}

#[cfg_attr(test, test)]
pub fn the_published_residual_encoder_is_torchvision_s() {
    let device = Device::default();
    let config = ResidualConfig::svg().with_mask_ratio(0.0);
    let encoder = filled(&config, "rv.", &device);
    assert_eq!(encoder.num_params(), 11_192_840);
    let pixels = murmur_tensor("rv.x", [2, 3, 256, 256], 1.5, &device);
    let out = encoder.forward_normalized(pixels).swap_dims(1, 2); // [batch, channels, tokens]
    let want = expected().residual_vit_full.out;
    want.assert_matches("residual, published size", out, TOLERANCE);
}
