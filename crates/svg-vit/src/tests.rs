//! Files of small networks: what is recognised, and what is refused with which words.

use std::collections::HashMap;

use burn::prelude::*;
use burn::store::bridge;
use burn::tensor::TensorData;
use svg_nn::{StoredTensor, save_tensors};
use svg_roles::Encoder;

use crate::{Family, Layout, VitConfig, VitError, VitFile};

fn config(family: Family) -> VitConfig {
    VitConfig::of(family, [16, 1, 2, 32], 4, 3)
}

fn in_layout(config: &VitConfig, layout: Layout) -> Vec<StoredTensor> {
    let vit = config.init(&Device::default());
    VitFile::of(&vit).tensors_in(layout).unwrap()
}

fn zero(name: &str) -> StoredTensor {
    bridge::from_data(TensorData::from([0.0f32]), name.to_string(), None)
}

/// What opening and loading these tensors says, beside that document.
fn loaded(tensors: &[StoredTensor], document: Option<&str>) -> Result<VitFile, VitError> {
    let folder = tempfile::tempdir().unwrap();
    save_tensors(
        &folder.path().join("w.safetensors"),
        tensors,
        HashMap::new(),
    )
    .unwrap();
    if let Some(document) = document {
        std::fs::write(folder.path().join("config.json"), document).unwrap();
    }
    let file = VitFile::open(folder.path())?;
    file.load(&Device::default())?;
    Ok(file)
}

#[track_caller]
fn fails(tensors: &[StoredTensor], document: Option<&str>, reasons: &[&str]) {
    let error = loaded(tensors, document).unwrap_err().to_string();
    for reason in reasons {
        assert!(error.contains(reason), "{error}");
    }
}

const DINOV2: &str = r#"{"model_type": "dinov2", "num_attention_heads": 2}"#;
const CLIP: &str = r#"{"model_type": "clip", "vision_config": {"num_attention_heads": 2}}"#;

#[test]
fn the_text_tower_of_a_whole_model_is_left_and_said() {
    let mut tensors = in_layout(&config(Family::Clip), Layout::HuggingFace);
    tensors.push(zero("text_model.final_layer_norm.bias"));
    tensors.push(zero("visual_projection.weight"));
    tensors.push(zero("logit_scale"));
    let file = loaded(&tensors, Some(CLIP)).unwrap();
    assert_eq!(file.config().family, Family::Clip);
    assert_eq!(file.key(), "vision_model");
    let dropped: Vec<_> = file
        .dropped()
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(dropped.len(), 3);
    assert!(dropped.contains(&"text_model.final_layer_norm.bias"));
    assert!(file.notes()[0].contains("left"), "{:?}", file.notes());
}

#[test]
fn the_decoder_of_mae_and_the_projection_of_clip_are_not_needed() {
    let mut tensors = in_layout(&config(Family::Mae), Layout::Timm);
    tensors.extend(
        [
            "mask_token",
            "decoder_embed.weight",
            "decoder_blocks.0.norm1.bias",
        ]
        .map(zero),
    );
    let heads = r#"{"architecture": "vit_base_patch16_224", "model_args": {"num_heads": 2}}"#;
    let file = loaded(&tensors, Some(heads)).unwrap();
    assert_eq!(
        (file.config().family, file.dropped().len()),
        (Family::Mae, 3)
    );
    let mut tensors = in_layout(&config(Family::Clip), Layout::Original);
    tensors.push(zero("visual.proj"));
    let file = loaded(&tensors, Some(CLIP)).unwrap();
    assert_eq!(file.layout(), Layout::Original);
    assert!(file.dropped()[0].1.contains("projection"));
}

#[test]
fn missing_and_unexpected_tensors_are_named_as_in_the_file() {
    let mut tensors = in_layout(&config(Family::Dinov2), Layout::HuggingFace);
    tensors.retain(|tensor| tensor.name != "encoder.layer.0.mlp.fc1.bias");
    let reasons = ["missing (1)", "encoder.layer.0.mlp.fc1.bias"];
    fails(&tensors, Some(DINOV2), &reasons);
    let mut tensors = in_layout(&config(Family::Dinov2), Layout::HuggingFace);
    tensors.push(zero("encoder.layer.0.mlp.fc3.bias"));
    let reasons = ["unexpected (1)", "encoder.layer.0.mlp.fc3.bias"];
    fails(&tensors, Some(DINOV2), &reasons);
    let mut tensors = in_layout(&config(Family::Siglip), Layout::HuggingFace);
    tensors.retain(|tensor| !tensor.name.ends_with("layers.0.self_attn.k_proj.bias"));
    let said = r#"{"model_type": "siglip_vision_model", "num_attention_heads": 2}"#;
    fails(
        &tensors,
        Some(said),
        &["blocks.0.attn.qkv.bias", "do not fit"],
    );
}

#[test]
fn other_files_are_refused_with_what_they_hold() {
    let tensors = ["features.0.weight", "features.0.bias"].map(zero);
    fails(
        &tensors,
        None,
        &["no DINOv2, MAE, SigLIP or CLIP", "It holds features"],
    );
    // A DiT has a table of positions, too.
    let tensors = [
        "pos_embed",
        "x_embedder.proj.weight",
        "blocks.0.attn.qkv.weight",
    ]
    .map(zero);
    fails(&tensors, None, &["lacks blocks"]);
    // A classifier of the same architecture as MAE.
    let mut tensors = in_layout(&config(Family::Mae), Layout::Timm);
    tensors.extend(["head.weight", "head.bias"].map(zero));
    fails(&tensors, None, &["unexpected (2)", "head.weight"]);
}

#[test]
fn what_tensors_do_not_show_is_asked_for() {
    let tensors = in_layout(&config(Family::Clip), Layout::HuggingFace);
    fails(
        &tensors,
        None,
        &["the number of heads cannot be told from 16 channels"],
    );
    let wide = VitConfig::of(Family::Clip, [64, 1, 1, 32], 4, 3);
    let tensors = in_layout(&wide, Layout::Timm);
    fails(
        &tensors,
        None,
        &["different activations", "openclip-vitb16"],
    );
}

#[test]
fn a_document_about_another_family_or_size_is_an_error() {
    let tensors = in_layout(&config(Family::Clip), Layout::HuggingFace);
    fails(
        &tensors,
        Some(DINOV2),
        &["config.json is about a DINOv2", "those of a CLIP"],
    );
    let said =
        r#"{"model_type": "clip_vision_model", "hidden_size": 32, "num_attention_heads": 2}"#;
    fails(&tensors, Some(said), &["hidden_size (32 and 16)"]);
}

#[test]
fn a_named_architecture_of_another_family_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    let tensors = in_layout(&config(Family::Mae), Layout::Timm);
    save_tensors(&path, &tensors, HashMap::new()).unwrap();
    let base = VitConfig::preset("clip-vitb16").unwrap();
    let error = VitFile::open_as(&path, base).unwrap_err().to_string();
    assert!(
        error.contains("it holds a MAE, and clip-vitb16 is a CLIP"),
        "{error}"
    );
    let base = VitConfig::preset("mae-vitb16").unwrap();
    let error = VitFile::open_as(&path, base).unwrap();
    let error = error.load(&Device::default()).unwrap_err().to_string();
    assert!(error.contains("expected shape"), "{error}");
}

#[test]
fn what_is_saved_says_what_tensors_do_not_show() {
    let device = Device::default();
    let folder = tempfile::tempdir().unwrap();
    let odd = config(Family::Dinov2)
        .with_n_registers(2)
        .with_norm_eps(1e-3)
        .with_pixels(svg_roles::PixelStatistics::HALF);
    let vit = odd.init(&device);
    let images = Tensor::<4>::zeros([1, 3, 8, 12], &device) + 0.3;
    let patches = vit.tokens(images.clone()).patches.into_data();
    for layout in Layout::ALL {
        let path = folder.path().join(layout.name());
        VitFile::of(&vit).save(layout, &path).unwrap();
        let file = VitFile::open(&path).unwrap();
        assert_eq!((file.config(), file.layout()), (&odd, layout));
        let again = file.load(&device).unwrap();
        let found = again.tokens(images.clone()).patches.into_data();
        found.assert_eq(&patches, true);
        if layout != Layout::Timm {
            // timm adds the position of the class token to it.
            assert_eq!(again.fingerprint().unwrap(), vit.fingerprint().unwrap());
        }
    }
}

#[test]
fn an_image_does_not_see_its_neighbours_and_the_last_block_is_the_output() {
    let device = Device::default();
    for family in Family::ALL {
        let vit = config(family).init(&device);
        let count = 3 * 3 * 8 * 12;
        let wave = Tensor::<1, Int>::arange(0..count, &device).float();
        let images = (wave * 0.37).sin().reshape([3, 3, 8, 12]);
        let all = vit.forward(images.clone());
        let one = vit.forward(images.clone().narrow(0, 1, 1));
        let difference = all.patches.clone().narrow(0, 1, 1) - one.patches;
        let difference: f32 = difference.abs().max().into_scalar();
        assert!(difference < 1e-6, "{family:?}: {difference}");
        let last = vit.forward_blocks(images, &[0]).remove(0);
        let (last, all) = (last.summary.unwrap(), all.summary.unwrap());
        last.into_data().assert_eq(&all.into_data(), true);
    }
}

#[test]
#[should_panic(expected = "sides that are multiples of 4, got 3 channels and 8 by 10 pixels")]
fn a_side_that_is_no_multiple_panics() {
    let vit = config(Family::Mae).init(&Default::default());
    vit.forward(Tensor::zeros([1, 3, 8, 10], &Default::default()));
}
