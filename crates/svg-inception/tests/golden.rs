//! Equality with torch-fidelity, pytorch-fid, clean-fid and torchvision; see `tests/golden/export.py`.

use std::collections::BTreeMap;

use burn::prelude::*;
use burn::store::bridge;
use burn::tensor::TensorData;
use serde::Deserialize;
use svg_inception::{Inception, InceptionV3, Kind, Resize};
use svg_nn::StoredTensor;

/// Relative to the largest number of an output.
const TOLERANCE: f64 = 1e-4;
/// The same of resized pixels.
const OF_PIXELS: f64 = 1e-5;

/// Some numbers of an output of one image.
#[derive(Deserialize)]
struct Summary {
    count: usize,
    first: Vec<f64>,
    strided: Vec<f64>,
    magnitude: f64,
    largest: f64,
}

#[derive(Deserialize)]
struct Expected {
    network: BTreeMap<String, Vec<Summary>>,
    tools: BTreeMap<String, Vec<Summary>>,
    resized: BTreeMap<String, BTreeMap<String, Summary>>,
}

fn expected() -> Expected {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/expected.json");
    let text = std::fs::read_to_string(path).unwrap();
    serde_json::from_str(&text).unwrap()
}

impl Summary {
    /// The largest difference, relative to the largest number.
    fn difference(&self, values: &[f32]) -> f64 {
        assert_eq!(values.len(), self.count);
        let stride = (values.len() / 16).max(1);
        let strided = values.iter().step_by(stride);
        let pairs = values
            .iter()
            .zip(&self.first)
            .chain(strided.zip(&self.strided));
        let single = pairs.map(|(got, want)| (f64::from(*got) - want).abs());
        let single = single.fold(0.0, f64::max) / self.largest;
        let magnitude: f64 = values.iter().map(|v| f64::from(v.abs())).sum();
        let all = (magnitude - self.magnitude).abs() / self.magnitude;
        single.max(all)
    }
}

#[track_caller]
fn compare<const D: usize>(name: &str, got: &Tensor<D>, want: &[Summary], tolerance: f64) {
    assert_eq!(got.dims()[0], want.len());
    for (image, want) in want.iter().enumerate() {
        let values = got.clone().narrow(0, image, 1).into_data();
        let values: Vec<f32> = values.iter::<f32>().collect();
        let off = want.difference(&values);
        println!("{name}, image {image}: {off:.1e}");
        assert!(
            off <= tolerance,
            "{name}, image {image}: off by {off:.1e} of the largest number"
        );
    }
}

/// A counter keyed by FNV-1a-32 of the name through murmur3's finaliser, in [-1, 1), as in the root's `fill.rs`.
fn units(name: &str, count: usize) -> Vec<f32> {
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

fn filled(kind: Kind) -> Vec<StoredTensor> {
    let tensors = InceptionV3::init(kind, &Device::default()).tensors();
    let fill = |tensor: StoredTensor| {
        let (name, dims) = (&tensor.name, tensor.shape.to_vec());
        let fan_in: usize = dims[1..].iter().product();
        let gain = if name == "fc.weight" {
            1.0
        } else {
            2.0f64.sqrt()
        };
        let (factor, offset) = match dims.len() {
            2.. => ((gain * (3.0 / fan_in as f64).sqrt()) as f32, 0.0),
            _ if name.ends_with("running_var") => (0.3, 0.6),
            _ if name.ends_with("weight") => (0.3, 0.8),
            _ => (0.1, 0.0),
        };
        let units = units(&format!("inception.{name}"), dims.iter().product());
        let values: Vec<f32> = units.into_iter().map(|u| u * factor + offset).collect();
        bridge::from_data(TensorData::new(values, dims), name.clone(), None)
    };
    tensors.into_iter().map(fill).collect()
}

fn inception(kind: Kind, resize: Resize) -> Inception {
    Inception::from_tensors(filled(kind), resize, "formula", &Device::default()).unwrap()
}

/// A picture of 8 bits by formula: two waves in each colour, and noise.
fn picture(name: &str, height: usize, width: usize) -> Vec<f32> {
    let noise = units(name, 3 * height * width);
    let mut levels = Vec::with_capacity(noise.len());
    for channel in 0..3 {
        let [a, b, c, d]: [f64; 4] = {
            let four = units(&format!("{name}.{channel}"), 4);
            std::array::from_fn(|i| f64::from(four[i]))
        };
        for y in 0..height {
            for x in 0..width {
                let (x, y) = (x as f64, y as f64);
                let wave = (x * (0.05 + 0.04 * a) + y * 0.03 * b + 3.0 * c).sin()
                    + (y * (0.06 + 0.05 * d) - x * 0.02 * a).cos();
                let noise = f64::from(noise[levels.len()]);
                let level = (wave * 48.0 + 128.0 + noise * 24.0)
                    .floor()
                    .clamp(0.0, 255.0);
                levels.push(level as f32);
            }
        }
    }
    levels
}

fn pictures(names: &[&str], height: usize, width: usize) -> Tensor<4> {
    let levels: Vec<f32> = names
        .iter()
        .flat_map(|name| picture(name, height, width))
        .collect();
    let data = TensorData::new(levels, [names.len(), 3, height, width]);
    Tensor::from_data(data, &Device::default())
}

/// As other crates hand images over.
fn signed(pixels: Tensor<4>) -> Tensor<4> {
    pixels / 255.0 * 2.0 - 1.0
}

#[test]
fn every_stage_and_output_is_that_of_torch_fidelity() {
    let (expected, inception) = (expected(), inception(Kind::Fid, Resize::Tensorflow));
    let input = inception.input(pictures(&["one", "two"], 256, 256));
    let mut seen = BTreeMap::new();
    inception.network().forward_seen(input, &mut |name, x| {
        seen.insert(name.to_string(), x.clone());
    });
    for (name, want) in expected
        .network
        .iter()
        .filter(|(name, _)| name.starts_with("Mixed"))
    {
        compare(name, &seen[name], want, TOLERANCE);
    }
    let output = inception.outputs(signed(pictures(&["one", "two"], 256, 256)));
    for (name, got) in [
        ("pool3", output.pool3),
        ("spatial", output.spatial),
        ("logits_without_bias", output.logits_without_bias),
        ("logits", output.logits),
    ] {
        compare(name, &got, &expected.network[name], TOLERANCE);
    }
}

#[test]
fn features_of_the_other_protocols_are_those_of_their_tools() {
    let expected = expected();
    for (name, resize) in [("pytorch", Resize::HalfPixel), ("clean", Resize::Clean)] {
        let pixels = pictures(&["one", "two"], 256, 256);
        let output = inception(Kind::Fid, resize).outputs_of_pixels(pixels);
        compare(name, &output.pool3, &expected.tools[name], TOLERANCE);
    }
}

#[test]
fn the_network_of_torchvision_is_torchvisions() {
    let inception = inception(Kind::Torchvision, Resize::HalfPixel);
    let output = inception.outputs_of_pixels(pictures(&["three"], 299, 299));
    let expected = expected();
    compare(
        "torchvision",
        &output.logits,
        &expected.tools["torchvision"],
        TOLERANCE,
    );
}

#[test]
fn every_size_is_resized_as_by_each_tool() {
    for (size, rules) in expected().resized {
        let (height, width) = size.split_once('x').unwrap();
        let [height, width] = [height, width].map(|side| side.parse().unwrap());
        let pixels = pictures(&["sized"], height, width);
        for (rule, want) in rules {
            let resize: Resize = rule.parse().unwrap();
            let got = resize.apply(pixels.clone(), [299, 299]);
            compare(&format!("{size} {rule}"), &got, &[want], OF_PIXELS);
        }
    }
}
