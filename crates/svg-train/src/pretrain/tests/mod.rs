//! Laws of a step of self-distillation.

mod numbers;

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::optim::GradientsParams;
use burn::prelude::*;
use burn::tensor::{Distribution, TensorData};
use svg_dino::{Dino, DinoConfig};
use svg_image::{Rgb, RgbImage};

use super::{Backbone, LossWeights, MaskSettings, PretrainBatch, PretrainStage, Pretraining};
use crate::kinds::EncoderKind;
use crate::run::{Files, Found, Place, Replicas, Stage, StepReport, Unread, UnreadReport};

const FIRST: Place = Place { step: 0, batch: 0 };

fn dino(config: &Pretraining) -> DinoConfig {
    let EncoderKind::Dino(dino) = config.network.clone();
    dino
}

fn stage(config: &Pretraining) -> PretrainStage<Dino> {
    PretrainStage::new(config.clone(), dino(config), &Device::default())
}

fn images(count: u32) -> Vec<RgbImage> {
    let image = |number: u32| {
        RgbImage::from_fn(16, 16, |x, y| {
            let level = |k: u32| ((x * (3 + number) + y * (5 + k) + 40 * k) % 251) as u8;
            Rgb([level(1), level(2), level(3)])
        })
    };
    (0..count).map(image).collect()
}

fn data(config: &Pretraining) -> PretrainBatch {
    let device = Device::default();
    PretrainBatch {
        views: config.views.draw(&images(4), config.seed, 0, &device),
        masks: config.masks.draw(8, [4, 4], config.seed, 0),
    }
}

fn found(stage: &PretrainStage<Dino>, batch: PretrainBatch) -> (f64, GradientsParams) {
    let replicas = stage.replicas().clone();
    let team = replicas.team(stage.networks());
    let Found {
        scalars, gradients, ..
    } = stage.gradients(&team, FIRST, batch);
    let loss = Unread::mean(scalars).read().get("loss").unwrap();
    (loss, team.mean(gradients))
}

/// The largest difference of any gradient, as a share of the largest of that parameter.
struct Compare {
    ours: GradientsParams,
    theirs: GradientsParams,
    keys: Vec<ParamId>,
    worst: f32,
    compared: usize,
}

impl ModuleVisitor for Compare {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let ours = self.ours.remove::<D>(param.id);
        let theirs = self.theirs.remove::<D>(param.id);
        assert_eq!(ours.is_some(), theirs.is_some(), "{:?}", param.shape());
        let (Some(mut ours), Some(mut theirs)) = (ours, theirs) else {
            return;
        };
        if self.keys.contains(&param.id) {
            // The bias of the keys is zero but for rounding.
            let width = theirs.dims()[0] / 3;
            theirs = theirs.slice_fill(s![width..2 * width], 0.0);
            ours = ours.slice_fill(s![width..2 * width], 0.0);
        }
        let scale: f32 = theirs.clone().abs().max().into_scalar();
        let difference: f32 = (ours - theirs).abs().max().into_scalar();
        self.worst = self.worst.max(difference / scale.max(1e-6));
        self.compared += 1;
    }
}

/// How far gradients are apart.
fn difference(
    stage: &PretrainStage<Dino>,
    ours: GradientsParams,
    theirs: GradientsParams,
) -> (f32, usize) {
    let student = stage.student.network();
    let blocks = student.backbone.blocks.iter();
    let biases = blocks.filter_map(|block| block.attn.qkv.bias.as_ref());
    let mut compare = Compare {
        ours,
        theirs,
        keys: biases.map(|bias| bias.id).collect(),
        worst: 0.0,
        compared: 0,
    };
    student.visit(&mut compare);
    (compare.worst, compare.compared)
}

fn with_weights(spread: f64) -> Pretraining {
    let mut config = Pretraining::smallest();
    config.optimizer.frozen_prototypes = 0;
    config.weights = LossWeights {
        class: 1.0,
        patch: 1.0,
        spread,
    };
    config
}

#[test]
fn shards_give_the_gradients_of_the_whole_batch() {
    // The spread of class tokens is one of each shard.
    let mut config = with_weights(0.0);
    // One masked crop: some devices have none.
    config.masks = MaskSettings {
        probability: 0.13,
        low: 0.5,
        high: 0.5,
    };
    let batch = data(&config);
    let masked = batch.masks.counts.iter().filter(|count| **count > 0);
    assert_eq!(masked.count(), 1);
    let one = stage(&config);
    let (sum, whole) = found(&one, batch.clone());
    let two = one.with_replicas(Replicas::new(vec![Device::default(); 2]));
    let (total, mean) = found(&two, batch);
    assert!((total - sum).abs() < 1e-5 * sum.abs(), "{total} {sum}");
    let (worst, compared) = difference(&two, mean, whole);
    assert!(compared > 40, "{compared}");
    assert!(worst < 1e-3, "{worst}");
}

#[test]
fn two_devices_learn_what_one_device_learns() {
    let config = with_weights(0.0);
    // Another test may draw at the same time, so the second has the weights of the first.
    let (mut one, mut two) = (stage(&config), stage(&config));
    let folder = tempfile::tempdir().unwrap();
    one.save(&mut Files::in_folder(folder.path())).unwrap();
    two.restore(folder.path()).unwrap();
    two = two.with_replicas(Replicas::new(vec![Device::default(); 2]));
    for number in 0..3 {
        let report = one.step(number, 1e-3, vec![data(&config)]);
        let shared = two.step(number, 1e-3, vec![data(&config)]);
        for name in ["loss", "gradient_norm", "teacher/entropy"] {
            let [one, two] = [&report, &shared].map(|r| r.scalars.get(name).unwrap());
            assert!((one / two - 1.0).abs() < 1e-3, "{name}: {one} and {two}");
        }
    }
}

#[test]
fn frozen_prototypes_stay_and_everything_else_learns() {
    let config = Pretraining::smallest();
    let mut stage = stage(&config);
    let before = stage.student.network().clone();
    let report = stage.step(0, 1e-2, vec![data(&config)]);
    assert!(!report.dropped);
    let change =
        |one: Tensor<2>, other: Tensor<2>| -> f32 { (one - other).abs().max().into_scalar() };
    let now = &stage.student.network().class_head;
    let then = &before.class_head;
    // Decay alone: at most the share of the step.
    assert!(change(now.last_layer.weight.val(), then.last_layer.weight.val()) < 1e-4);
    assert!(change(now.fc1.weight.val(), then.fc1.weight.val()) > 1e-3);
}

#[test]
fn steps_whose_numbers_are_read_afterwards_are_the_same_steps() {
    let config = Pretraining::smallest();
    let mut one = stage(&config);
    let folder = tempfile::tempdir().unwrap();
    one.save(&mut Files::in_folder(folder.path())).unwrap();
    let mut two = stage(&config);
    two.restore(folder.path()).unwrap();
    let (mut read, mut unread) = (Vec::new(), Vec::new());
    for number in 0..3 {
        read.push(one.step(number, 1e-2, vec![data(&config)]).scalars);
        unread.push(two.step_unread(number, 1e-2, vec![data(&config)]));
    }
    let unread = UnreadReport::read_all(unread).into_iter();
    assert_eq!(
        read,
        unread.map(|report| report.scalars).collect::<Vec<_>>()
    );
    let saved = |stage: &PretrainStage<Dino>| {
        let folder = tempfile::tempdir().unwrap();
        stage.save(&mut Files::in_folder(folder.path())).unwrap();
        [
            "student.safetensors",
            "teacher.safetensors",
            "centres.safetensors",
            "optimizer.bpk",
        ]
        .map(|name| std::fs::read(folder.path().join(name)).unwrap())
    };
    assert!(saved(&one) == saved(&two));
}

#[test]
fn a_step_without_a_finite_loss_changes_nothing() {
    let config = Pretraining::smallest();
    let mut stage = stage(&config);
    let weight = |stage: &PretrainStage<Dino>| {
        let head = &stage.student.network().class_head;
        head.fc1.weight.val().into_data()
    };
    let before = weight(&stage);
    let mut batch = data(&config);
    let spoilt = batch.views.globals[0].clone() * f32::NAN;
    batch.views.globals[0] = spoilt;
    let report = stage.step(0, 1e-2, vec![batch]);
    assert!(report.dropped);
    weight(&stage).assert_eq(&before, true);
}

#[test]
fn a_step_without_a_finite_loss_that_was_learned_from_is_found_and_restored() {
    let config = Pretraining::smallest();
    let mut stage = stage(&config);
    let folder = tempfile::tempdir().unwrap();
    stage.save(&mut Files::in_folder(folder.path())).unwrap();
    let head = |stage: &PretrainStage<Dino>| {
        let head = &stage.student.network().class_head;
        head.fc1.weight.val().into_data()
    };
    stage.step(0, 1e-2, vec![data(&config)]);
    let expected = head(&stage);
    stage.restore(folder.path()).unwrap();
    let mut spoilt = data(&config);
    spoilt.views.globals[0] = spoilt.views.globals[0].clone() * f32::NAN;
    let unread = [spoilt, data(&config)].map(|batch| stage.step_unread(0, 1e-2, vec![batch]));
    assert!(UnreadReport::read_all(unread.into())[0].dropped);
    stage.restore(folder.path()).unwrap();
    stage.step(0, 1e-2, vec![data(&config)]);
    head(&stage).assert_eq(&expected, true);
}

#[test]
fn one_batch_again_and_again_is_learned() {
    let mut config = Pretraining::smallest();
    config.optimizer.frozen_prototypes = 0;
    let mut stage = stage(&config);
    let mut losses = Vec::new();
    for number in 0..12 {
        let report = stage.step(number, 3e-3, vec![data(&config)]);
        losses.push(report.scalars.get("loss").unwrap());
    }
    assert!(losses[11] < losses[0], "{losses:?}");
}

#[test]
fn a_restored_stage_goes_on_exactly() {
    let config = Pretraining::smallest();
    let mut one = stage(&config);
    one.step(0, 1e-2, vec![data(&config)]);
    let folder = tempfile::tempdir().unwrap();
    one.save(&mut Files::in_folder(folder.path())).unwrap();
    let mut other = stage(&config);
    other.restore(folder.path()).unwrap();
    let report = one.step(1, 1e-2, vec![data(&config)]);
    let again = other.step(1, 1e-2, vec![data(&config)]);
    let bits = |report: &StepReport| {
        let numbers = report.scalars.iter();
        numbers
            .map(|(name, value)| (name.to_string(), value.to_bits()))
            .collect::<Vec<_>>()
    };
    assert_eq!(bits(&report), bits(&again));
    let weight = |stage: &PretrainStage<Dino>| stage.network().norm.gamma.val().into_data();
    weight(&one).assert_eq(&weight(&other), true);
}

#[test]
fn the_encoder_that_is_written_gives_exactly_the_tokens_of_the_trained_one() {
    let smallest = dino(&Pretraining::smallest());
    let device = Device::default();
    for network in [
        smallest.clone(),
        smallest.clone().with_n_registers(0),
        smallest.clone().with_qkv_bias(false),
    ] {
        let config = Pretraining {
            network: EncoderKind::Dino(network),
            ..Pretraining::smallest()
        };
        let mut stage = stage(&config);
        for number in 0..2 {
            assert!(!stage.step(number, 1e-2, vec![data(&config)]).dropped);
        }
        // A teacher as it is after many steps, without waiting for them.
        stage.teacher.set_decay(0.0);
        stage.teacher.update(stage.student.network());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("encoder.safetensors");
        stage.network().write("a test".to_string(), &path).unwrap();
        let loaded = Dino::load(&path, &device).unwrap();
        let images = Tensor::random([2, 3, 16, 12], Distribution::Uniform(-1.0, 1.0), &device);
        let [trained, read] = [stage.network(), &loaded].map(|dino| dino.forward(images.clone()));
        let same = |one: TensorData, other: TensorData| one.assert_eq(&other, true);
        same(trained.cls.into_data(), read.cls.into_data());
        same(trained.patches.into_data(), read.patches.into_data());
    }
}
