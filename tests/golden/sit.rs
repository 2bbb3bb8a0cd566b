//! The velocity network against the PyTorch reference, weights by formula.

use std::path::Path;

use burn::prelude::*;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use svg_nn::StoredTensor;
use svg_sit::{Sit, SitConfig, checkpoint_tensors, load};

use super::compare::{Summary, assert_close};
use super::fill::{Named, murmur_fill, murmur_tensor, named};

#[derive(Deserialize)]
struct Case {
    out: Summary,
    #[serde(default)]
    row: Vec<f32>,
}

/// What the reference recorded under a name.
pub fn recorded<T: DeserializeOwned>(entry: &str) -> T {
    let path = Path::new("tests/golden/svg/expected.json");
    let text = std::fs::read_to_string(path).unwrap();
    let mut entries: serde_json::Value = serde_json::from_str(&text).unwrap();
    serde_json::from_value(entries[entry].take()).unwrap()
}

/// The smallest network of the reference, in the published form.
pub fn tiny() -> SitConfig {
    SitConfig::new(20, 16, 16, 96, 3, 4, 384).with_learn_sigma(true)
}

/// The network whose weights follow from their names behind `prefix`.
pub fn formula(config: &SitConfig, prefix: &str, device: &Device) -> Sit {
    // The rule leaves positions as they are constructed, and there is no mask here.
    let (positions, weights): (Vec<_>, Vec<_>) = layout(config)
        .into_iter()
        .partition(|tensor| tensor.name == "pos_embed");
    let mut tensors = murmur_fill(&repeated(&named(&weights), config.n_layers), prefix);
    tensors.retain(|tensor| !tensor.name.ends_with("bias_mask"));
    tensors.extend(positions);
    load(config, tensors, "formula", device).unwrap()
}

/// The tensors of a network of one block: those of the whole one would be drawn first.
fn layout(config: &SitConfig) -> Vec<StoredTensor> {
    let config = SitConfig {
        n_layers: 1,
        ..config.clone()
    };
    checkpoint_tensors(&config.init(&Device::default()))
}

fn repeated(one_block: &[Named], blocks: usize) -> Vec<Named> {
    let mut all = Vec::new();
    for (name, shape) in one_block {
        let count = match name.starts_with("blocks.") {
            true => blocks,
            false => 1,
        };
        let copy = |i| name.replacen("blocks.0.", &format!("blocks.{i}."), 1);
        all.extend((0..count).map(|i| (copy(i), shape.clone())));
    }
    all
}

/// Absolute, on velocities of a deviation of about one. GPUs sum a product in another order.
pub fn tolerance(device: &Device) -> f64 {
    match format!("{device:?}").contains("Flex") {
        true => 2e-5,
        false => 2e-4,
    }
}

fn check_tiny(device: &Device) {
    let sit = formula(&tiny(), "dit_tiny.", device);
    let x = murmur_tensor("dit_tiny.x", [3, 256, 20], 1.5, device);
    let t = Tensor::from_data([0.0, 0.3, 1.0], device);
    let labels = Tensor::from_data([7, 999, 1000], device);
    let out = sit.forward_all(x, t, labels);
    let Case { out: want, row } = recorded("dit_tiny");
    let found = out.clone().slice(s![1, 17, ..]);
    assert_close("velocity, tiny, one token", found, &row, tolerance(device));
    want.assert_matches("velocity, tiny", out, tolerance(device));
}

#[cfg_attr(test, test)]
pub fn a_tiny_velocity_network_equals_the_reference() {
    check_tiny(&Device::default());
}

/// Where gradients are recorded, attention is another form of the same formula.
#[cfg_attr(test, test)]
pub fn a_tiny_velocity_network_under_autodiff_equals_the_reference_too() {
    check_tiny(&Device::default().autodiff());
}

#[cfg_attr(test, test)]
pub fn the_released_size_equals_the_reference() {
    let device = Device::default();
    let config = SitConfig::xl().with_learn_sigma(true);
    let sit = formula(&config, "xl.", &device);
    let x = murmur_tensor("xl.x", [1, 256, 392], 1.5, &device);
    let (t, label) = (
        Tensor::from_data([0.37], &device),
        Tensor::from_data([207], &device),
    );
    let out = sit.forward_all(x, t, label);
    let Case { out: want, .. } = recorded("dit_xl_full");
    want.assert_matches("velocity, released size", out, tolerance(&device));
}
