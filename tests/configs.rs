//! The files under `configs/` are what the presets say.
//!
//! `UPDATE_CONFIGS=1 cargo test --test configs` writes them anew.

use std::path::Path;

use svg_train::autoencoder::AutoencoderTraining;

#[test]
fn every_preset_has_its_file_and_every_file_its_preset() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs");
    for name in AutoencoderTraining::preset_names() {
        let path = folder.join(format!("{name}.json"));
        let preset = AutoencoderTraining::preset(name).unwrap();
        if std::env::var_os("UPDATE_CONFIGS").is_some() {
            std::fs::write(&path, preset.to_json()).unwrap();
        }
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(
            AutoencoderTraining::from_json(&text).unwrap(),
            preset,
            "{name}"
        );
        assert_eq!(
            text,
            preset.to_json(),
            "{name} is not written as the preset prints itself"
        );
    }
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "json") {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            assert!(
                AutoencoderTraining::preset(&name).is_some(),
                "{name} has no preset"
            );
        }
    }
}

#[test]
fn the_published_sizes_fit_the_published_encoder() {
    for name in ["autoencoder_svg_256", "autoencoder_reference_256"] {
        let config = AutoencoderTraining::preset(name).unwrap();
        assert_eq!(config.autoencoder.misfit(384, 16), None);
        assert_eq!(config.images_per_step(), 512);
    }
}
