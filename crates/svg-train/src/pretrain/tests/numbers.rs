//! Numbers of a self-distillation: each is trained with or refused, and none leads to a panic.

use std::panic::{AssertUnwindSafe, catch_unwind};

use burn::prelude::*;
use svg_store::extremes;

use super::{dino, images, stage};
use crate::pretrain::{PretrainBatch, Pretraining};
use crate::run::{Stage, Training};

/// Fields that a step does not depend on.
const PACE: [&str; 8] = [
    "seed",
    "steps",
    "batch_size",
    "checkpoint_every",
    "checkpoints_kept",
    "samples_every",
    "patience",
    "judge",
];

/// A step of a configuration whose networks and views a test has the time for.
fn step(config: &Pretraining) {
    let (dino, heads, views) = (dino(config), config.heads, &config.views);
    let sizes = [
        dino.d_model,
        dino.d_ff,
        dino.n_layers,
        dino.n_registers,
        heads.hidden,
        heads.bottleneck,
        heads.class_prototypes,
        heads.patch_prototypes,
        views.global.size as usize,
        views.local.size as usize,
    ];
    if sizes.iter().any(|size| *size >= 100) {
        return;
    }
    let side = views.global.size as usize / dino.patch_size;
    let batch = PretrainBatch {
        views: views.draw(&images(4), config.seed, 0, &Device::default()),
        masks: config.masks.draw(8, [side, side], config.seed, 0),
    };
    stage(config).step(0, config.rate(0), vec![batch]);
}

#[test]
fn every_number_of_a_self_distillation_is_trained_with_or_refused() {
    let smallest = serde_json::from_str(<Pretraining>::SMALLEST).unwrap();
    let (mut refused, mut taken) = (0, 0);
    for (what, changed) in extremes(&smallest) {
        let field = what.split(['/', ' ']).nth(1).unwrap();
        let read = catch_unwind(|| <Pretraining>::from_json(&changed.to_string()));
        match read.unwrap_or_else(|_| panic!("{what} panicked when it was read")) {
            Err(reason) => {
                // Sizes that do not go together are named by one of them.
                let is_named = [field, "views."].iter().any(|name| reason.contains(name));
                assert!(is_named, "{what}: {reason}");
                refused += 1;
            }
            Ok(_) if PACE.contains(&field) => {}
            Ok(config) => {
                let stepped = catch_unwind(AssertUnwindSafe(|| step(&config)));
                assert!(stepped.is_ok(), "{what} panicked in a step");
                taken += 1;
            }
        }
    }
    assert!(refused > 500 && taken > 100, "{refused} and {taken}");
}
