//! Models as timm, transformers and accelerate leave them in folders, against the tokens that these computed.

use std::path::{Path, PathBuf};

use burn::prelude::*;
use burn::tensor::TensorData;
use svg_dino::{DinoConfig, DinoFile, Layout, PixelStatistics};
use svg_nn::{Container, TensorFile};

use super::compare::assert_close;

/// As in `libraries.py`.
fn expected() -> DinoConfig {
    DinoConfig::new(24, 1, 3, 36)
        .with_patch_size(4)
        .with_rope_base(50.0)
}

const PIXELS: PixelStatistics = PixelStatistics {
    mean: [0.5, 0.4, 0.3],
    std: [0.25, 0.2, 0.15],
};

fn folder(name: &str) -> PathBuf {
    let folder = Path::new("tests/golden/dinov3/libraries");
    folder.join(name)
}

/// Opens the folder, compares configuration and tokens, and returns what it says of itself.
#[track_caller]
fn check(name: &str, layout: Layout, config: &DinoConfig, tolerance: f64) -> Vec<String> {
    let device = Device::default();
    let weights = folder(name).join("weights");
    let file = DinoFile::open(&weights).unwrap();
    assert_eq!((file.layout(), file.config()), (layout, config), "{name}");
    let recorded = TensorFile::open(folder(name).join("tokens.safetensors")).unwrap();
    let numbers = |name: &str| -> Vec<f32> {
        let numbers = recorded.numbers(name).unwrap();
        numbers.into_iter().map(|number| number as f32).collect()
    };
    let pixels = TensorData::new(numbers("pixels"), [2, 3, 8, 12]);
    let dino = file.load(&device).unwrap();
    let output = dino.forward_normalized(Tensor::<4>::from_data(pixels, &device));
    let cls = output.cls.unsqueeze_dim(1);
    let all = [Some(cls), output.registers, Some(output.patches)];
    let tokens: Tensor<3> = Tensor::cat(all.into_iter().flatten().collect(), 1);
    assert_close(name, tokens, &numbers("tokens"), tolerance);
    file.notes().to_vec()
}

const TOLERANCE: f64 = 5e-5;

#[cfg_attr(test, test)]
pub fn timm_with_its_config_beside() {
    for (name, registers) in [
        ("timm", 2),
        ("timm_without_registers", 0),
        ("timm_naflex", 2),
    ] {
        let config = expected().with_n_registers(registers).with_pixels(PIXELS);
        let notes = check(name, Layout::Timm, &config, TOLERANCE);
        let naflex = notes.iter().any(|note| note.contains("NaFlex"));
        assert_eq!(naflex, name == "timm_naflex", "{notes:?}");
    }
}

#[cfg_attr(test, test)]
pub fn transformers_without_registers() {
    let config = expected().with_n_registers(0).with_norm_eps(1e-3);
    let notes = check(
        "transformers_without_registers",
        Layout::HuggingFace,
        &config.with_pixels(PIXELS),
        TOLERANCE,
    );
    assert!(notes.is_empty(), "{notes:?}");
}

#[cfg_attr(test, test)]
pub fn shards_of_every_kind() {
    let config = expected().with_n_registers(0).with_norm_eps(1e-3);
    for (name, container) in [
        ("transformers_variant", Container::ShardedSafetensors),
        ("accelerate_bin", Container::ShardedPytorch),
    ] {
        let file = TensorFile::open(folder(name).join("weights")).unwrap();
        assert_eq!(file.container(), container, "{name}");
        let notes = check(name, Layout::HuggingFace, &config, TOLERANCE);
        assert!(notes.is_empty(), "{notes:?}");
    }
}

#[cfg_attr(test, test)]
pub fn a_whole_file_beside_the_shards_of_an_earlier_save() {
    let config = expected().with_n_registers(0).with_norm_eps(1e-3);
    let notes = check("accelerate_stale", Layout::HuggingFace, &config, TOLERANCE);
    assert!(
        notes[0].contains("model.safetensors is used, as by transformers"),
        "{notes:?}"
    );
}
