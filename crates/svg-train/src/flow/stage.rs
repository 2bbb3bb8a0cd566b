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
    AdamW, Average, Found, Group, NetworkKind, Place, Player, PlayerNames, Replicas, Stage, Team,
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
        let FlowBatch { latents, labels } = batch;
        let ([count, tokens, channels], device) = (latents.dims(), latents.device());
        let first = (place.step * self.config.accumulation as u64 + place.batch)
            * self.config.batch_size as u64;
        let shape = [tokens, channels];
        let draws = Draws::training(&self.config, self.null, first, &labels, shape, &device);
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
            let (loss, gradients) = flow_gradients(network, point, times, &condition);
            (Scalars::new().with("loss", loss), gradients)
        });
        Found {
            scalars,
            remarks: Scalars::new(),
            gradients,
            observed: (),
            finite: true,
        }
    }

    fn learn(&mut self, _step: u64, rate: f64, mut gradients: GradientsParams, _: Vec<()>) {
        self.player.learn(rate, &mut gradients);
        self.average.update(self.player.network());
    }

    fn save(&self, folder: &Path) -> Result<(), TrainError> {
        self.player.save(folder)?;
        self.average.save(folder, AVERAGE)
    }

    fn restore(&mut self, folder: &Path) -> Result<(), TrainError> {
        self.player.restore(folder)?;
        let config = self.player.config();
        self.average.restore(config, folder, AVERAGE, &self.device)
    }
}
