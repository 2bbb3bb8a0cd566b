//! Weights by formula: full-size parity without a checkpoint.
//!
//! Two rules are in use, one for each generator of reference outputs. Both derive a tensor's numbers
//! from its name, so that any implementation can make the same ones.

use burn::prelude::*;
use burn::store::bridge;
use burn::tensor::{DType, Shape, TensorData};
use svg_nn::StoredTensor;

/// A tensor of the official layout: name and shape.
pub type Named = (String, Vec<usize>);

/// The rule of `formula.json`: a counter keyed by FNV-1a-32 of the name through murmur3's finaliser,
/// as numbers in [-1, 1).
pub fn murmur_units(name: &str, count: usize) -> Vec<f32> {
    let key = name.bytes().fold(0x811C_9DC5u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    let unit = |j: usize| {
        let mut x = (j as u32).wrapping_mul(0x9E37_79B9).wrapping_add(key);
        x = (x ^ (x >> 16)).wrapping_mul(0x85EB_CA6B);
        x = (x ^ (x >> 13)).wrapping_mul(0xC2B2_AE35);
        x ^= x >> 16;
        (x >> 8) as f32 * 2.0f32.powi(-23) - 1.0
    };
    (0..count).map(unit).collect()
}

/// The rule of `expected.json`: a 64-bit linear congruence seeded by FNV-1a-64 of the name, as numbers
/// in [-1, 1).
pub fn lcg_units(name: &str, count: usize) -> Vec<f32> {
    let seed = name.bytes().fold(0xCBF2_9CE4_8422_2325u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
    });
    let mut state = seed;
    let mut unit = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((state >> 40) as f64 / f64::from(1 << 23) - 1.0) as f32
    };
    (0..count).map(|_| unit()).collect()
}

/// Parameters and buffers of the official layout by the rule of `formula.json`. Matrices get the
/// variance `1 / fan_in`.
pub fn murmur_fill(tensors: &[Named], prefix: &str) -> Vec<StoredTensor> {
    murmur_fill_with_gain(tensors, prefix, 1.0)
}

/// The same with matrices of the variance `gain^2 / fan_in`.
pub fn murmur_fill_with_gain(tensors: &[Named], prefix: &str, gain: f64) -> Vec<StoredTensor> {
    let fill = |(name, shape): &Named| {
        let fan_in_inverse = match shape.as_slice() {
            [rows, ..] => *rows as f64 / shape.iter().product::<usize>() as f64,
            [] => 1.0,
        };
        let scale = (gain * (3.0 * fan_in_inverse).sqrt()) as f32;
        let (factor, offset) = match (name.rsplit('.').next(), shape.len()) {
            (Some("weight" | "in_proj_weight"), 2..) => (scale, 0.0),
            (Some("weight"), _) => (0.1, 1.0),
            (Some("gamma"), _) => (0.1, 0.5),
            _ => (0.1, 0.0),
        };
        let (key, shape) = (format!("{prefix}{name}"), Shape::from(shape.clone()));
        // Made when they are read, so that no more than one tensor of a large network is there twice.
        bridge::deferred(name.clone(), DType::F32, shape.clone(), None, move || {
            let units = murmur_units(&key, shape.num_elements()).into_iter();
            let values: Vec<f32> = units.map(|u| u * factor + offset).collect();
            Ok(TensorData::new(values, shape.clone()))
        })
    };
    tensors
        .iter()
        .map(fill)
        .chain(bias_masks(tensors))
        .collect()
}

/// Parameters and buffers of the official layout by the rule of `expected.json`.
pub fn lcg_fill(tensors: &[Named]) -> Vec<StoredTensor> {
    let fill = |(name, shape): &Named| {
        let token = name.contains("token");
        let fan_in: usize = shape[1..].iter().product();
        let halvings = (0..).find(|e| 3 * 4usize.pow(*e) >= fan_in).unwrap_or(0);
        let wide = if name.contains(".qkv.") { 2.0 } else { 1.0 };
        let value = |u: f32| match shape.len() {
            2.. if !token => u * 2.0f32.powi(-(halvings as i32)) * wide,
            _ if name.contains("norm") && name.ends_with("weight") => u * 0.25 + 1.0,
            _ if name.contains("norm") => u * 0.25,
            _ if name.ends_with("gamma") => u * 0.25 + 0.5,
            _ => u * 0.5,
        };
        let units = lcg_units(name, shape.iter().product());
        stored(name, shape, units.into_iter().map(value).collect())
    };
    tensors
        .iter()
        .map(fill)
        .chain(bias_masks(tensors))
        .collect()
}

/// Every fused bias is masked where the keys are.
fn bias_masks(tensors: &[Named]) -> impl Iterator<Item = StoredTensor> {
    let biases = tensors
        .iter()
        .filter(|(name, _)| name.ends_with("qkv.bias"));
    biases.map(|(name, shape)| {
        let width = shape[0] / 3;
        let mask = [1.0, 0.0, 1.0].map(|value| vec![value; width]).concat();
        stored(&format!("{name}_mask"), shape, mask)
    })
}

/// Names and shapes of a module's tensors, in PyTorch's layout.
pub fn named(tensors: &[StoredTensor]) -> Vec<Named> {
    let named = |tensor: &StoredTensor| (tensor.name.clone(), tensor.shape.to_vec());
    tensors.iter().map(named).collect()
}

/// An input by the rule of `formula.json`: `scale` times the numbers of that name.
pub fn murmur_tensor<const D: usize>(
    name: &str,
    shape: [usize; D],
    scale: f32,
    device: &Device,
) -> Tensor<D> {
    let mut values = murmur_units(name, shape.iter().product());
    values.iter_mut().for_each(|value| *value *= scale);
    Tensor::from_data(TensorData::new(values, shape), device)
}

pub fn stored(name: &str, shape: &[usize], values: Vec<f32>) -> StoredTensor {
    bridge::from_data(TensorData::new(values, shape), name.to_string(), None)
}

#[cfg_attr(test, test)]
pub fn both_rules_make_the_published_numbers() {
    let murmur = [-0.792_947_65, -0.030_918_837, 0.631_385_56, 0.723_613_5];
    assert_eq!(murmur_units("a", 4), murmur);
    let lcg = [0.917_709_7, 0.257_396_46, -0.425_056_1, 0.157_948_73];
    assert_eq!(lcg_units("cls_token", 4), lcg);
}
