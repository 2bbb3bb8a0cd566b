//! Laws of a step of the second stage.

use burn::prelude::*;
use burn::tensor::{Distribution, TensorData};
use svg_roles::{Condition, Velocity, VelocitySpec};
use svg_sit::{Sit, checkpoint_tensors};
use svg_train::flow::{ComputeType, FlowBatch, FlowNetwork, FlowStage, FlowTraining};
use svg_train::kinds::FlowKind;
use svg_train::run::{Files, Network, Replicas, Stage, UnreadReport};

use crate::my_turn;

fn stage(config: &FlowTraining) -> FlowStage<Sit> {
    let FlowKind::Sit(sit) = config.network.clone();
    FlowStage::new(config.clone(), sit, &Device::default())
}

/// Latents whose class shows in them.
fn batch(count: usize, seed: u64) -> FlowBatch {
    let device = Device::default();
    device.seed(seed);
    let labels: Vec<usize> = (0..count).map(|sample| sample % 2).collect();
    let levels: Vec<f32> = labels
        .iter()
        .map(|&label| label as f32 * 2.0 - 1.0)
        .collect();
    let level = Tensor::<3>::from_data(TensorData::new(levels, [count, 1, 1]), &device);
    let noise = Tensor::random([count, 16, 20], Distribution::Normal(0.0, 0.1), &device);
    FlowBatch::new(noise + level, labels)
}

/// Everything that a checkpoint holds of the weights, as bytes.
fn weights(stage: &FlowStage<Sit>) -> Vec<Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    stage.save(&mut Files::in_folder(folder.path())).unwrap();
    let names = ["flow", "average"];
    let read = |name| std::fs::read(folder.path().join(format!("{name}.safetensors"))).unwrap();
    names.map(read).into()
}

fn steps(
    mut stage: FlowStage<Sit>,
    batches: &[Vec<FlowBatch>],
    first: u64,
) -> (FlowStage<Sit>, Vec<f64>) {
    let mut losses = Vec::new();
    for (number, batches) in (first..).zip(batches) {
        let report = stage.step(number, 3e-3, batches.clone());
        assert!(!report.dropped);
        losses.push(report.scalars.get("loss").unwrap());
    }
    (stage, losses)
}

#[test]
fn the_average_begins_with_the_first_weights_and_the_first_velocity_is_zero() {
    let _turn = my_turn();
    let [network, average]: [_; 2] = weights(&stage(&FlowTraining::tiny())).try_into().unwrap();
    assert!(network == average);
    // The loss of a velocity of zero is the mean of the squared difference of data and noise, about 2.
    let (_, losses) = steps(stage(&FlowTraining::tiny()), &[vec![batch(64, 1)]], 0);
    assert!((losses[0] - 2.0).abs() < 0.1, "{losses:?}");
}

#[test]
fn a_restored_stage_goes_on_to_the_bit() {
    let _turn = my_turn();
    let config = FlowTraining::tiny();
    let batches: Vec<_> = (0..6).map(|seed| vec![batch(2, seed)]).collect();
    let (whole, _) = steps(stage(&config), &batches, 0);
    let (half, _) = steps(stage(&config), &batches[..3], 0);
    let folder = tempfile::tempdir().unwrap();
    half.save(&mut Files::in_folder(folder.path())).unwrap();
    let other = FlowTraining {
        seed: config.seed,
        ..config.clone()
    };
    let mut resumed = stage(&other);
    resumed.restore(folder.path()).unwrap();
    let (resumed, _) = steps(resumed, &batches[3..], 3);
    assert!(weights(&whole) == weights(&resumed));
}

#[test]
fn steps_whose_numbers_are_read_afterwards_are_the_same_steps() {
    let _turn = my_turn();
    let mut config = FlowTraining::tiny();
    config.optimizer.clip_norm = Some(0.2);
    let batches: Vec<_> = (0..4).map(|seed| vec![batch(2, seed); 2]).collect();
    let (mut one, mut two) = (stage(&config), stage(&config));
    let (mut read, mut unread) = (Vec::new(), Vec::new());
    for (number, batches) in (0..).zip(batches) {
        read.push(one.step(number, 3e-3, batches.clone()).scalars);
        unread.push(two.step_unread(number, 3e-3, batches));
    }
    let unread = UnreadReport::read_all(unread).into_iter();
    assert_eq!(
        read,
        unread.map(|report| report.scalars).collect::<Vec<_>>()
    );
    assert!(read[0].get("gradient_norm").unwrap() > 0.2);
    assert!(weights(&one) == weights(&two));
}

#[test]
fn a_step_that_is_not_finite_changes_nothing() {
    let _turn = my_turn();
    let (mut stage, _) = steps(stage(&FlowTraining::tiny()), &[vec![batch(2, 0)]], 0);
    let before = weights(&stage);
    let mut spoilt = batch(2, 1);
    spoilt.latents = spoilt.latents.slice_fill([0..1, 0..1, 0..1], f32::NAN);
    let report = stage.step(1, 1e-3, vec![batch(2, 2), spoilt]);
    assert!(report.dropped);
    assert!(weights(&stage) == before);
}

#[test]
fn a_step_that_is_not_finite_and_was_learned_from_is_found_and_restored() {
    let _turn = my_turn();
    let (mut stage, _) = steps(stage(&FlowTraining::tiny()), &[vec![batch(2, 0)]], 0);
    let folder = tempfile::tempdir().unwrap();
    stage.save(&mut Files::in_folder(folder.path())).unwrap();
    let mut spoilt = batch(2, 1);
    spoilt.latents = spoilt.latents.slice_fill([0..1, 0..1, 0..1], f32::NAN);
    let unread = [spoilt, batch(2, 2)].map(|batch| stage.step_unread(1, 3e-3, vec![batch]));
    assert!(UnreadReport::read_all(unread.into())[0].dropped);
    stage.restore(folder.path()).unwrap();
    stage.step(1, 3e-3, vec![batch(2, 2)]);
    let batches = [0, 2].map(|seed| vec![batch(2, seed)]);
    let (expected, _) = steps(self::stage(&FlowTraining::tiny()), &batches, 0);
    assert!(weights(&stage) == weights(&expected));
}

#[test]
fn two_batches_of_two_teach_what_one_batch_of_four_does() {
    let _turn = my_turn();
    let config = |batch_size, accumulation| FlowTraining {
        batch_size,
        accumulation,
        ..FlowTraining::tiny()
    };
    let whole = batch(4, 5);
    let part = |first: usize| {
        FlowBatch::new(
            whole.latents.clone().narrow(0, first, 2),
            whole.labels[first..first + 2].to_vec(),
        )
    };
    let halves = [part(0), part(2)];
    // The first step teaches the last layer alone, so the second is looked at.
    let run = |config: &FlowTraining, batches: &[FlowBatch]| {
        let mut stage = stage(config);
        stage.step(0, 1e-2, batches.to_vec());
        let report = stage.step(1, 1e-2, batches.to_vec());
        ["loss", "gradient_norm"].map(|name| report.scalars.get(name).unwrap())
    };
    let one = run(&config(4, 1), std::slice::from_ref(&whole));
    let two = run(&config(2, 2), &halves);
    for (one, two) in one.iter().zip(two) {
        assert!((one / two - 1.0).abs() < 1e-4, "{one} and {two}");
    }
}

#[test]
fn the_loss_falls_in_every_mode_of_computing() {
    let _turn = my_turn();
    let modes = [
        (ComputeType::F32, false),
        (ComputeType::F32, true),
        (ComputeType::Bf16, false),
    ];
    let batches: Vec<_> = (0..60).map(|seed| vec![batch(16, seed)]).collect();
    let mut all = Vec::new();
    for (precision, gradient_checkpointing) in modes {
        let config = FlowTraining {
            precision,
            gradient_checkpointing,
            batch_size: 16,
            ..FlowTraining::tiny()
        };
        let (stage, losses) = steps(stage(&config), &batches, 0);
        let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
        let (first, last) = (mean(&losses[..5]), mean(&losses[55..]));
        assert!(last < 0.8 * first, "{precision:?}: {first}, then {last}");
        // Master weights stay in f32.
        let tensors = checkpoint_tensors(stage.network());
        assert!(
            tensors
                .iter()
                .all(|tensor| tensor.dtype == burn::tensor::DType::F32)
        );
        all.push(losses);
    }
    for (plain, again) in all[0].iter().zip(&all[1]) {
        assert!((plain / again - 1.0).abs() < 1e-4, "{plain} and {again}");
    }
    for (plain, half) in all[0].iter().zip(&all[2]) {
        assert!((plain / half - 1.0).abs() < 0.1, "{plain} and {half}");
    }
}

#[test]
fn a_long_gradient_is_shortened_and_a_short_one_is_not() {
    let _turn = my_turn();
    let config = |clip_norm| {
        let mut config = FlowTraining::tiny();
        config.optimizer.clip_norm = clip_norm;
        // So large that Adam's step is in proportion to its gradient.
        config.optimizer.epsilon = 1e3;
        config
    };
    let after = |clip_norm| {
        let mut stage = stage(&config(clip_norm));
        let report = stage.step(0, 1.0, vec![batch(8, 3)]);
        let bias = stage.network().ln1.weight.val().into_data();
        let last = stage.network().final_layer.linear.weight.val();
        let size: f32 = last.powi_scalar(2).sum().sqrt().into_scalar();
        (report.scalars.get("gradient_norm").unwrap(), size, bias)
    };
    let (norm, free, _) = after(None);
    let (same, half, _) = after(Some(norm / 2.0));
    let (_, whole, _) = after(Some(norm * 2.0));
    assert_eq!(
        norm, same,
        "the norm that is logged is that before clipping"
    );
    assert!(
        (f64::from(half / free) - 0.5).abs() < 1e-3,
        "{half} and {free}"
    );
    assert_eq!(whole, free);
}

#[test]
fn two_replicas_learn_what_one_device_learns() {
    let _turn = my_turn();
    let config = FlowTraining::tiny();
    let batches: Vec<_> = (0..3).map(|seed| vec![batch(4, seed)]).collect();
    let (one, losses) = steps(stage(&config), &batches, 0);
    let replicas = Replicas::new(vec![Device::default(); 2]);
    let shared = stage(&config).with_replicas(replicas);
    let (two, shared_losses) = steps(shared, &batches, 0);
    for (one, two) in losses.iter().zip(&shared_losses) {
        assert!((one / two - 1.0).abs() < 1e-5, "{one} and {two}");
    }
    let pairs = checkpoint_tensors(one.network()).into_iter();
    for (one, two) in pairs.zip(checkpoint_tensors(two.network())) {
        let name = one.name.clone();
        let numbers = |tensor| burn::store::bridge::into_data(tensor).unwrap();
        let (one, two) = (numbers(one), numbers(two));
        let pairs = one.iter::<f32>().zip(two.iter::<f32>());
        let worst = pairs.map(|(a, b)| (a - b).abs()).fold(0.0f32, f32::max);
        assert!(worst < 1e-4, "{name}: {worst}");
    }
}

/// A network of one's own: a linear layer that knows neither time nor class.
#[derive(Module, Debug)]
struct Own {
    layer: burn::nn::Linear,
}

impl Network for Own {
    type Config = usize;

    fn init(config: &usize, device: &Device) -> Self {
        let layer = burn::nn::LinearConfig::new(*config, *config).init(device);
        Self { layer }
    }
}

impl Velocity for Own {
    fn velocity(&self, x: Tensor<3>, _t: Tensor<1>, _condition: &Condition) -> Tensor<3> {
        svg_nn::linear(&self.layer, x).cast(burn::tensor::DType::F32)
    }

    fn unconditional(&self, condition: &Condition) -> Condition {
        condition.clone()
    }

    fn spec(&self) -> VelocitySpec {
        let [channels, _] = self.layer.weight.dims();
        Self::spec_of(&channels)
    }
}

impl FlowNetwork for Own {
    const KIND: &'static str = "own";

    fn spec_of(config: &usize) -> VelocitySpec {
        VelocitySpec {
            grid: [4, 4],
            channels: *config,
            classes: 2,
        }
    }
}

#[test]
fn a_network_of_ones_own_learns_on_a_graph_in_every_type_and_on_two_devices() {
    let _turn = my_turn();
    for precision in [ComputeType::F32, ComputeType::Bf16] {
        let config = FlowTraining {
            precision,
            ..FlowTraining::tiny()
        };
        let stage = || FlowStage::<Own>::new(config.clone(), 20, &Device::default());
        let (mut one, mut two) = (
            stage(),
            stage().with_replicas(Replicas::new(vec![Device::default(); 2])),
        );
        let mut losses = Vec::new();
        for number in 0..30 {
            let [loss, shared] = [&mut one, &mut two].map(|stage| {
                let report = stage.step(number, 1e-2, vec![batch(16, number)]);
                assert!(!report.dropped);
                report.scalars.get("loss").unwrap()
            });
            assert!((loss / shared - 1.0).abs() < 1e-2, "{loss} and {shared}");
            losses.push(loss);
        }
        let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
        let (first, last) = (mean(&losses[..5]), mean(&losses[25..]));
        assert!(last < 0.9 * first, "{precision:?}: {losses:?}");
    }
}
