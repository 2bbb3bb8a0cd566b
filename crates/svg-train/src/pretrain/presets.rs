//! Self-distillations with a name. The files under `configs/` are written from these.

use svg_dino::{DinoConfig, RopePeriods};
use svg_image::{CropSettings, JitterSettings};

use crate::data::{Recipe, Smaller};
use crate::pretrain::{
    Balance, HeadSettings, JudgeSettings, LossWeights, MaskSettings, PretrainOptimizer,
    Pretraining, TeacherSettings, ViewsSettings,
};

/// A preset: the name of its file and how to make it.
type Preset = (&'static str, fn() -> Pretraining);

const PRESETS: [Preset; 3] = [
    ("pretrain_nano", Pretraining::nano),
    ("pretrain_tiny", Pretraining::tiny),
    ("pretrain_smallest", Pretraining::smallest),
];

impl Pretraining {
    /// A training by its name, with or without `pretrain_` before it; see
    /// [`preset_names`](Self::preset_names).
    pub fn preset(name: &str) -> Option<Self> {
        let short = |known: &str| known.trim_start_matches("pretrain_").to_string();
        let (_, config) = PRESETS
            .iter()
            .find(|(known, _)| *known == name || short(known) == name)?;
        Some(config())
    }

    /// The names of the presets, which are those of the files under `configs/`.
    pub fn preset_names() -> impl Iterator<Item = &'static str> {
        PRESETS.iter().map(|(name, _)| *name)
    }

    /// The encoder that is embedded in the program: 1.2 M parameters, for drawn shapes.
    pub fn nano() -> Self {
        Self {
            about: "The encoder for drawn shapes that the svg program carries: svg dataset shapes --count \
                    20000 --test-count 2000 --seed 0 --out shapes; svg pretrain --config nano --data \
                    shapes/train --validation shapes/test --out RUN. assets/nano.md has its figures."
                .to_string(),
            network: DinoConfig::new(128, 6, 4, 512)
                .with_patch_size(8)
                .with_n_registers(1)
                .with_rope_periods(RopePeriods::Bf16Rounded)
                .with_layer_scale(0.3)
                .into(),
            seed: 0,
            steps: 3_000,
            batch_size: 128,
            data: Recipe {
                size: 32,
                ..Recipe::default()
            },
            views: ViewsSettings {
                global: CropSettings {
                    size: 32,
                    scale: [0.5, 1.0],
                },
                local: CropSettings {
                    size: 16,
                    scale: [0.25, 0.6],
                },
                local_count: 6,
                ratio: [0.75, 4.0 / 3.0],
                flip: 0.5,
                turn: false,
                jitter: JitterSettings {
                    probability: 0.9,
                    brightness: 0.4,
                    contrast: 0.4,
                    saturation: 0.8,
                    hue: 0.5,
                },
                grey: 0.3,
                blur: [0.3, 0.5, 0.3],
                solarize: 0.0,
            },
            masks: MaskSettings {
                probability: 0.5,
                low: 0.1,
                high: 0.5,
            },
            heads: HeadSettings {
                hidden: 256,
                bottleneck: 64,
                class_prototypes: 256,
                patch_prototypes: 256,
            },
            teacher: TeacherSettings {
                momentum: [0.97, 0.999],
                temperature: [0.03, 0.03],
                temperature_warmup: 900,
                balance: Balance::SinkhornKnopp { rounds: 3 },
            },
            student_temperature: 0.1,
            weights: LossWeights {
                class: 1.0,
                patch: 0.5,
                spread: 0.1,
            },
            optimizer: PretrainOptimizer {
                learning_rate: 1e-3,
                last_learning_rate: 1e-6,
                warmup_steps: 150,
                beta_1: 0.9,
                beta_2: 0.999,
                epsilon: 1e-8,
                weight_decay: [0.04, 0.2],
                clip_norm: 3.0,
                frozen_prototypes: 50,
            },
            judge: JudgeSettings {
                known: 2_000,
                asked: 500,
                neighbours: 20,
                temperature: 0.07,
            },
            checkpoint_every: 150,
            checkpoints_kept: 2,
            samples_every: 150,
            patience: 10,
        }
    }

    /// An encoder for photographs of 32 x 32 pixels, such as CIFAR-10: 5.4 M parameters. Its crops are a
    /// little smaller than the pictures, since the time of two cores is what it has least of.
    pub fn tiny() -> Self {
        let nano = Self::nano();
        Self {
            about:
                "An encoder for small photographs: svg pretrain --config tiny --data cifar10/train \
                    --validation cifar10/test --out RUN. docs/results.md has the commands."
                    .to_string(),
            network: DinoConfig::new(192, 12, 3, 768)
                .with_patch_size(4)
                .with_rope_periods(RopePeriods::Bf16Rounded)
                .with_layer_scale(0.1)
                .into(),
            steps: 1_400,
            batch_size: 64,
            views: ViewsSettings {
                global: CropSettings {
                    size: 24,
                    scale: [0.3, 1.0],
                },
                local: CropSettings {
                    size: 12,
                    scale: [0.1, 0.4],
                },
                local_count: 4,
                jitter: JitterSettings {
                    probability: 0.8,
                    brightness: 0.4,
                    contrast: 0.4,
                    saturation: 0.2,
                    hue: 0.1,
                },
                grey: 0.2,
                blur: [0.0, 0.0, 0.0],
                solarize: 0.2,
                ..nano.views.clone()
            },
            heads: HeadSettings {
                hidden: 512,
                bottleneck: 128,
                ..nano.heads
            },
            optimizer: PretrainOptimizer {
                warmup_steps: 100,
                ..nano.optimizer
            },
            ..nano
        }
    }

    /// The smallest training with every part in it, for tests.
    pub fn smallest() -> Self {
        let nano = Self::nano();
        Self {
            about: "The smallest training with every part in it, for tests; it learns nothing worth keeping."
                .to_string(),
            network: DinoConfig::new(16, 2, 2, 32)
                .with_patch_size(4)
                .with_rope_periods(RopePeriods::Bf16Rounded)
                .with_layer_scale(0.3)
                .into(),
            seed: 5,
            steps: 20,
            batch_size: 4,
            data: Recipe { size: 16, smaller: Smaller::Enlarge, ..Recipe::default() },
            views: ViewsSettings {
                global: CropSettings { size: 16, ..nano.views.global },
                local: CropSettings { size: 8, ..nano.views.local },
                local_count: 2,
                ..nano.views.clone()
            },
            heads: HeadSettings {
                hidden: 16,
                bottleneck: 8,
                class_prototypes: 32,
                patch_prototypes: 32,
            },
            teacher: TeacherSettings { temperature_warmup: 5, ..nano.teacher },
            optimizer: PretrainOptimizer {
                warmup_steps: 2,
                frozen_prototypes: 1,
                ..nano.optimizer
            },
            judge: JudgeSettings { known: 8, asked: 4, neighbours: 3, ..nano.judge },
            checkpoint_every: 5,
            samples_every: 5,
            patience: 3,
            ..nano
        }
    }
}
