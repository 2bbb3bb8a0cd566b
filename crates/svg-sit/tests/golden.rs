//! Equality of DiT, SiT, REPA's SiT and LightningDiT with diffusers and timm's modules; see `tests/golden/export.py`.

use std::collections::BTreeMap;

use burn::prelude::*;
use burn::store::bridge;
use burn::tensor::TensorData;
use serde::Deserialize;
use svg_nn::StoredTensor;
use svg_roles::{Condition, NoisePredictor, Velocity, patchify, unpatchify};
use svg_sit::{Dit, DitConfig, LightningConfig, Repa, RepaConfig, Sit, SitConfig};

/// Relative to the largest number of an output.
const TOLERANCE: f32 = 1e-5;

#[derive(Deserialize)]
struct Case {
    /// Latents as tokens, every number, one row for each sample.
    output: Vec<Vec<f32>>,
    projected: Vec<Vec<Vec<f32>>>,
    numbers: usize,
}

#[derive(Deserialize)]
struct Expected {
    cases: BTreeMap<String, Case>,
}

fn expected(name: &str) -> Case {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/expected.json");
    let text = std::fs::read_to_string(path).unwrap();
    let mut expected: Expected = serde_json::from_str(&text).unwrap();
    expected.cases.remove(name).unwrap()
}

#[track_caller]
fn compare(name: &str, got: Tensor<3>, want: &[Vec<f32>]) {
    let got: Vec<f32> = got.into_data().iter().collect();
    let want = want.concat();
    assert_eq!(got.len(), want.len(), "{name}");
    let largest = want.iter().fold(0.0f32, |largest, v| largest.max(v.abs()));
    let pairs = got.iter().zip(&want);
    let off = pairs.fold(0.0f32, |off, (a, b)| off.max((a - b).abs())) / largest;
    println!("{name}: off by {off:.1e} of {largest}");
    assert!(off <= TOLERANCE, "{name}: off by {off:.1e} of {largest}");
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

/// Parameters of a file by the formula. What nothing trains stays as it is.
fn filled(case: &str, tensors: Vec<StoredTensor>) -> Vec<StoredTensor> {
    let fill = |tensor: StoredTensor| {
        let (name, dims) = (tensor.name.clone(), tensor.shape.to_vec());
        if name == "pos_embed" || name.starts_with("feat_rope.") {
            return tensor;
        }
        let count: usize = dims.iter().product();
        let (factor, offset) = match (name.ends_with("weight"), dims.len()) {
            (true, 2..) => ((3.0 * dims[0] as f64 / count as f64).sqrt() as f32, 0.0),
            (true, _) => (0.1, 1.0),
            (false, _) => (0.1, 0.0),
        };
        let values = units(&format!("{case}.{name}"), count).into_iter();
        let values: Vec<f32> = values.map(|u| u * factor + offset).collect();
        bridge::from_data(TensorData::new(values, dims), name, None)
    };
    tensors.into_iter().map(fill).collect()
}

/// The same with the numbers made when they are read.
fn deferred(case: &'static str, tensors: Vec<StoredTensor>) -> Vec<StoredTensor> {
    let fill = |tensor: StoredTensor| {
        let (name, shape, dtype) = (tensor.name.clone(), tensor.shape.clone(), tensor.dtype);
        bridge::deferred(name, dtype, shape, None, move || {
            bridge::to_data(&filled(case, vec![tensor.clone()])[0])
        })
    };
    tensors.into_iter().map(fill).collect()
}

/// Latents `[batch, channels, side, side]` as tokens, row by row.
fn latents(name: &str, channels: usize, side: usize) -> Tensor<3> {
    let count = 2 * channels * side * side;
    let values: Vec<f32> = units(&format!("{name}.x"), count)
        .into_iter()
        .map(|u| u * 1.7)
        .collect();
    let data = TensorData::new(values, [2, channels, side, side]);
    let x = Tensor::<4>::from_data(data, &Device::default());
    x.flatten::<3>(2, 3).swap_dims(1, 2)
}

fn times(of: [f32; 2]) -> Tensor<1> {
    Tensor::from_data(of, &Device::default())
}

fn classes() -> Condition {
    Condition::classes(&[3, 5], &Device::default())
}

fn dit() -> DitConfig {
    let sit = SitConfig::new(16, 4, 4, 32, 3, 2, 128).with_n_classes(5);
    let sit = sit.with_qk_norm(false).with_learn_sigma(true);
    DitConfig::new(sit, 2)
}

fn sit(name: &str) -> Sit {
    let device = Device::default();
    let tensors = filled(name, dit().tensors(&dit().init(&device)));
    // 32 channels tell no number of heads, so the sizes are given.
    dit().load(tensors, "formula", &device).unwrap()
}

/// Eight channels of each latent: noise or velocity, and variance.
fn dits_outputs(network: &Dit, x: Tensor<3>, t: Tensor<1>) -> Tensor<3> {
    let found = network.predict(patchify(x, [8, 8], 2), t, &classes());
    let parts = [found.noise, found.range.unwrap()];
    Tensor::cat(parts.map(|part| unpatchify(part, [4, 4], 2)).to_vec(), 2)
}

#[test]
fn dit_is_that_of_diffusers_and_of_the_reference() {
    let network = Dit {
        network: sit("dit"),
    };
    let numbers = network.network.config().n_params() + 16 * 32;
    assert_eq!(numbers, expected("dit").numbers);
    let found = dits_outputs(&network, latents("dit", 4, 8), times([977.0, 12.0]));
    compare("diffusers", found.clone(), &expected("diffusers").output);
    compare("dit", found, &expected("dit").output);
}

#[test]
fn dit_in_the_names_of_diffusers_is_the_same_network() {
    let device = Device::default();
    let tensors = dit().diffusers_tensors(&sit("dit"));
    let network = dit().load_diffusers(tensors, "formula", &device).unwrap();
    let found = dits_outputs(&Dit { network }, latents("dit", 4, 8), times([977.0, 12.0]));
    compare("diffusers", found, &expected("diffusers").output);
}

#[test]
fn the_velocity_of_sit_is_the_first_half_of_the_channels() {
    let found = sit("sit").velocity(
        patchify(latents("sit", 4, 8), [8, 8], 2),
        times([0.85, 0.3]),
        &classes(),
    );
    // Of eight channels of each latent.
    let half = |row: Vec<f32>| -> Vec<f32> {
        row.chunks(8)
            .flat_map(|latent| latent[..4].to_vec())
            .collect()
    };
    let expected: Vec<_> = expected("sit").output.into_iter().map(half).collect();
    compare("sit", unpatchify(found, [4, 4], 2), &expected);
}

fn repa() -> (RepaConfig, Repa) {
    let mut dit = dit().without_variance();
    dit.sit.qk_norm = true;
    let config = RepaConfig::new(dit, 2)
        .with_hidden(24)
        .with_encoders(vec![12]);
    let device = Device::default();
    let tensors = filled("repa", config.tensors(&config.init(&device)));
    let loaded = config.load(tensors, "formula", &device).unwrap();
    (config, loaded)
}

#[test]
fn repa_is_the_reference_reversed_in_time_and_its_projections_are_equal() {
    let (config, repa) = repa();
    let case = expected("repa");
    assert_eq!(config.published_numbers(), case.numbers);
    let x = patchify(latents("repa", 4, 8), [8, 8], 2);
    let t = times([0.85, 0.3]);
    let own = repa.forward_projected(x.clone(), t.clone(), classes().expect_classes());
    compare("repa", unpatchify(own.velocity, [4, 4], 2), &case.output);
    compare("projected", own.projected[0].clone(), &case.projected[0]);
    let reversed = repa.velocity(x, t.neg() + 1.0, &classes()).neg();
    compare("reversed", unpatchify(reversed, [4, 4], 2), &case.output);
}

#[test]
fn lightning_dit_is_the_reference_with_and_without_norms_of_queries_and_keys() {
    let device = Device::default();
    for (name, qk_norm) in [("lightning", false), ("lightning_normed", true)] {
        let config = LightningConfig::new(8, 4, 4, 32, 3, 2, 85).with_n_classes(5);
        let config = config.with_qk_norm(qk_norm);
        let tensors = filled(name, config.tensors(&config.init(&device)));
        let network = config.load(tensors, "formula", &device).unwrap();
        let case = expected(name);
        assert_eq!(config.published_numbers(), case.numbers);
        let found = network.velocity(latents(name, 8, 4), times([0.85, 0.3]), &classes());
        compare(name, found, &case.output);
    }
}

/// A network of the published size, as `export.py --large` writes it to the folder that `SVG_LARGE` names.
fn large(name: &str, of: &str) -> Vec<Vec<f32>> {
    let folder = std::env::var("SVG_LARGE").expect("SVG_LARGE names the folder of references");
    let path = std::path::Path::new(&folder).join(format!("{name}.safetensors"));
    let numbers = svg_nn::TensorFile::open(path).unwrap().numbers(of).unwrap();
    let numbers: Vec<f32> = numbers.into_iter().map(|v| v as f32).collect();
    vec![numbers]
}

fn large_classes() -> Condition {
    Condition::classes(&[3, 1000], &Device::default())
}

#[test]
#[ignore = "675 M parameters; by hand"]
fn dit_of_the_published_size_is_the_reference() {
    let device = Device::default();
    let config = DitConfig::preset("xl/2").unwrap();
    let tensors = deferred("large.dit", config.tensors(&config.init(&device)));
    let network = config.load(tensors, "formula", &device).unwrap();
    let x = patchify(latents("large.dit", 4, 32), [32, 32], 2);
    let found = Dit { network }.predict(x, times([977.0, 12.0]), &large_classes());
    let parts = [found.noise, found.range.unwrap()];
    let parts = parts.map(|part| unpatchify(part, [16, 16], 2)).to_vec();
    compare("dit, xl/2", Tensor::cat(parts, 2), &large("dit", "output"));
}

#[test]
#[ignore = "683 M parameters; by hand"]
fn repa_of_the_published_size_is_the_reference() {
    let device = Device::default();
    let config = RepaConfig::preset("xl/2").unwrap();
    let tensors = deferred("large.repa", config.tensors(&config.init(&device)));
    let repa = config.load(tensors, "formula", &device).unwrap();
    let x = patchify(latents("large.repa", 4, 32), [32, 32], 2);
    let labels = large_classes().expect_classes();
    let found = repa.forward_projected(x, times([0.85, 0.3]), labels);
    let velocity = unpatchify(found.velocity, [16, 16], 2);
    compare("repa, xl/2", velocity, &large("repa", "output"));
    let projected = large("repa", "projected.0");
    compare("repa, projected", found.projected[0].clone(), &projected);
}

#[test]
#[ignore = "675 M parameters; by hand"]
fn lightning_dit_of_the_published_size_is_the_reference() {
    let device = Device::default();
    let config = LightningConfig::preset("xl/1").unwrap();
    let tensors = deferred("large.lightning", config.tensors(&config.init(&device)));
    let network = config.load(tensors, "formula", &device).unwrap();
    let x = latents("large.lightning", 32, 16);
    let found = network.velocity(x, times([0.85, 0.3]), &large_classes());
    compare("lightning, xl/1", found, &large("lightning", "output"));
}
