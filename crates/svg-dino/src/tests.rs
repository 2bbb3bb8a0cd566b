//! Files with what stands beside them, written and read back.

use std::path::{Path, PathBuf};

use burn::prelude::*;
use burn::store::bridge;
use burn::tensor::{Shape, TensorData};
use svg_nn::{StoredTensor, draw_parameters, save_tensors};

use crate::{
    Dino, DinoConfig, DinoFile, FeedForwardKind, Half, Layout, PixelStatistics, RopePeriods,
};

const PIXELS: PixelStatistics = PixelStatistics {
    mean: [0.5, 0.4, 0.3],
    std: [0.25, 0.2, 0.15],
};

/// Three heads of eight channels, which nothing but a document or stored periods can say.
fn unusual() -> DinoConfig {
    DinoConfig::new(24, 2, 3, 36)
        .with_patch_size(4)
        .with_rope_base(50.0)
        .with_norm_eps(1e-3)
        .with_pixels(PIXELS)
}

fn network(config: &DinoConfig) -> Dino {
    let device = Device::default();
    let dino = config.clone().with_layer_scale(0.5).init(&device);
    draw_parameters(&dino);
    dino
}

/// What is written in a layout says, but for the rounding of periods and how layer scales began.
fn read_back(path: &Path) -> DinoConfig {
    let config = DinoFile::open(path).unwrap().config().clone();
    config
        .with_rope_periods(RopePeriods::Exact)
        .with_layer_scale(1e-5)
}

fn cases() -> [DinoConfig; 5] {
    let gated = unusual().with_feed_forward(FeedForwardKind::SwiGlu);
    [
        unusual(),
        unusual().with_n_registers(0),
        gated.clone().with_qkv_bias(false),
        gated.with_n_registers(0),
        DinoConfig::new(64, 1, 1, 96).with_n_registers(0),
    ]
}

#[test]
fn every_layout_keeps_what_tensors_do_not_say() {
    let place = tempfile::tempdir().unwrap();
    for (index, config) in cases().into_iter().enumerate() {
        let file = DinoFile::of(&network(&config));
        for layout in Layout::ALL {
            let name = format!("{index}-{}", layout.name());
            for path in [name.clone(), name + ".safetensors"] {
                let path = place.path().join(path);
                let written = file.save(layout, &path).unwrap();
                assert_eq!(read_back(&path), config, "{path:?}");
                assert_eq!(
                    DinoFile::open(&written).unwrap().layout(),
                    layout,
                    "{path:?}"
                );
            }
        }
    }
}

#[test]
fn the_tokens_are_the_same_in_every_layout() {
    let place = tempfile::tempdir().unwrap();
    let device = Device::default();
    for (index, config) in cases().into_iter().enumerate() {
        let dino = network(&config);
        let side = config.patch_size;
        let images = Tensor::<4>::ones([1, 3, 2 * side, 3 * side], &device) * 0.3;
        let expected = dino.forward(images.clone()).patches.into_data();
        for layout in Layout::ALL {
            let path = place.path().join(format!("{index}-{}", layout.name()));
            DinoFile::of(&dino).save(layout, &path).unwrap();
            let file = DinoFile::open(&path).unwrap();
            let exact = file.config().clone().with_rope_periods(RopePeriods::Exact);
            let read = file.with_config(exact).load(&device).unwrap();
            read.forward(images.clone())
                .patches
                .into_data()
                .assert_eq(&expected, true);
        }
    }
}

#[test]
fn what_other_programs_have_to_be_told_is_listed() {
    let file = DinoFile::of(&network(&unusual()));
    let untold = |layout, path: &str| file.untold(layout, Path::new(path)).join("; ");
    assert_eq!(untold(Layout::HuggingFace, "folder"), "");
    assert_eq!(untold(Layout::Timm, "folder"), "norm_eps 0.001");
    let pixels = r#"pixels {"mean":[0.5,0.4,0.3],"std":[0.25,0.2,0.15]}"#;
    let official = format!("norm_eps 0.001; {pixels}");
    assert_eq!(untold(Layout::Official, "folder"), official);
    assert_eq!(untold(Layout::Official, "w.safetensors"), official);
    let all = format!("n_heads 3; norm_eps 0.001; {pixels}; rope_base 50.0");
    assert_eq!(untold(Layout::Timm, "w.safetensors"), all);
    let released = DinoFile::of(&DinoConfig::vits16().init(&Device::default()));
    assert!(
        released
            .untold(Layout::Timm, Path::new("w.safetensors"))
            .is_empty()
    );
}

#[test]
fn metadata_are_written_where_tensors_do_not_suffice_alone() {
    let metadata = |config: &DinoConfig, path: &str| {
        let file = DinoFile::of(&config.init(&Device::default()));
        file.metadata(Layout::Official, Path::new(path)).len()
    };
    let plain = DinoConfig::new(24, 1, 3, 36).with_patch_size(4);
    assert_eq!(metadata(&plain, "w.safetensors"), 1);
    assert_eq!(
        metadata(&plain.clone().with_norm_eps(1e-3), "w.safetensors"),
        2
    );
    // By that name it would have other pixel statistics.
    assert_eq!(metadata(&plain, "vitl16-sat493m.safetensors"), 2);
    assert_eq!(
        metadata(&plain.satellite(), "vitl16-sat493m.safetensors"),
        1
    );
}

/// A network in timm's or Hugging Face's names, alone in a folder.
fn alone(config: &DinoConfig, layout: Layout) -> (tempfile::TempDir, PathBuf) {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("model.safetensors");
    let tensors = DinoFile::of(&network(config)).tensors_in(layout);
    save_tensors(&path, &tensors, Default::default()).unwrap();
    (place, path)
}

fn beside(path: &Path, name: &str, json: &str) {
    std::fs::write(path.with_file_name(name), json).unwrap();
}

#[track_caller]
fn fails(path: &Path, reasons: &[&str]) {
    let error = DinoFile::open(path).unwrap_err().to_string();
    for reason in reasons {
        assert!(error.contains(reason), "{error}");
    }
}

#[test]
fn the_config_of_timm_counts() {
    let sizes = unusual().with_norm_eps(1e-5);
    let (_place, path) = alone(&sizes, Layout::Timm);
    fails(&path, &["cannot be told from 24 channels"]);
    let config = r#"{
        "architecture": "vit_small_patch16_dinov3_qkvb",
        "model_args": {"embed_dim": 24, "depth": 2, "num_heads": 3, "mlp_ratio": 1.5, "patch_size": [4, 4],
                       "rope_temperature": 50},
        "pretrained_cfg": {"mean": [0.5, 0.4, 0.3], "std": [0.25, 0.2, 0.15]}
    }"#;
    beside(&path, "config.json", config);
    assert_eq!(read_back(&path), sizes);
    beside(
        &path,
        "config.json",
        &config.replace("\"depth\": 2", "\"depth\": 3"),
    );
    fails(
        &path,
        &[
            "config.json and its tensors differ in depth (3 and 2)",
            "folder of its own",
        ],
    );
    beside(
        &path,
        "config.json",
        &config.replace("50", "50, \"rope_rotate_half\": false"),
    );
    fails(&path, &["rope_rotate_half is false"]);
    beside(&path, "config.json", config);
    beside(
        &path,
        "preprocessor_config.json",
        r#"{"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}"#,
    );
    fails(
        &path,
        &["config.json and preprocessor_config.json beside it differ in the pixel statistics"],
    );
}

#[test]
fn documents_that_contradict_name_the_fields() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("hub");
    DinoFile::of(&network(&unusual()))
        .save(Layout::HuggingFace, &path)
        .unwrap();
    let config = path.join("config.json");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(
        &config,
        text.replace("50.0", "60.0").replace("0.001", "0.002"),
    )
    .unwrap();
    fails(
        &path,
        &[
            "the metadata of the file and config.json differ in rope_base (50.0 and 60.0), norm_eps (0.001 and 0.002)",
        ],
    );
    std::fs::write(&config, format!("\u{feff}{text}")).unwrap();
    assert_eq!(read_back(&path), unusual());
    beside(
        &config,
        "preprocessor_config.json",
        r#"{"image_mean": [0, 0, 0], "image_std": [0, 1, 1]}"#,
    );
    fails(&path, &["preprocessor_config.json: image_std of red is 0"]);
    beside(&config, "preprocessor_config.json", "{}");
    std::fs::write(
        &config,
        text.replace("\"hidden_size\": 24", "\"hidden_size\": \"24\""),
    )
    .unwrap();
    fails(&path, &["config.json: hidden_size is \"24\""]);
}

#[test]
fn the_documents_of_another_model_do_not_count_for_a_file_that_is_written_beside_them() {
    let place = tempfile::tempdir().unwrap();
    let (one, other) = (DinoConfig::new(64, 1, 1, 96), unusual());
    DinoFile::of(&network(&one.clone().with_rope_base(50.0)))
        .save(Layout::HuggingFace, place.path())
        .unwrap();
    let path = place.path().join("w.safetensors");
    let write = |config| DinoFile::of(&network(config)).save(Layout::Timm, &path);
    write(&one).unwrap();
    fails(&path, &["differ in rope_base (100.0 and 50.0)"]);
    write(&other).unwrap();
    fails(
        &path,
        &["differ in d_model (24 and 64), n_layers (2 and 1)"],
    );
}

#[test]
fn heads_that_are_assumed_are_said() {
    let (_place, path) = alone(&DinoConfig::new(64, 1, 2, 96), Layout::HuggingFace);
    let file = DinoFile::open(&path).unwrap();
    assert_eq!(file.config().n_heads, 1);
    assert!(
        file.notes().join("\n").contains("heads of 64 channels"),
        "{:?}",
        file.notes()
    );
    beside(
        &path,
        "config.json",
        r#"{"model_type": "dinov3_vit", "hidden_size": 64, "num_attention_heads": 2,
        "num_hidden_layers": 1, "intermediate_size": 96, "num_register_tokens": 4, "patch_size": [16, 16]}"#,
    );
    let file = DinoFile::open(&path).unwrap();
    assert_eq!((file.config().n_heads, file.notes().len()), (2, 0));
}

#[cfg(unix)]
#[test]
fn in_a_cache_of_the_hub_what_stands_beside_the_link_counts() {
    use std::os::unix::fs::symlink;
    let place = tempfile::tempdir().unwrap();
    let name = "models--facebook--dinov3-vitl16-pretrain-sat493m";
    let cache = place.path().join(name);
    let (blobs, snapshot) = (cache.join("blobs"), cache.join("snapshots/0f1e"));
    for folder in [&blobs, &snapshot, &cache.join("refs")] {
        std::fs::create_dir_all(folder).unwrap();
    }
    std::fs::write(cache.join("refs/main"), "0f1e").unwrap();
    let sizes = DinoConfig::new(24, 1, 3, 36).with_patch_size(4);
    let hub = place.path().join("hub");
    DinoFile::of(&network(&sizes))
        .save(Layout::HuggingFace, &hub)
        .unwrap();
    for (number, file) in ["model.safetensors", "config.json"].into_iter().enumerate() {
        std::fs::rename(hub.join(file), blobs.join(number.to_string())).unwrap();
        symlink(format!("../../blobs/{number}"), snapshot.join(file)).unwrap();
    }
    // Another model's documents beside the blobs are nobody's.
    std::fs::write(blobs.join("config.json"), r#"{"model_type": "vit"}"#).unwrap();
    for path in [
        cache.clone(),
        snapshot.clone(),
        snapshot.join("model.safetensors"),
        blobs.join("0"),
    ] {
        let file = DinoFile::open(&path).unwrap();
        // The metadata of the file say otherwise, and win over the name.
        assert_eq!(file.config().n_heads, 3, "{path:?}");
        assert_eq!(file.config().pixels, PixelStatistics::IMAGENET, "{path:?}");
    }
    // As Hugging Face has it, without our metadata: by the name of the folder of the model.
    let tensors = DinoFile::of(&network(&sizes)).tensors_in(Layout::HuggingFace);
    save_tensors(&blobs.join("0"), &tensors, Default::default()).unwrap();
    for path in [cache.clone(), blobs.join("0")] {
        let file = DinoFile::open(&path).unwrap();
        assert_eq!(file.config().n_heads, 3, "{path:?}");
        assert_eq!(file.config().pixels, PixelStatistics::SATELLITE, "{path:?}");
    }
}

/// The tensors of a small network, one of them replaced.
fn with_tensor(name: &str, shape: &[usize], values: Vec<f32>) -> (tempfile::TempDir, DinoFile) {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("w.safetensors");
    let mut tensors =
        DinoFile::of(&network(&DinoConfig::new(16, 1, 1, 32))).tensors_in(Layout::Official);
    tensors.retain(|tensor| tensor.name != name && !tensor.name.ends_with("bias_mask"));
    let data = TensorData::new(values, Shape::from(shape.to_vec()));
    tensors.push(bridge::from_data(data, name.to_string(), None));
    save_tensors(&path, &tensors, Default::default()).unwrap();
    let file = DinoFile::open(&path).unwrap();
    (place, file)
}

#[test]
fn a_number_beyond_f16_is_an_error_that_names_it() {
    let mut values = vec![1.0; 16];
    values[3] = -1e5;
    let (_place, file) = with_tensor("blocks.0.ls1.gamma", &[16], values);
    let Err(error) = file.in_half(Half::F16) else {
        panic!("1e5 became infinite");
    };
    let expected = "blocks.0.ls1.gamma holds 1e5, which would become infinite in f16, whose largest number is 6.5504e4";
    assert!(error.to_string().contains(expected), "{error}");
}

#[test]
fn numbers_too_small_for_f16_are_counted_and_bf16_keeps_them() {
    let mut values = vec![1.0; 16];
    values[..3].fill(1e-9);
    values[3] = 1e5;
    let (_place, file) = with_tensor("blocks.0.ls1.gamma", &[16], values.clone());
    let file = file.in_half(Half::Bf16).unwrap();
    assert!(file.notes().is_empty(), "{:?}", file.notes());
    let gamma: &StoredTensor = file
        .tensors()
        .find(|t| t.name == "blocks.0.ls1.gamma")
        .unwrap();
    let kept = bridge::to_data(gamma)
        .unwrap()
        .convert::<f32>()
        .try_to_vec::<f32>()
        .unwrap();
    for (a, b) in kept.iter().zip(&values) {
        assert!((a / b - 1.0).abs() < 4e-3, "{a} {b}");
    }
    values[3] = 1.0;
    let (_place, file) = with_tensor("blocks.0.ls1.gamma", &[16], values);
    let file = file.in_half(Half::F16).unwrap();
    let notes = file.notes().join("\n");
    assert!(
        notes.contains("3 numbers of 1 tensors (blocks.0.ls1.gamma"),
        "{notes}"
    );
}

#[test]
fn a_bias_of_the_keys_is_not_dropped_unsaid() {
    let (place, file) = with_tensor("blocks.0.attn.qkv.bias", &[48], vec![0.25; 48]);
    for layout in Layout::ALL {
        let error = file
            .save(layout, &place.path().join("out"))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("blocks.0.attn.qkv.bias has a bias of the keys, up to 2.5e-1"),
            "{error}"
        );
    }
    assert!(!place.path().join("out").exists());
}

#[test]
fn an_official_folder_is_not_written_beside_the_config_of_another() {
    let place = tempfile::tempdir().unwrap();
    let file = DinoFile::of(&network(&unusual()));
    file.save(Layout::HuggingFace, place.path()).unwrap();
    let error = file
        .save(Layout::Official, place.path())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("config.json") && error.contains("choose another folder"),
        "{error}"
    );
}
