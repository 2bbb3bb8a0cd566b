//! The second stage's loss, gradients, optimiser and moving average against the PyTorch reference.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, Param, ParamId};
use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer};
use burn::prelude::*;
use burn::store::bridge;
use serde::Deserialize;
use svg_flow::{TimeSampler, flow_matching_loss, linear_path};
use svg_model::Conditioned;
use svg_roles::Condition;
use svg_sit::{Sit, checkpoint_tensors};
use svg_train::flow::flow_gradients;
use svg_train::run::{AdamW, Average};

use super::fill::murmur_tensor;
use super::sit::{formula, recorded, tiny};

/// Relative: of losses, and of gradients and what follows from them. GPUs sum a product in another order.
const FORWARD: f64 = 1e-5;
const BACKWARD: f64 = 1e-4;
const LEARNING_RATE: f64 = 1e-4;

#[derive(Deserialize)]
struct Expected {
    shifted_t: [f64; 3],
    losses: [f64; 3],
    grad_norms_step0: BTreeMap<String, f64>,
    param_after3: BTreeMap<String, [f64; 4]>,
    ema_after3: BTreeMap<String, [f64; 4]>,
}

/// A network whose parameters are the gradients of another, so that they get the names of a checkpoint.
struct Gradients<'a>(&'a GradientsParams);

impl ModuleMapper for Gradients<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let gradient = self.0.get::<D>(param.id).expect("every parameter has one");
        Param::initialized(ParamId::new(), gradient)
    }
}

/// The numbers of each tensor of a checkpoint but the positions, in PyTorch's order.
fn numbers(sit: &Sit) -> BTreeMap<String, Vec<f64>> {
    let tensors = checkpoint_tensors(sit).into_iter();
    let trained = tensors.filter(|tensor| tensor.name != "pos_embed");
    trained
        .map(|tensor| {
            let data = bridge::to_data(&tensor).unwrap();
            (tensor.name, data.iter().collect())
        })
        .collect()
}

fn check_first(what: &str, sit: &Sit, want: &BTreeMap<String, [f64; 4]>) {
    let found = numbers(sit);
    let mut worst = 0.0f64;
    for (name, want) in want {
        for (got, want) in found[name].iter().zip(want) {
            worst = worst.max((got - want).abs());
        }
    }
    println!("{what}: off by {worst:.1e}");
    // Three steps move a weight by 3e-4.
    let allowed = BACKWARD * 3.0 * LEARNING_RATE + 1e-7;
    assert!(worst < allowed, "{what}: off by {worst:e}");
}

/// How a step is taken.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// With `svg-flow`'s loss and Burn's AdamW.
    Burns,
    /// With the trainer's loss and AdamW, and the gradients of checkpointed blocks.
    Trainers,
}

#[cfg_attr(test, test)]
pub fn three_steps_of_training_equal_the_reference_with_and_without_checkpointing() {
    three_steps(Way::Burns);
    three_steps(Way::Trainers);
}

fn three_steps(way: Way) {
    let want: Expected = recorded("rf_train_tiny");
    let plain = Device::default();
    let mut sit = formula(&tiny(), "dit_tiny.", &plain.clone().autodiff());
    let mut average = Average::new(&sit, 0.9999);
    let mut optimizer = match way {
        Way::Burns => AdamWConfig::new()
            .with_epsilon(1e-8)
            .with_weight_decay(0.0)
            .init(),
        Way::Trainers => ModuleOptimizer::from(AdamW {
            beta_1: 0.9,
            beta_2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.0,
        }),
    };
    let sampler = TimeSampler::Uniform { shift: 0.4 };
    let times = [0.1, 0.5, 0.9].map(|u| sampler.time(u, 0.0));
    for (got, want) in times.iter().zip(want.shifted_t) {
        assert!((got - want).abs() < 1e-7, "{got} for {want}");
    }
    for (step, want_loss) in want.losses.iter().enumerate() {
        let (value, gradients) = loss_and_gradients(way, &sit, times, &plain);
        let off = (value / want_loss - 1.0).abs();
        println!("{way:?}, loss {step}: off by {off:.1e}");
        assert!(off < FORWARD, "loss {step}: {value} for {want_loss}");
        if step == 0 {
            check_norms(&sit, &gradients, &want.grad_norms_step0);
        }
        sit = optimizer.step(LEARNING_RATE, sit, gradients);
        average.update(&sit);
    }
    check_first("weights", &sit, &want.param_after3);
    check_first("average", average.network(), &want.ema_after3);
}

fn loss_and_gradients(
    way: Way,
    sit: &Sit,
    times: [f64; 3],
    plain: &Device,
) -> (f64, GradientsParams) {
    let data = murmur_tensor("rf.z1", [3, 256, 20], 1.2, plain);
    let noise = murmur_tensor("rf.z0", [3, 256, 20], 1.7, plain);
    let t = Tensor::<1>::from_data(times, plain);
    let labels = [7, 999, 1000];
    if let Way::Trainers = way {
        let point = linear_path(noise, data, t.clone());
        let labels = Condition::Classes(Tensor::from_data(labels, plain));
        let sit = sit.clone().with_gradient_checkpointing(true);
        let (loss, gradients) = flow_gradients(&sit, point, t, &labels);
        return (loss.read().get("loss").unwrap(), gradients);
    }
    let labels = Tensor::from_data(labels, &plain.clone().autodiff());
    let [noise, data] = [noise, data].map(Tensor::from_inner);
    let field = Conditioned::new(sit, Condition::Classes(labels));
    let loss = flow_matching_loss(&field, noise, data, Tensor::from_inner(t));
    let value = loss.clone().detach().into_scalar::<f32>();
    let gradients = GradientsParams::from_grads(loss.backward(), sit);
    (value.into(), gradients)
}

fn check_norms(sit: &Sit, gradients: &GradientsParams, want: &BTreeMap<String, f64>) {
    let found = numbers(&sit.clone().map(&mut Gradients(gradients)));
    assert!(
        found.keys().eq(want.keys()),
        "other parameters than the reference's"
    );
    let mut worst = 0.0f64;
    for (name, want) in want {
        let norm = found[name].iter().map(|v| v * v).sum::<f64>().sqrt();
        // One bias adds the same to every score, so its gradient is zero but for rounding.
        let off = (norm - want).abs() / want.max(1e-3);
        assert!(off < BACKWARD, "gradient of {name}: {norm} for {want}");
        worst = worst.max(off);
    }
    println!("{} norms of gradients: off by {worst:.1e}", want.len());
}
