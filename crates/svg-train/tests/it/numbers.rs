//! Numbers of configurations: each is trained with or refused, and none leads to a panic.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use burn::prelude::*;
use svg_dino::DinoConfig;
use svg_roles::Geometry;
use svg_sit::Sit;
use svg_store::extremes;
use svg_train::autoencoder::{AutoencoderTraining, FeatureDistance};
use svg_train::flow::{FlowBatch, FlowStage, FlowTraining};
use svg_train::kinds::{FlowKind, Svg};
use svg_train::run::{Stage, Training};

use crate::my_turn;

/// Networks of more channels, layers or pixels than these take longer than a test may.
const LARGE: usize = 100;

/// Fields that a step does not depend on.
const PACE: [&str; 9] = [
    "seed",
    "steps",
    "batch_size",
    "accumulation",
    "checkpoint_every",
    "checkpoints_kept",
    "samples_every",
    "samples",
    "patience",
];

/// Reads the smallest document of a training with each of its numbers changed, and takes a step with what is accepted.
/// What is refused is refused by its name.
fn check<T: Training>(step: impl Fn(T)) {
    let smallest = serde_json::from_str(T::SMALLEST).unwrap();
    let (mut refused, mut taken) = (0, 0);
    for (what, changed) in extremes(&smallest) {
        let field = what.split(['/', ' ']).nth(1).unwrap();
        let read = catch_unwind(|| T::from_json(&changed.to_string()));
        match read.unwrap_or_else(|_| panic!("{what} panicked when it was read")) {
            Err(reason) => {
                assert!(reason.contains(field), "{what}: {reason}");
                refused += 1;
            }
            Ok(_) if PACE.contains(&field) => {}
            Ok(config) => {
                let stepped = catch_unwind(AssertUnwindSafe(|| step(config)));
                assert!(stepped.is_ok(), "{what} panicked in a step");
                taken += 1;
            }
        }
    }
    assert!(refused > 200 && taken > 50, "{refused} and {taken}");
}

#[test]
fn every_number_of_a_training_of_an_autoencoder_is_trained_with_or_refused() {
    let _turn = my_turn();
    let device = Device::default();
    let encoder = DinoConfig::new(16, 1, 2, 32).with_patch_size(4);
    let encoder = encoder.init(&device);
    check(|config: AutoencoderTraining| {
        let side = config.data.size as usize;
        let networks = config.network.svg().unwrap();
        let (decoder, residual) = (&networks.decoder, networks.residual.as_ref().unwrap());
        let critic = &config.critic.as_ref().unwrap().network;
        let sizes = [
            side,
            decoder.width,
            residual.image_size,
            residual.d_model,
            residual.d_ff,
            residual.n_layers,
            critic.width,
        ];
        let mut sizes = sizes.iter().chain(&decoder.width_multipliers);
        if sizes.any(|size| *size >= LARGE) {
            return;
        }
        let distance = Box::new(FeatureDistance::new(&encoder, &device));
        let encoder = Arc::new(encoder.clone());
        // Networks that do not fit the encoder are refused.
        if let Ok(mut stage) = Svg::stage(config, encoder, distance, &device) {
            let images = Tensor::<4>::ones([2, 3, side, side], &device) * 0.3;
            stage.step(5, 1e-3, vec![images]);
        }
    });
}

#[test]
fn every_number_of_a_training_of_a_flow_is_trained_with_or_refused() {
    let _turn = my_turn();
    let device = Device::default();
    let classes = ["a", "b"].map(String::from);
    check(|config: FlowTraining| {
        let FlowKind::Sit(sit) = config.network.clone();
        let sizes = [sit.d_model, sit.d_ff, sit.n_layers];
        let geometry = Geometry::of_patches([16, 16], 4, 20);
        let large = sizes.iter().any(|size| *size >= LARGE);
        if large || config.misfit(geometry, &classes).is_some() {
            return;
        }
        let mut stage: FlowStage<Sit> = FlowStage::new(config, sit, &device);
        let latents = Tensor::<3>::ones([2, 16, 20], &device) * 0.3;
        let labels = vec![0, 1];
        stage.step(5, 1e-3, vec![FlowBatch::new(latents, labels)]);
    });
}
