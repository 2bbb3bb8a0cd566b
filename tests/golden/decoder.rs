//! The decoder against the PyTorch reference.

use std::collections::HashMap;
use std::path::Path;

use burn::prelude::*;
use serde::Deserialize;
use svg_decoder::{Decoder, DecoderConfig};
use svg_nn::{load_exact, module_tensors};

use super::compare::Summary;
use super::fill::{murmur_fill, murmur_tensor, named};

#[derive(Deserialize)]
struct Case {
    out: Summary,
}

fn case(entry: &str) -> Case {
    let folder = Path::new("tests/golden/svg");
    let text = std::fs::read_to_string(folder.join("expected.json")).unwrap();
    let mut entries: HashMap<String, serde_json::Value> = serde_json::from_str(&text).unwrap();
    serde_json::from_value(entries.remove(entry).unwrap()).unwrap()
}

fn tiny() -> DecoderConfig {
    DecoderConfig::new(20)
        .with_width(32)
        .with_width_multipliers(vec![1, 1, 2])
        .with_resolution(32)
        .with_attention_resolutions(vec![8])
}

/// The decoder whose weights follow from their names behind `prefix`.
fn formula(config: DecoderConfig, prefix: &str, device: &Device) -> Decoder {
    let decoder = config.init(device);
    let tensors = murmur_fill(&named(&module_tensors(&decoder)), prefix);
    load_exact(decoder, tensors, "formula").unwrap()
}

/// Absolute, on images of deviation 0.6 to 0.7. GPUs sum a convolution in another order.
fn tolerance(device: &Device) -> f64 {
    match format!("{device:?}").contains("Flex") {
        true => 2e-5,
        false => 1e-4,
    }
}

/// The reference has features as a map, channels first.
fn tokens(map: Tensor<4>) -> Tensor<3> {
    map.flatten::<3>(2, 3).swap_dims(1, 2)
}

fn check(entry: &str, config: DecoderConfig, prefix: &str, shape: [usize; 4], device: &Device) {
    let decoder = formula(config, prefix, device);
    let features = tokens(murmur_tensor(&format!("{prefix}z"), shape, 1.0, device));
    let images = decoder.forward(features, [shape[2], shape[3]]);
    case(entry)
        .out
        .assert_matches(entry, images, tolerance(device));
}

#[cfg_attr(test, test)]
pub fn a_tiny_decoder_equals_the_reference() {
    let shape = [2, 20, 8, 8];
    check(
        "decoder_tiny",
        tiny(),
        "dec_tiny.",
        shape,
        &Device::default(),
    );
}

/// Where gradients are recorded, attention is another form of the same formula.
#[cfg_attr(test, test)]
pub fn a_tiny_decoder_under_autodiff_equals_the_reference_too() {
    let (device, shape) = (Device::default().autodiff(), [2, 20, 8, 8]);
    check("decoder_tiny", tiny(), "dec_tiny.", shape, &device);
}

#[cfg_attr(test, test)]
pub fn the_released_decoder_equals_the_reference() {
    let config = DecoderConfig::svg();
    assert_eq!(config.init(&Device::default()).num_params(), 43_076_483);
    let shape = [1, 392, 16, 16];
    check("decoder_full", config, "dec.", shape, &Device::default());
}
