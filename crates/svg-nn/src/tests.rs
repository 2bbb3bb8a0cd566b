//! Layers of which no kernel knows, composed of Burn's operations and of this crate's: they train without a
//! derivation by hand.

use burn::module::{ModuleMapper, ModuleVisitor, Param};
use burn::nn::{Linear, LinearConfig};
use burn::prelude::*;
use burn::tensor::module::attention;
use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{Distribution, Gradients};

use crate::{SelfAttention, SelfAttentionConfig, SwiGluMlp, SwiGluMlpConfig, checkpointed, linear};

/// `y = gamma x / sqrt(mean(x^2) + epsilon)` (Zhang and Sennrich, arXiv 1910.07467).
#[derive(Module, Debug)]
struct RmsNorm {
    gamma: Param<Tensor<1>>,
}

impl RmsNorm {
    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let size = (x.clone().square().mean_dim(2) + 1e-6).sqrt();
        x / size * self.gamma.val().unsqueeze()
    }
}

/// One head of attention from tokens to a context.
#[derive(Module, Debug)]
struct CrossAttention {
    queries: Linear,
    keys: Linear,
    values: Linear,
    proj: Linear,
}

impl CrossAttention {
    fn forward(&self, x: Tensor<3>, context: Tensor<3>) -> Tensor<3> {
        let head = |layer, x| linear(layer, x).unsqueeze_dim::<4>(1);
        let attended = attention(
            head(&self.queries, x),
            head(&self.keys, context.clone()),
            head(&self.values, context),
            None,
            None,
            AttentionModuleOptions::default(),
        );
        linear(&self.proj, attended.squeeze_dim::<3>(1))
    }
}

/// A transformer block with both, and with SwiGLU.
#[derive(Module, Debug)]
struct Block {
    norms: Vec<RmsNorm>,
    attention: SelfAttention,
    cross: CrossAttention,
    mlp: SwiGluMlp,
}

const WIDTH: usize = 8;

impl Block {
    fn new(device: &Device) -> Self {
        let linear = |from: usize| LinearConfig::new(from, WIDTH).init(device);
        let gamma = |i: usize| Tensor::full([WIDTH], 0.7 + 0.3 * i as f64, device);
        let norm = |i| RmsNorm {
            gamma: Param::from_tensor(gamma(i)),
        };
        Self {
            norms: (0..3).map(norm).collect(),
            attention: SelfAttentionConfig::new(WIDTH, 2).init(device),
            cross: CrossAttention {
                queries: linear(WIDTH),
                keys: linear(5),
                values: linear(5),
                proj: linear(WIDTH),
            },
            mlp: SwiGluMlpConfig::new(WIDTH, 3 * WIDTH).init(device),
        }
    }

    fn forward(&self, x: Tensor<3>, context: Tensor<3>) -> Tensor<3> {
        let normed = |i: usize, x: &Tensor<3>| self.norms[i].forward(x.clone());
        let x = x.clone() + self.attention.forward(normed(0, &x));
        let x = x.clone() + self.cross.forward(normed(1, &x), context);
        x.clone() + self.mlp.forward(normed(2, &x))
    }
}

/// Moves the parameter of a number into a random direction, and says how long the way is in the gradient's
/// measure.
struct Move<'a> {
    number: usize,
    at: usize,
    step: f64,
    gradients: &'a Gradients,
    directions: &'a [TensorData],
    slope: f64,
}

impl ModuleMapper for Move<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let number = self.number;
        self.number += 1;
        if number != self.at {
            return param;
        }
        let gradient = param.val().grad(self.gradients).expect("it learns");
        let direction = self.directions[number].clone();
        let direction = Tensor::<D>::from_data(direction, &gradient.device());
        let along = (gradient * direction.clone()).sum();
        self.slope = along.into_scalar::<f64>();
        param.map(|value| {
            (value.inner() + direction * self.step)
                .autodiff()
                .require_grad()
        })
    }
}

struct Directions(Vec<TensorData>);

impl ModuleVisitor for Directions {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let normal = Distribution::Normal(0.0, 1.0);
        self.0.push(param.val().random_like(normal).into_data());
    }
}

fn loss(y: Tensor<3>, dy: &Tensor<3>) -> f64 {
    let products = (y.inner() * dy.clone()).into_data();
    products.iter::<f64>().sum()
}

#[test]
fn rms_norm_cross_attention_and_swiglu_have_the_gradients_of_finite_differences() {
    let device = Device::default();
    let random = |shape| Tensor::<3>::random(shape, Distribution::Normal(0.0, 1.0), &device);
    let block = Block::new(&device.clone().autodiff());
    let (x, context) = (random([2, 6, WIDTH]), random([2, 3, 5]));
    let dy = random([2, 6, WIDTH]);
    let mut directions = Directions(Vec::new());
    block.visit(&mut directions);
    assert_eq!(directions.0.len(), 3 + 4 + 8 + 6);
    for checkpointing in [false, true] {
        let leaf = x.clone().autodiff().require_grad();
        let y = match checkpointing {
            true => checkpointed(&block, leaf, context.clone(), Block::forward),
            false => block.forward(leaf, context.clone()),
        };
        let gradients = (y * dy.clone()).sum().backward();
        for at in 0..directions.0.len() {
            let moved = |step: f64| {
                let mut by = Move {
                    number: 0,
                    at,
                    step,
                    gradients: &gradients,
                    directions: &directions.0,
                    slope: 0.0,
                };
                let moved = block.clone().map(&mut by);
                let y = moved.forward(x.clone().autodiff(), context.clone());
                (loss(y, &dy), by.slope)
            };
            let ((ahead, slope), (behind, _)) = (moved(1e-2), moved(-1e-2));
            let secant = (ahead - behind) / 2e-2;
            let off = (slope - secant).abs();
            assert!(
                off < 1e-2 * secant.abs().max(1.0),
                "{at}: {slope}, {secant}"
            );
        }
    }
}
