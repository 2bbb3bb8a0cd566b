//! Trainings with a name. The files under `configs/` are written from these.

use svg_sit::SitConfig;

use crate::data::{Recipe, Smaller};
use crate::flow::{
    AdamWSettings, ComputeType, FlowSamplesSettings, FlowTraining, RateSchedule, TimeSettings,
};

/// A preset: the name of its file and how to make it.
type Preset = (&'static str, fn() -> FlowTraining);

/// What all presets train.
const SIT: &str = "presets are of SiT";

const PRESETS: [Preset; 6] = [
    ("flow_svg_xl_256", FlowTraining::svg_xl),
    ("flow_svg_b_256", FlowTraining::svg_b),
    ("flow_cifar10", FlowTraining::cifar10),
    ("flow_cifar10_dino", FlowTraining::cifar10_dino),
    ("flow_shapes", FlowTraining::demo),
    ("flow_tiny", FlowTraining::tiny),
];

impl FlowTraining {
    /// A training by its name; see [`preset_names`](Self::preset_names).
    pub fn preset(name: &str) -> Option<Self> {
        let (_, config) = PRESETS.iter().find(|(known, _)| *known == name)?;
        Some(config())
    }

    /// The names of the presets, which are those of the files under `configs/`.
    pub fn preset_names() -> impl Iterator<Item = &'static str> {
        PRESETS.iter().map(|(name, _)| *name)
    }

    /// The published recipe of the released model, for its first 80 epochs.
    pub fn svg_xl() -> Self {
        Self {
            about: "SVG-XL at 256 x 256 (arXiv 2510.15301, section 4) by the published recipe: AdamW \
                    without decay, warm-up or clipping, 256 images to a step, uniform times shifted by \
                    0.4, f32. svg train flow --config configs/flow_svg_xl_256.json --cache CACHE --bundle \
                    BUNDLE --out RUN. 400,000 steps are 80 epochs of ImageNet; the authors report 3.18 \
                    steps a second on eight H100-class cards, and a mean loss of 0.60 at 1,000 steps, \
                    0.313 at 100,000 and 0.283 at the end. The released model went on to 7,000,000. It \
                    has not been repeated with this program."
                .to_string(),
            network: SitConfig::xl().into(),
            seed: 1234,
            steps: 400_000,
            batch_size: 256,
            accumulation: 1,
            data: Recipe::default(),
            optimizer: AdamWSettings {
                learning_rate: 1e-4,
                beta_1: 0.9,
                beta_2: 0.999,
                epsilon: 1e-8,
                weight_decay: 0.0,
                clip_norm: None,
                warmup_steps: 0,
                schedule: RateSchedule::Constant,
            },
            label_dropout: 0.1,
            time: TimeSettings::Uniform { shift: 0.4 },
            average_decay: 0.9999,
            precision: ComputeType::F32,
            gradient_checkpointing: false,
            checkpoint_every: 5_000,
            checkpoints_kept: 2,
            samples_every: 5_000,
            samples: FlowSamplesSettings {
                count: 16,
                steps: 25,
                guidance: 4.0,
                shift: 0.15,
            },
            patience: 10,
        }
    }

    /// The same with the network of size B.
    pub fn svg_b() -> Self {
        Self {
            about: "SVG-B at 256 x 256 by the published recipe, as flow_svg_xl_256.json. The authors \
                    report a mean loss of 0.672 at 1,000 steps, 0.355 at 100,000 and 0.327 at 400,000. It \
                    has not been repeated with this program."
                .to_string(),
            network: SitConfig::b().into(),
            ..Self::svg_xl()
        }
    }

    /// A small flow for CIFAR-10, in the latents of `autoencoder_cifar10`.
    pub fn cifar10() -> Self {
        let shape = SitConfig {
            in_channels: 24,
            rows: 8,
            columns: 8,
            n_classes: 10,
            d_model: 256,
            n_layers: 6,
            n_heads: 4,
            d_ff: 1024,
            ..SitConfig::s()
        };
        let published = Self::svg_xl();
        Self {
            about: "A small flow for CIFAR-10, to see the whole method learn on two cores, in the latents \
                    of a bundle made by autoencoder_cifar10.json: svg stats --bundle BUNDLE --images \
                    cifar10/train; svg train flow --config configs/flow_cifar10.json --data cifar10/train \
                    --bundle BUNDLE --out RUN."
                .to_string(),
            network: shape.into(),
            steps: 3_600,
            batch_size: 64,
            data: Recipe {
                size: 32,
                ..Recipe::default()
            },
            optimizer: AdamWSettings {
                learning_rate: 6e-4,
                clip_norm: Some(1.0),
                warmup_steps: 200,
                schedule: RateSchedule::Cosine,
                ..published.optimizer
            },
            average_decay: 0.998,
            checkpoint_every: 500,
            samples_every: 500,
            samples: FlowSamplesSettings {
                count: 40,
                steps: 25,
                guidance: 2.0,
                shift: 0.4,
            },
            ..published
        }
    }

    /// The same in the latents of `autoencoder_cifar10_dino`.
    pub fn cifar10_dino() -> Self {
        let random = Self::cifar10();
        let sit = random.network.sit().expect(SIT).clone();
        Self {
            about: "A small flow for CIFAR-10 in the latents of a bundle made by \
                    autoencoder_cifar10_dino.json. Commands as in flow_cifar10.json; docs/results.md has the \
                    commands."
                .to_string(),
            network: SitConfig {
                in_channels: 192 + 8,
                ..sit
            }
            .into(),
            steps: 2_400,
            ..random
        }
    }

    /// The second stage of `svg demo`: minutes on two cores, in the latents of `autoencoder_shapes`.
    pub fn demo() -> Self {
        let small = Self::cifar10();
        let sit = small.network.sit().expect(SIT).clone();
        Self {
            about: "The second stage of svg demo, in the latents of a bundle made by \
                    autoencoder_shapes.json. svg demo --out RUN."
                .to_string(),
            network: SitConfig {
                in_channels: 128 + 8,
                rows: 4,
                columns: 4,
                d_model: 192,
                n_layers: 6,
                n_heads: 3,
                d_ff: 768,
                ..sit
            }
            .into(),
            steps: 2_700,
            optimizer: AdamWSettings {
                learning_rate: 1.5e-3,
                warmup_steps: 100,
                ..small.optimizer
            },
            average_decay: 0.995,
            checkpoint_every: 150,
            checkpoints_kept: 1,
            samples_every: 500,
            samples: FlowSamplesSettings {
                guidance: 5.0,
                ..small.samples
            },
            ..small
        }
    }

    /// The smallest training with every part in it, for tests.
    pub fn tiny() -> Self {
        let published = Self::svg_xl();
        Self {
            about: "The smallest training with every part in it, for tests; it learns nothing worth \
                    keeping. Its latents are those of a bundle made by autoencoder_tiny.json, of pictures \
                    in two folders."
                .to_string(),
            network: SitConfig {
                in_channels: 20,
                rows: 4,
                columns: 4,
                n_classes: 2,
                d_model: 16,
                n_layers: 1,
                n_heads: 2,
                d_ff: 32,
                ..SitConfig::s()
            }
            .into(),
            seed: 23,
            steps: 20,
            batch_size: 2,
            data: Recipe {
                size: 16,
                smaller: Smaller::Enlarge,
                ..Recipe::default()
            },
            optimizer: AdamWSettings {
                learning_rate: 1e-3,
                clip_norm: Some(1.0),
                warmup_steps: 2,
                ..published.optimizer
            },
            average_decay: 0.9,
            checkpoint_every: 5,
            samples_every: 5,
            samples: FlowSamplesSettings {
                count: 4,
                steps: 2,
                guidance: 1.5,
                shift: 0.4,
            },
            patience: 3,
            ..published
        }
    }
}
