//! One step of the second stage.

use std::path::Path;

use burn::optim::GradientsParams;
use burn::prelude::*;
use svg_flow::{PathPoint, linear_path};
use svg_roles::Condition;

use crate::TrainError;
use crate::flow::draws::Draws;
use crate::flow::{FlowNetwork, FlowTraining, flow_gradients};
use crate::kinds::FlowKind;
use crate::log::Scalars;
use crate::run::{
    AdamW, Average, Files, Found, Group, NetworkKind, Place, Player, PlayerNames, Replicas, Stage,
    Team, Unread,
};

const NAMES: PlayerNames = PlayerNames {
    root: "flow",
    network: "flow.safetensors",
    optimizer: "optimizer.bpk",
};
const AVERAGE: &str = "average.safetensors";

/// A velocity network, its optimiser and its moving average.
#[derive(Debug)]
pub struct FlowStage<N: FlowNetwork, C = FlowKind> {
    config: FlowTraining<C>,
    /// Where gradients are.
    device: Device,
    player: Player<N>,
    average: Average<N>,
    /// The class that stands for none.
    null: usize,
    replicas: Replicas,
}

/// Latents that go through the network at once.
#[derive(Clone, Debug)]
pub struct FlowBatch {
    /// `[batch, tokens, channels]`, normalised, on the plain device.
    pub latents: Tensor<3>,
    /// The class of each.
    pub labels: Vec<usize>,
    /// Noise, times and dropped labels, where they were drawn ahead of the step.
    draws: Option<Draws>,
}

impl FlowBatch {
    /// Latents, `[batch, tokens, channels]`, normalised, on the plain device, and the class of each.
    pub fn new(latents: Tensor<3>, labels: Vec<usize>) -> Self {
        Self {
            latents,
            labels,
            draws: None,
        }
    }

    /// The same with the numbers that are random in it at a place of the training. `null` is the class that stands
    /// for none.
    pub(super) fn drawn<C>(self, config: &FlowTraining<C>, null: usize, place: Place) -> Self {
        let [_, tokens, channels] = self.latents.dims();
        let first =
            (place.step * config.accumulation as u64 + place.batch) * config.batch_size as u64;
        let (shape, device) = ([tokens, channels], self.latents.device());
        let draws = Draws::training(config, null, first, &self.labels, shape, &device);
        Self {
            draws: Some(draws),
            ..self
        }
    }
}

impl<N: FlowNetwork, C: NetworkKind> FlowStage<N, C> {
    /// Draws a network of the configuration `network` from the seed of the training. The average begins with
    /// its weights.
    pub fn new(config: FlowTraining<C>, network: N::Config, device: &Device) -> Self {
        let device = device.clone().autodiff();
        device.seed(config.seed);
        let optimizer = config.optimizer;
        let adamw = AdamW {
            beta_1: optimizer.beta_1,
            beta_2: optimizer.beta_2,
            epsilon: optimizer.epsilon,
            weight_decay: optimizer.weight_decay,
        };
        let player = Player::<N>::new(NAMES, network, adamw, &device);
        let average = Average::new(player.network(), config.average_decay);
        Self {
            null: null(average.network(), &device),
            replicas: Replicas::new(vec![device.clone()]),
            average,
            player,
            device,
            config,
        }
    }

    /// The same on several devices, the first of which is the one that it was made on. They take equal shares
    /// of every batch.
    pub fn with_replicas(mut self, replicas: Replicas) -> Self {
        self.replicas = replicas;
        self
    }

    /// The class that stands for none.
    pub(super) fn null(&self) -> usize {
        self.null
    }

    /// The network with averaged weights, for inference.
    pub fn network(&self) -> &N {
        self.average.network()
    }
}

/// The class that stands for none; 0 for a network without classes.
fn null(network: &impl FlowNetwork, device: &Device) -> usize {
    if network.spec().classes == 0 {
        return 0;
    }
    let one = Condition::classes(&[0], &device.clone().without_autodiff());
    let null: i64 = network.unconditional(&one).expect_classes().into_scalar();
    null as usize
}

impl<N: FlowNetwork, C: NetworkKind> Stage for FlowStage<N, C> {
    type Networks = N;
    type Batch = FlowBatch;
    type Observed = ();

    fn replicas(&self) -> &Replicas {
        &self.replicas
    }

    /// Weights are cast once per step.
    fn networks(&self) -> N {
        let precision = self.config.precision.precision();
        let network = precision.apply(self.player.network().valid()).train();
        network.with_gradient_checkpointing(self.config.gradient_checkpointing)
    }

    fn groups(&self, _step: u64) -> Vec<Group> {
        vec![Group {
            path: "",
            scalar: "gradient_norm",
            longest: self.config.optimizer.clip_norm,
        }]
    }

    fn gradients(&self, team: &Team<'_, N>, place: Place, batch: FlowBatch) -> Found<()> {
        let batch = match &batch.draws {
            Some(_) => batch,
            None => batch.drawn(&self.config, self.null, place),
        };
        let (latents, draws) = (batch.latents, batch.draws.expect("drawn above"));
        let ([count, ..], device) = (latents.dims(), latents.device());
        let times = draws.times;
        let condition = Condition::classes(&draws.labels, &device);
        let point = linear_path(draws.noise, latents, times.clone());
        let shards = team.shards(count, |shard| {
            let point = PathPoint {
                x: shard.of(&point.x),
                velocity: shard.of(&point.velocity),
            };
            (point, shard.of(&times), shard.condition(&condition))
        });
        let (scalars, gradients) = team.gradients(shards, |network, (point, times, condition)| {
            flow_gradients(network, point, times, &condition)
        });
        Found {
            scalars,
            remarks: Unread::known(Scalars::new()),
            gradients,
            observed: (),
            finite: true,
        }
    }

    fn learn(&mut self, _step: u64, rate: f64, mut gradients: GradientsParams, _: Vec<()>) {
        self.player.learn(rate, &mut gradients);
        self.average.update(self.player.network());
    }

    fn save(&self, files: &mut Files<'_>) -> Result<(), TrainError> {
        self.player.save(files)?;
        self.average.save(files, AVERAGE)
    }

    fn restore(&mut self, folder: &Path) -> Result<(), TrainError> {
        self.player.restore(folder)?;
        let config = self.player.config();
        self.average.restore(config, folder, AVERAGE, &self.device)
    }
}
