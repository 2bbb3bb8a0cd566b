//! Laws of a training step, and what the published training got wrong by accident.

use std::sync::Arc;

use burn::prelude::*;
use burn::tensor::Distribution;
use svg_dino::{Dino, DinoConfig};
use svg_eval::{Lpips, Vgg16};
use svg_model::{Alignment, AutoencoderConfig};
use svg_nn::{draw_parameters, module_tensors};
use svg_roles::Encoder;
use svg_train::autoencoder::{AutoencoderStage, AutoencoderTraining, FeatureDistance};
use svg_train::kinds::{AutoencoderKind, Svg};
use svg_train::run::{Files, Replicas, Stage, StepReport, UnreadReport};

use crate::my_turn;

fn device() -> Device {
    Device::default()
}

fn encoder() -> Dino {
    device().seed(3);
    let config = DinoConfig::new(16, 1, 2, 32).with_patch_size(4);
    let dino = config.with_layer_scale(0.5).init(&device());
    draw_parameters(&dino); // while the seed is fresh
    dino
}

fn stage(config: AutoencoderTraining) -> AutoencoderStage<Svg> {
    let encoder = encoder();
    let distance = Box::new(FeatureDistance::new(&encoder, &device()));
    Svg::stage(config, Arc::new(encoder), distance, &device()).unwrap()
}

fn images(batch: usize, seed: u64) -> Tensor<4> {
    device().seed(seed);
    Tensor::random(
        [batch, 3, 16, 16],
        Distribution::Uniform(-1.0, 1.0),
        &device(),
    )
}

/// Everything that a checkpoint holds of the weights, as bytes.
fn weights(stage: &AutoencoderStage<Svg>) -> Vec<Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    stage.save(&mut Files::in_folder(folder.path())).unwrap();
    let names = ["generator", "critic", "average"];
    let read = |name| std::fs::read(folder.path().join(format!("{name}.safetensors"))).unwrap();
    names.map(read).into()
}

fn steps(
    mut stage: AutoencoderStage<Svg>,
    batches: &[Vec<Tensor<4>>],
) -> (AutoencoderStage<Svg>, Vec<StepReport>) {
    let mut reports = Vec::new();
    for (number, batch) in batches.iter().enumerate() {
        reports.push(stage.step(number as u64, 1e-3, batch.clone()));
    }
    (stage, reports)
}

#[test]
fn a_step_moves_both_players_and_the_average_and_is_the_same_again() {
    let _turn = my_turn();
    let batches: Vec<_> = (0..4).map(|seed| vec![images(2, seed)]).collect();
    let before = weights(&stage(AutoencoderTraining::tiny()));
    let (first, reports) = steps(stage(AutoencoderTraining::tiny()), &batches);
    let (second, _) = steps(stage(AutoencoderTraining::tiny()), &batches);
    assert!(reports.iter().all(|report| !report.dropped));
    assert!(reports[3].scalars.get("critic/loss").is_some());
    let (first, second) = (weights(&first), weights(&second));
    for (before, after) in before.iter().zip(&first) {
        assert_ne!(before, after);
    }
    assert!(
        first == second,
        "the same seed, steps and pictures give the same weights"
    );
}

#[test]
fn steps_whose_numbers_are_read_afterwards_are_the_same_steps() {
    let _turn = my_turn();
    let (mut one, mut two) = (
        stage(AutoencoderTraining::tiny()),
        stage(AutoencoderTraining::tiny()),
    );
    let (mut read, mut unread) = (Vec::new(), Vec::new());
    for number in 0..4 {
        let batches = vec![images(2, number); 2];
        read.push(one.step(number, 1e-3, batches.clone()).scalars);
        unread.push(two.step_unread(number, 1e-3, batches));
    }
    let unread = UnreadReport::read_all(unread).into_iter();
    assert_eq!(
        read,
        unread.map(|report| report.scalars).collect::<Vec<_>>()
    );
    assert!(read[3].get("critic/loss").is_some());
    assert!(weights(&one) == weights(&two));
}

#[test]
fn a_step_that_is_not_finite_changes_nothing() {
    let _turn = my_turn();
    let (stage, _) = steps(stage(AutoencoderTraining::tiny()), &[vec![images(2, 0)]]);
    let before = weights(&stage);
    for bad in [f32::NAN, f32::INFINITY] {
        let spoilt = images(2, 1).slice_fill([0..1, 0..1, 0..1, 0..1], bad);
        let mut stage = self::clone(&stage);
        let report = stage.step(7, 1e-3, vec![spoilt]);
        assert!(report.dropped);
        assert!(weights(&stage) == before);
    }
}

#[test]
fn a_step_that_is_not_finite_and_was_learned_from_is_found_and_restored() {
    let _turn = my_turn();
    let (mut stage, _) = steps(stage(AutoencoderTraining::tiny()), &[vec![images(2, 0)]]);
    let folder = tempfile::tempdir().unwrap();
    stage.save(&mut Files::in_folder(folder.path())).unwrap();
    let mut expected = self::clone(&stage);
    expected.step(1, 1e-3, vec![images(2, 2)]);
    for bad in [f32::NAN, f32::INFINITY] {
        let spoilt = images(2, 1).slice_fill([0..1, 0..1, 0..1, 0..1], bad);
        let unread = [spoilt, images(2, 2)].map(|batch| stage.step_unread(7, 1e-3, vec![batch]));
        assert!(UnreadReport::read_all(unread.into())[0].dropped);
        stage.restore(folder.path()).unwrap();
        stage.step(1, 1e-3, vec![images(2, 2)]);
        assert!(weights(&stage) == weights(&expected), "{bad}");
        stage.restore(folder.path()).unwrap();
    }
}

/// Stages hold optimisers and are not cloned; a checkpoint is.
fn clone(stage: &AutoencoderStage<Svg>) -> AutoencoderStage<Svg> {
    let folder = tempfile::tempdir().unwrap();
    stage.save(&mut Files::in_folder(folder.path())).unwrap();
    let mut restored = self::stage(AutoencoderTraining::tiny());
    restored.restore(folder.path()).unwrap();
    restored
}

#[test]
fn a_restored_stage_goes_on_to_the_bit() {
    let _turn = my_turn();
    let batches: Vec<_> = (0..6).map(|seed| vec![images(2, seed)]).collect();
    let (whole, _) = steps(stage(AutoencoderTraining::tiny()), &batches);
    let (half, _) = steps(stage(AutoencoderTraining::tiny()), &batches[..3]);
    let mut resumed = clone(&half);
    for number in 3..6 {
        resumed.step(number, 1e-3, batches[number as usize].clone());
    }
    assert!(weights(&whole) == weights(&resumed));
}

/// A training without what is a property of a batch: the critic's norms and the alignment's statistics.
fn without_batch_statistics() -> AutoencoderTraining {
    let mut config = AutoencoderTraining::tiny();
    let AutoencoderKind::Svg(networks) = config.network;
    let decoder = svg_decoder::DecoderConfig {
        in_channels: 16,
        ..networks.decoder
    };
    config.network = AutoencoderConfig::new(decoder)
        .with_alignment(Alignment::None)
        .into();
    config.critic = None;
    config
}

#[test]
fn two_devices_learn_what_one_device_learns() {
    let _turn = my_turn();
    let shared = || Replicas::new(vec![device(); 2]);
    let config = without_batch_statistics();
    let batches: Vec<_> = (0..3).map(|seed| vec![images(4, seed)]).collect();
    let (_, one) = steps(stage(config.clone()), &batches);
    let (_, two) = steps(stage(config).with_replicas(shared()), &batches);
    for (one, two) in one.iter().zip(&two) {
        for name in ["loss", "l1", "perceptual", "gradient_norm"] {
            let [one, two] = [one, two].map(|report| report.scalars.get(name).unwrap());
            assert!((one / two - 1.0).abs() < 1e-4, "{name}: {one} and {two}");
        }
    }
}

#[test]
fn with_batch_statistics_two_devices_are_the_same_again_and_go_on_exactly() {
    let _turn = my_turn();
    let shared =
        || stage(AutoencoderTraining::tiny()).with_replicas(Replicas::new(vec![device(); 2]));
    let batches: Vec<_> = (0..4).map(|seed| vec![images(4, seed)]).collect();
    let (first, reports) = steps(shared(), &batches);
    assert!(reports.iter().all(|report| !report.dropped));
    assert!(reports[3].scalars.get("critic/loss").is_some());
    let (again, _) = steps(shared(), &batches);
    assert!(weights(&first) == weights(&again));
    let (half, _) = steps(shared(), &batches[..2]);
    let folder = tempfile::tempdir().unwrap();
    half.save(&mut Files::in_folder(folder.path())).unwrap();
    let mut resumed = shared();
    resumed.restore(folder.path()).unwrap();
    for number in 2..4 {
        resumed.step(number, 1e-3, batches[number as usize].clone());
    }
    assert!(weights(&first) == weights(&resumed));
    // It is about what one device learns from the whole batch, though its statistics are of halves.
    let (_, one) = steps(stage(AutoencoderTraining::tiny()), &batches);
    for (one, two) in one.iter().zip(&reports) {
        let [one, two] = [one, two].map(|report| report.scalars.get("loss").unwrap());
        assert!((one / two - 1.0).abs() < 0.2, "{one} and {two}");
    }
}

#[test]
fn two_batches_of_one_teach_what_one_batch_of_two_does() {
    let _turn = my_turn();
    let config = without_batch_statistics();
    let pair = images(2, 5);
    let halves = vec![pair.clone().narrow(0, 0, 1), pair.clone().narrow(0, 1, 1)];
    let (_, one) = steps(stage(config.clone()), &[vec![pair]]);
    let (_, two) = steps(stage(config), &[halves]);
    for name in ["loss", "l1", "perceptual", "gradient_norm"] {
        let (one, two) = (one[0].scalars.get(name), two[0].scalars.get(name));
        let (one, two) = (one.unwrap(), two.unwrap());
        assert!((one / two - 1.0).abs() < 1e-5, "{name}: {one} and {two}");
    }
}

#[test]
fn the_frozen_encoder_has_no_training_mode() {
    let _turn = my_turn();
    // The published run put it into one, which rescales its positions at random in every block.
    let encoder = encoder();
    let expected = encoder.tokens(images(2, 9)).patches.into_data();
    let trained = Encoder::to_device(&encoder, &device().autodiff());
    for _ in 0..3 {
        let features = trained.tokens(images(2, 9).autodiff()).patches;
        assert!(
            !features.is_tracked(),
            "no parameter of the encoder is on a graph"
        );
        features.into_data().assert_eq(&expected, true);
    }
}

#[test]
fn training_leaves_the_encoder_and_its_features_alone() {
    let _turn = my_turn();
    let stage = stage(AutoencoderTraining::tiny());
    let features = |stage: &AutoencoderStage<Svg>| {
        let tokens = stage.autoencoder().encoder().tokens(images(2, 9));
        tokens.patches.into_data()
    };
    let before = features(&stage);
    let batches: Vec<_> = (0..3).map(|seed| vec![images(2, seed)]).collect();
    let (stage, _) = steps(stage, &batches);
    features(&stage).assert_eq(&before, true);
}

#[test]
fn lpips_has_no_dropout_on_a_graph_or_off_it() {
    let _turn = my_turn();
    // The published run had a dropout of one half in it from the second batch on.
    let device = device();
    device.seed(1);
    let vgg = module_tensors(&Vgg16::init(&device));
    let lpips = Lpips::from_tensors(vgg, None, "drawn", &device).unwrap();
    let (a, b) = (images(1, 1), images(1, 2));
    let plain = lpips.forward(a.clone(), b.clone()).into_data();
    for _ in 0..3 {
        let graph = lpips.forward(Tensor::from_inner(a.clone()).require_grad(), b.clone());
        let graph = graph.inner().into_data();
        graph.assert_approx_eq::<f32>(&plain, burn::tensor::Tolerance::relative(1e-5));
    }
}
