//! Laws of a training step, and what the published training got wrong by accident.

use burn::module::{Module, ModuleVisitor, Param};
use burn::prelude::*;
use burn::tensor::Distribution;
use svg_dino::{Dino, DinoConfig};
use svg_eval::{Lpips, Vgg16};
use svg_model::{Alignment, AutoencoderConfig, FeatureEncoder};
use svg_nn::{Frozen, draw_parameters, module_tensors};
use svg_train::autoencoder::{AutoencoderTraining, FeatureDistance, Stage, StepReport};

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

fn stage(config: AutoencoderTraining) -> Stage<Dino> {
    let encoder = encoder();
    let eye = Box::new(FeatureDistance::new(&encoder));
    Stage::new(config, encoder, eye, &device()).unwrap()
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
fn weights(stage: &Stage<Dino>) -> Vec<Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    stage.save(folder.path()).unwrap();
    let names = ["generator", "critic", "average"];
    let read = |name| std::fs::read(folder.path().join(format!("{name}.safetensors"))).unwrap();
    names.map(read).into()
}

fn steps(mut stage: Stage<Dino>, batches: &[Vec<Tensor<4>>]) -> (Stage<Dino>, Vec<StepReport>) {
    let mut reports = Vec::new();
    for (number, batch) in batches.iter().enumerate() {
        let (next, report) = stage.step(number as u64, 1e-3, batch);
        stage = next;
        reports.push(report);
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
fn a_step_that_is_not_finite_changes_nothing() {
    let _turn = my_turn();
    let (stage, _) = steps(stage(AutoencoderTraining::tiny()), &[vec![images(2, 0)]]);
    let before = weights(&stage);
    for bad in [f32::NAN, f32::INFINITY] {
        let spoilt = images(2, 1).slice_fill([0..1, 0..1, 0..1, 0..1], bad);
        let (stage, report) = self::clone(&stage).step(7, 1e-3, &[spoilt]);
        assert!(report.dropped);
        assert!(weights(&stage) == before);
    }
}

/// Stages hold optimisers and are not cloned; a checkpoint is.
fn clone(stage: &Stage<Dino>) -> Stage<Dino> {
    let folder = tempfile::tempdir().unwrap();
    stage.save(folder.path()).unwrap();
    self::stage(AutoencoderTraining::tiny())
        .restore(folder.path())
        .unwrap()
}

#[test]
fn a_restored_stage_goes_on_to_the_bit() {
    let _turn = my_turn();
    let batches: Vec<_> = (0..6).map(|seed| vec![images(2, seed)]).collect();
    let (whole, _) = steps(stage(AutoencoderTraining::tiny()), &batches);
    let (half, _) = steps(stage(AutoencoderTraining::tiny()), &batches[..3]);
    let mut resumed = clone(&half);
    for number in 3..6 {
        resumed = resumed.step(number, 1e-3, &batches[number as usize]).0;
    }
    assert!(weights(&whole) == weights(&resumed));
}

#[test]
fn two_batches_of_one_teach_what_one_batch_of_two_does() {
    let _turn = my_turn();
    // Without what is a property of a batch: the critic's norms and batch statistics.
    let mut config = AutoencoderTraining::tiny();
    let decoder = config.autoencoder.decoder.clone();
    let in_channels = 16;
    config.autoencoder = AutoencoderConfig::new(svg_decoder::DecoderConfig {
        in_channels,
        ..decoder
    })
    .with_alignment(Alignment::None);
    config.critic = None;
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

/// Whether any parameter asks for gradients.
struct AnyGradient(bool);

impl ModuleVisitor for AnyGradient {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0 |= param.is_require_grad() || param.val().device().is_autodiff();
    }
}

#[test]
fn the_frozen_encoder_has_no_training_mode() {
    let _turn = my_turn();
    // The published run put it into one, which rescales its positions at random in every block.
    let encoder = encoder();
    let expected = encoder.features(images(2, 9)).into_data();
    let frozen = Frozen::new(encoder);
    let trained = Module::train(frozen.clone());
    for _ in 0..3 {
        let features = trained.features(images(2, 9)).into_data();
        features.assert_eq(&expected, true);
    }
    let mut gradient = AnyGradient(false);
    (*trained).visit(&mut gradient);
    assert!(!gradient.0, "no parameter of the encoder is on a graph");
}

#[test]
fn training_leaves_the_encoder_and_its_features_alone() {
    let _turn = my_turn();
    let stage = stage(AutoencoderTraining::tiny());
    let before = stage
        .model()
        .encoder
        .semantic
        .features(images(2, 9))
        .into_data();
    let batches: Vec<_> = (0..3).map(|seed| vec![images(2, seed)]).collect();
    let (stage, _) = steps(stage, &batches);
    let after = stage
        .model()
        .encoder
        .semantic
        .features(images(2, 9))
        .into_data();
    after.assert_eq(&before, true);
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
