//! The files under `configs/` are what the presets say.
//!
//! `UPDATE_CONFIGS=1 cargo test --test laws configs` writes them anew.

use std::path::{Path, PathBuf};

use svg_roles::Geometry;
use svg_train::autoencoder::AutoencoderTraining;
use svg_train::flow::FlowTraining;
use svg_train::pretrain::Pretraining;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("configs")
}

/// The file of a preset is written as the preset prints itself, and read as the preset.
fn check<T: PartialEq + std::fmt::Debug>(
    name: &str,
    preset: &T,
    json: &str,
    read: impl Fn(&str) -> Result<T, String>,
) {
    let path = folder().join(format!("{name}.json"));
    if std::env::var_os("UPDATE_CONFIGS").is_some() {
        std::fs::write(&path, json).unwrap();
    }
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(read(&text).unwrap(), *preset, "{name}");
    assert_eq!(
        text, json,
        "{name} is not written as the preset prints itself"
    );
}

#[test]
fn every_preset_has_its_file_and_every_file_its_preset() {
    for name in AutoencoderTraining::preset_names() {
        let preset = AutoencoderTraining::preset(name).unwrap();
        let json = preset.to_json();
        check(name, &preset, &json, AutoencoderTraining::from_json);
    }
    for name in Pretraining::preset_names() {
        let preset = Pretraining::preset(name).unwrap();
        let json = preset.to_json();
        check(name, &preset, &json, Pretraining::from_json);
    }
    for name in FlowTraining::preset_names() {
        let preset = FlowTraining::preset(name).unwrap();
        check(name, &preset, &preset.to_json(), FlowTraining::from_json);
    }
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "json") {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            assert!(
                AutoencoderTraining::preset(&name).is_some()
                    || FlowTraining::preset(&name).is_some()
                    || Pretraining::preset(&name).is_some(),
                "{name} has no preset"
            );
        }
    }
}

#[test]
fn the_published_sizes_fit_the_published_encoder() {
    for name in ["autoencoder_svg_256", "autoencoder_reference_256"] {
        let config = AutoencoderTraining::preset(name).unwrap();
        assert_eq!(config.network.svg().unwrap().misfit(384, 16), None);
        assert_eq!(config.images_per_step(), 512);
    }
}

#[test]
fn the_autoencoders_fit_the_encoders_that_are_made_here() {
    for (autoencoder, encoder) in [
        ("autoencoder_shapes", "pretrain_nano"),
        ("autoencoder_cifar10_dino", "pretrain_tiny"),
    ] {
        let autoencoder = AutoencoderTraining::preset(autoencoder).unwrap();
        let encoder = Pretraining::preset(encoder).unwrap();
        let dino = encoder.network.dino().unwrap();
        let networks = autoencoder.network.svg().unwrap();
        assert_eq!(networks.misfit(dino.d_model, dino.patch_size), None);
        assert_eq!(autoencoder.data.size, encoder.data.size);
    }
}

#[test]
fn the_flows_fit_the_latents_of_their_autoencoders() {
    for (flow, autoencoder, classes) in [
        ("flow_svg_xl_256", "autoencoder_svg_256", 1000),
        ("flow_svg_b_256", "autoencoder_svg_256", 1000),
        ("flow_cifar10", "autoencoder_cifar10", 10),
        ("flow_cifar10_dino", "autoencoder_cifar10_dino", 10),
        ("flow_shapes", "autoencoder_shapes", 10),
        ("flow_tiny", "autoencoder_tiny", 2),
    ] {
        let flow = FlowTraining::preset(flow).unwrap();
        let autoencoder = AutoencoderTraining::preset(autoencoder).unwrap();
        let decoder = &autoencoder.network.svg().unwrap().decoder;
        let side = autoencoder.data.size as usize;
        let latents = Geometry::of_patches([side; 2], decoder.upsampling(), decoder.in_channels);
        let names: Vec<_> = (0..classes).map(|number| format!("{number}")).collect();
        assert_eq!(flow.misfit(latents, &names), None);
        assert_eq!(flow.data, autoencoder.data);
    }
}
