//! Trainings with a name: the files under `configs/`, which the program carries.

use svg_train::autoencoder::AutoencoderTraining;
use svg_train::flow::FlowTraining;
use svg_train::pretrain::Pretraining;
use svg_train::run::Training;

/// A name and a document.
type Preset = (&'static str, &'static str);

/// Trainings of which some have a name.
pub trait Presets: Training {
    /// All of them; the last is [`Training::SMALLEST`].
    const PRESETS: &[Preset];

    /// A training by its name, with or without `pretrain_` before it.
    fn preset(name: &str) -> Option<Self> {
        let mut all = Self::PRESETS.iter();
        let (_, text) =
            all.find(|(known, _)| *known == name || known.strip_prefix("pretrain_") == Some(name))?;
        Some(Self::from_json(text).expect("a test reads them all"))
    }

    fn preset_names() -> impl Iterator<Item = &'static str> {
        Self::PRESETS.iter().map(|(name, _)| *name)
    }
}

/// A file under `configs/`.
macro_rules! file {
    ($name:literal) => {
        ($name, include_str!(concat!("../configs/", $name, ".json")))
    };
}

impl Presets for AutoencoderTraining {
    const PRESETS: &[Preset] = &[
        file!("autoencoder_svg_256"),
        file!("autoencoder_reference_256"),
        file!("autoencoder_cifar10"),
        file!("autoencoder_cifar10_semantic"),
        file!("autoencoder_cifar10_dino"),
        file!("autoencoder_shapes"),
        file!("autoencoder_tiny"),
    ];
}

impl Presets for FlowTraining {
    const PRESETS: &[Preset] = &[
        file!("flow_svg_xl_256"),
        file!("flow_svg_b_256"),
        file!("flow_cifar10"),
        file!("flow_cifar10_dino"),
        file!("flow_shapes"),
        file!("flow_tiny"),
    ];
}

impl Presets for Pretraining {
    const PRESETS: &[Preset] = &[
        file!("pretrain_nano"),
        file!("pretrain_tiny"),
        file!("pretrain_smallest"),
    ];
}
