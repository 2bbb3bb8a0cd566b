//! Trainings with a name. The files under `configs/` are written from these.

use svg_decoder::DecoderConfig;
use svg_model::{Alignment, AutoencoderConfig};
use svg_residual::ResidualConfig;

use crate::autoencoder::{
    AdamSettings, Adversary, AutoencoderTraining, CriticConfig, Objective, Start,
};
use crate::data::{CropRule, Recipe, Smaller};
use crate::kinds::AutoencoderKind;

/// A preset: the name of its file and how to make it.
type Preset = (&'static str, fn() -> AutoencoderTraining);

const PRESETS: [Preset; 7] = [
    ("autoencoder_svg_256", AutoencoderTraining::svg),
    ("autoencoder_reference_256", AutoencoderTraining::reference),
    ("autoencoder_cifar10", AutoencoderTraining::cifar10),
    (
        "autoencoder_cifar10_semantic",
        AutoencoderTraining::cifar10_semantic,
    ),
    (
        "autoencoder_cifar10_dino",
        AutoencoderTraining::cifar10_dino,
    ),
    ("autoencoder_shapes", AutoencoderTraining::demo),
    ("autoencoder_tiny", AutoencoderTraining::tiny),
];

/// The published optimisers.
const ADAM: AdamSettings = AdamSettings {
    learning_rate: 1e-4,
    beta_1: 0.5,
    beta_2: 0.9,
    epsilon: 1e-8,
};

impl AutoencoderTraining {
    /// A training by its name; see [`preset_names`](Self::preset_names).
    pub fn preset(name: &str) -> Option<Self> {
        let (_, config) = PRESETS.iter().find(|(known, _)| *known == name)?;
        Some(config())
    }

    /// The names of the presets, which are those of the files under `configs/`.
    pub fn preset_names() -> impl Iterator<Item = &'static str> {
        PRESETS.iter().map(|(name, _)| *name)
    }

    /// The recommended training of the released model.
    pub fn svg() -> Self {
        Self {
            about: "The SVG autoencoder on DINOv3 ViT-S+/16 at 256 x 256 (arXiv 2510.15301, section 3), \
                    with frozen alignment, one pipeline of images for both stages, an averaged decoder \
                    and the adversary counted in steps. svg train autoencoder --config \
                    configs/autoencoder_svg_256.json --data imagenet/train --encoder \
                    dinov3_vits16plus_pretrain_lvd1689m-4057cbaa.pth --vgg vgg16-397923af.pth --out RUN. \
                    The published run of this length (102,000 steps of 512 images) took 8 H800; \
                    it has not been repeated with this program."
                .to_string(),
            network: AutoencoderConfig::svg().into(),
            seed: 23,
            steps: 102_000,
            batch_size: 64,
            accumulation: 8,
            data: Recipe::default(),
            optimizer: ADAM,
            objective: Objective::new(),
            critic: Some(Adversary {
                network: CriticConfig::new(),
                start: Start::Step(2_500),
            }),
            average_decay: Some(0.9999),
            statistics_momentum: 0.01,
            checkpoint_every: 1_000,
            checkpoints_kept: 2,
            samples_every: 1_000,
            samples: 16,
            patience: 10,
        }
    }

    /// The published training: what made the released weights, less its accidents.
    pub fn reference() -> Self {
        Self {
            about: "The published training of the SVG autoencoder: alignment by the statistics of each \
                    batch, random crops without mirroring, no average, the adversary's start counted in \
                    optimiser steps of both players. Eight batches of 64 stand for eight cards: norms of \
                    the critic and alignment are those of 64 images. Left out are the accidents: the \
                    encoder in training mode, dropout in LPIPS, gradients in the encoder. svg train \
                    autoencoder --config configs/autoencoder_reference_256.json --data imagenet/train \
                    --encoder dinov3_vits16plus_pretrain_lvd1689m-4057cbaa.pth --vgg vgg16-397923af.pth \
                    --out RUN."
                .to_string(),
            network: AutoencoderConfig::svg()
                .with_alignment(Alignment::Batch)
                .into(),
            data: Recipe {
                rule: CropRule::Reference,
                ..Recipe::default()
            },
            objective: Objective::new().with_monitor_inactive(true),
            critic: Some(Adversary {
                network: CriticConfig::new(),
                start: Start::OptimizerSteps(5_001),
            }),
            average_decay: None,
            ..Self::svg()
        }
    }

    /// A small autoencoder for CIFAR-10, on an encoder of one's own.
    pub fn cifar10() -> Self {
        let residual = ResidualConfig::new()
            .with_image_size(32)
            .with_patch_size(4)
            .with_n_layers(2)
            .with_n_heads(4)
            .with_d_model(64)
            .with_d_ff(128);
        let decoder = DecoderConfig::new(16 + 8)
            .with_width(32)
            .with_width_multipliers(vec![1, 2, 2])
            .with_n_res_blocks(1)
            .with_resolution(32)
            .with_attention_resolutions(vec![8])
            .with_norm_groups(8);
        Self {
            about: "A small autoencoder for CIFAR-10, to see the whole method learn on two cores. Its \
                    random encoder makes 16 numbers of the 48 of a patch, so there is something to \
                    forget: svg init encoder --d-model 16 --layers 2 --heads 2 --d-ff 32 --patch 4 \
                    --seed 7 --out encoder.safetensors; svg train autoencoder --config \
                    configs/autoencoder_cifar10.json --data cifar10/train --validation cifar10/test \
                    --encoder encoder.safetensors --out RUN. docs/training.md has its figures."
                .to_string(),
            network: AutoencoderConfig::new(decoder)
                .with_residual(Some(residual))
                .into(),
            steps: 2_000,
            batch_size: 32,
            accumulation: 1,
            data: Recipe {
                size: 32,
                ..Recipe::default()
            },
            optimizer: AdamSettings {
                learning_rate: 5e-4,
                beta_1: 0.9,
                beta_2: 0.99,
                ..ADAM
            },
            critic: None,
            average_decay: Some(0.998),
            checkpoint_every: 500,
            samples_every: 200,
            samples: 64,
            ..Self::svg()
        }
    }

    /// The same without the residual branch, to see what it adds.
    pub fn cifar10_semantic() -> Self {
        let whole = Self::cifar10();
        let AutoencoderKind::Svg(networks) = whole.network.clone();
        let decoder = DecoderConfig {
            in_channels: 16,
            ..networks.decoder.clone()
        };
        Self {
            about:
                "The small autoencoder for CIFAR-10 with the residual branch off: what the frozen \
                    encoder alone gives back. Commands as in autoencoder_cifar10.json."
                    .to_string(),
            network: AutoencoderConfig::new(decoder).into(),
            ..whole
        }
    }

    /// The same in the features of an encoder that has learned, `pretrain_tiny`.
    pub fn cifar10_dino() -> Self {
        let random = Self::cifar10();
        let AutoencoderKind::Svg(networks) = random.network.clone();
        let decoder = DecoderConfig {
            in_channels: 192 + 8,
            ..networks.decoder.clone()
        };
        Self {
            about: "A small autoencoder for CIFAR-10 in the features of pretrain_tiny.json: svg train \
                    autoencoder --config configs/autoencoder_cifar10_dino.json --data cifar10/train \
                    --validation cifar10/test --encoder ENCODER --out RUN. docs/results.md has the commands."
                .to_string(),
            network: AutoencoderConfig {
                decoder,
                ..networks
            }
            .into(),
            // Its encoder is twelve layers deep, and the perceptual loss goes through it there and back.
            steps: 1_000,
            ..random
        }
    }

    /// The first stage of `svg demo`: minutes on two cores, in the features of the embedded encoder.
    pub fn demo() -> Self {
        let small = Self::cifar10();
        let AutoencoderKind::Svg(networks) = small.network.clone();
        let decoder = DecoderConfig {
            in_channels: 128 + 8,
            width_multipliers: vec![1, 2, 2, 2],
            attention_resolutions: vec![4],
            ..networks.decoder.clone()
        };
        Self {
            about: "The first stage of svg demo: pictures of ten figures, the embedded encoder, and \
                    neither critic nor perceptual loss, since weights of VGG are a file of their own. svg \
                    demo --out RUN."
                .to_string(),
            network: AutoencoderConfig {
                decoder,
                residual: networks
                    .residual
                    .clone()
                    .map(|residual| residual.with_patch_size(8)),
                ..networks
            }
            .into(),
            steps: 500,
            optimizer: AdamSettings {
                learning_rate: 1e-3,
                ..small.optimizer
            },
            objective: Objective::new().with_perceptual_weight(0.0),
            average_decay: Some(0.99),
            checkpoint_every: 100,
            checkpoints_kept: 1,
            samples_every: 100,
            samples: 32,
            ..small
        }
    }

    /// The smallest training with every part in it, for tests.
    pub fn tiny() -> Self {
        let residual = ResidualConfig::new()
            .with_image_size(16)
            .with_patch_size(4)
            .with_n_layers(1)
            .with_n_heads(2)
            .with_d_model(16)
            .with_d_ff(16)
            .with_channels(4)
            .with_mask_ratio(0.25);
        let decoder = DecoderConfig::new(16 + 4)
            .with_width(8)
            .with_width_multipliers(vec![1, 1, 1])
            .with_n_res_blocks(1)
            .with_resolution(16)
            .with_attention_resolutions(vec![4])
            .with_norm_groups(4);
        Self {
            about: "The smallest training with every part in it, for tests; it learns nothing worth \
                    keeping. svg init encoder --d-model 16 --layers 1 --heads 2 --d-ff 32 --patch 4 \
                    --out encoder.safetensors makes its encoder."
                .to_string(),
            network: AutoencoderConfig::new(decoder)
                .with_residual(Some(residual))
                .into(),
            steps: 20,
            batch_size: 2,
            accumulation: 1,
            data: Recipe {
                size: 16,
                smaller: Smaller::Enlarge,
                ..Recipe::default()
            },
            critic: Some(Adversary {
                network: CriticConfig::new().with_width(4).with_n_layers(1),
                start: Start::Step(2),
            }),
            average_decay: Some(0.9),
            statistics_momentum: 0.1,
            checkpoint_every: 5,
            samples_every: 5,
            samples: 4,
            patience: 3,
            ..Self::svg()
        }
    }
}
