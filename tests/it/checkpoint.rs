//! The published checkpoint layout, in and out again, at a small size.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::process::{Command, Output};

use burn::prelude::*;
use burn::store::bridge;
use burn::tensor::{TensorData, bf16};
use svg_decoder::DecoderConfig;
use svg_dino::{DinoConfig, DinoFile, FeedForwardKind, Layout, RopePeriods};
use svg_model::autoencoder_tensors;
use svg_nn::{StoredTensor, TensorFile, save_tensors};
use svg_residual::ResidualConfig;

fn svg(words: &[&str], paths: &[&Path]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_svg"));
    command.args(words).args(paths).output().unwrap()
}

fn done(output: Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Everything that a published file holds: the encoder with masks and periods in bfloat16, both networks,
/// and what only its training needed.
pub fn published() -> Vec<StoredTensor> {
    let device = Device::default();
    let dino = DinoConfig::new(32, 1, 2, 64)
        .with_feed_forward(FeedForwardKind::SwiGlu)
        .with_patch_size(4)
        .with_rope_periods(RopePeriods::Bf16Rounded);
    let encoder = DinoFile::of(&dino.init(&device)).tensors_in(Layout::Official);
    let residual = ResidualConfig::new()
        .with_image_size(16)
        .with_patch_size(4)
        .with_n_layers(1)
        .with_n_heads(1)
        .with_d_model(48)
        .with_d_ff(32);
    let decoder = DecoderConfig::new(32 + 8)
        .with_width(32)
        .with_width_multipliers(vec![1, 1, 2])
        .with_n_res_blocks(1)
        .with_attention_resolutions(vec![16])
        .with_resolution(64);
    let (residual, decoder) = (residual.init(&device), decoder.init(&device));
    let mut all = autoencoder_tensors(Some(&residual), &decoder);
    all.extend(encoder.into_iter().map(|mut tensor| {
        tensor.name = format!("encoder.{}", tensor.name);
        tensor
    }));
    let mut put = |name: &str, data: TensorData| {
        all.push(bridge::from_data(data, name.to_string(), None));
    };
    put("norm_vit.weight", TensorData::from([1.0f32, 2.0]));
    put(
        "loss.logvar",
        TensorData::new(vec![0.0f32], Shape::new([0; 0])),
    );
    let counter = "loss.discriminator.main.3.num_batches_tracked";
    put(counter, TensorData::new(vec![7i64], Shape::new([0; 0])));
    put("loss.half", TensorData::from([bf16::from_f32(0.5)]));
    all
}

fn contents(path: &Path, prefix: &str) -> BTreeMap<String, (String, Vec<usize>, Vec<u8>)> {
    let file = TensorFile::open(path).unwrap();
    let entry = |tensor: &StoredTensor| {
        let name = tensor.name.strip_prefix(prefix).unwrap_or(&tensor.name);
        let bytes = tensor.to_bytes().unwrap().to_vec();
        let (dtype, shape) = (format!("{:?}", tensor.dtype), tensor.shape.to_vec());
        (name.to_string(), (dtype, shape, bytes))
    };
    file.tensors().iter().map(entry).collect()
}

#[test]
fn a_published_checkpoint_comes_back_to_the_bit() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for prefix in ["", "state_dict."] {
        let mut tensors = published();
        for tensor in &mut tensors {
            tensor.name = format!("{prefix}{}", tensor.name);
        }
        let file = path("published.safetensors");
        save_tensors(&file, &tensors, HashMap::new()).unwrap();
        let (bundle, back) = (path("bundle"), path("back.safetensors"));
        let said = done(svg(
            &["import", "autoencoder", "--force", "--out"],
            &[&bundle, &file],
        ));
        assert!(
            said.contains("residual of 8 channels, decoder of 40"),
            "{said}"
        );
        done(svg(
            &["export", "autoencoder", "--bundle"],
            &[&bundle, Path::new("--out"), &back],
        ));
        let (expected, found) = (contents(&file, prefix), contents(&back, ""));
        assert_eq!(
            expected.keys().collect::<Vec<_>>(),
            found.keys().collect::<Vec<_>>()
        );
        for (name, tensor) in &expected {
            assert!(*tensor == found[name], "{name} has changed");
        }
        let described = done(svg(&["info"], &[&bundle]));
        assert!(described.contains("alignment   Batch"), "{described}");
    }
}

#[test]
fn what_is_no_autoencoder_or_lacks_a_tensor_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let file = path("half.safetensors");
    let mut tensors = published();
    tensors.retain(|tensor| tensor.name != "decoder.mid.block_1.norm1.bias");
    save_tensors(&file, &tensors, HashMap::new()).unwrap();
    let refused = |file: &Path| {
        let output = svg(
            &["import", "autoencoder", "--out"],
            &[&path("bundle"), file],
        );
        assert_eq!(output.status.code(), Some(1));
        assert!(!path("bundle").exists(), "nothing half-made is left");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let said = refused(&file);
    assert!(said.contains("decoder.mid.block_1.norm1.bias"), "{said}");
    tensors.retain(|tensor| tensor.name.starts_with("encoder."));
    save_tensors(&file, &tensors, HashMap::new()).unwrap();
    let said = refused(&file);
    assert!(said.contains("holds no SVG autoencoder"), "{said}");
}

#[test]
fn frozen_alignment_without_statistics_says_how_to_get_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (file, bundle) = (path("published.safetensors"), path("bundle"));
    save_tensors(&file, &published(), HashMap::new()).unwrap();
    done(svg(&["import", "autoencoder", "--out"], &[&bundle, &file]));
    let picture = path("a.png");
    svg_image::save_png(&svg_image::RgbImage::new(16, 16), &picture, &[]).unwrap();
    let out = path("f.safetensors");
    let words = ["encode", "--align", "frozen", "--bundle"];
    let output = svg(
        &words,
        &[
            &bundle,
            Path::new("--images"),
            &picture,
            Path::new("--out"),
            &out,
        ],
    );
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("svg align-stats --bundle"), "{said}");
}
