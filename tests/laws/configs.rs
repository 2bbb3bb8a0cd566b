//! The files under `configs/` are presets of the program, written as a training prints itself, and fit each
//! other.

use std::fmt::Debug;

use svg_roles::Geometry;
use svg_train::autoencoder::AutoencoderTraining;
use svg_train::flow::FlowTraining;
use svg_train::pretrain::Pretraining;
use svg_train::run::Training;

use presets::Presets;

#[path = "../../src/presets.rs"]
mod presets;

/// The presets are written as they print themselves.
fn check<T: Presets + PartialEq + Debug>() -> Vec<String> {
    for (name, text) in T::PRESETS {
        let training = T::from_json(text).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(
            training.to_json(),
            *text,
            "{name} is not written as the preset prints itself"
        );
        assert_eq!(T::preset(name), Some(training), "{name}");
    }
    let (name, smallest) = T::PRESETS.last().unwrap();
    assert_eq!(*smallest, T::SMALLEST, "{name} and the one of svg-train");
    T::preset_names().map(String::from).collect()
}

#[test]
fn every_preset_is_strict_and_every_file_is_a_preset() {
    let names = [
        check::<AutoencoderTraining>(),
        check::<Pretraining>(),
        check::<FlowTraining>(),
    ]
    .concat();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/configs");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(path.extension().unwrap(), "json", "{}", path.display());
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        assert!(names.contains(&name), "{name} has no preset");
    }
}

#[test]
fn a_pretraining_has_a_short_name_too() {
    let tiny = Pretraining::preset("tiny");
    assert!(tiny.is_some() && tiny == Pretraining::preset("pretrain_tiny"));
    assert_eq!(FlowTraining::preset("tiny"), None);
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
