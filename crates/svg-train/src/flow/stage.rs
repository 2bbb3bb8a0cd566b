//! One step of the second stage.

use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::prelude::*;
use svg_flow::{PathPoint, linear_path};
use svg_nn::sum_of_squares;
use svg_sit::Sit;

use crate::adamw::AdamW;
use crate::average::Average;
use crate::flow::FlowTraining;
use crate::flow::draws::Draws;
use crate::gradients::{MeanGradients, in_f32, scaled};
use crate::identity::name_parameters;
use crate::log::Scalars;
use crate::parallel::Replicas;
use crate::run::StepReport;

/// The velocity network, its optimiser and its moving average.
pub struct FlowStage {
    pub(super) config: FlowTraining,
    /// Where gradients are.
    pub(super) device: Device,
    pub(super) sit: Sit,
    pub(super) optimizer: ModuleOptimizer,
    pub(super) average: Average<Sit>,
    /// The devices that share a batch.
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

impl FlowStage {
    /// Draws the network from the seed of the configuration. The average begins with its weights.
    pub fn new(config: FlowTraining, device: &Device) -> Self {
        let device = device.clone().autodiff();
        device.seed(config.seed);
        let sit = name_parameters(config.sit.init(&device), "flow");
        Self {
            replicas: Replicas::new(vec![device.clone()]),
            average: Average::new(&sit, config.average_decay),
            optimizer: adamw(&config),
            sit,
            device,
            config,
        }
    }

    /// The same with more devices, which take equal shares of every batch.
    ///
    /// # Panics
    ///
    /// In [`step`](Self::step), if the number of devices does not divide a batch.
    pub fn with_replicas(mut self, more: Vec<Device>) -> Self {
        let mut devices = vec![self.device.clone()];
        devices.extend(more);
        self.replicas = Replicas::new(devices);
        self
    }

    /// Learns from the batches of step `number`, counted from 0. Their gradients are averaged.
    ///
    /// A step whose loss or gradients are not all finite changes nothing.
    pub fn step(
        mut self,
        number: u64,
        learning_rate: f64,
        batches: &[FlowBatch],
    ) -> (Self, StepReport) {
        let mut mean = MeanGradients::new();
        let mut losses = Vec::new();
        let mut sample = number * self.config.images_per_step();
        for FlowBatch { latents, labels } in batches {
            let [count, tokens, channels] = latents.dims();
            let (shape, device) = ([tokens, channels], latents.device());
            let draws = Draws::training(&self.config, sample, labels, shape, &device);
            sample += count as u64;
            let (loss, gradients) =
                self.gradients(latents.clone(), draws.noise, draws.times, &draws.labels);
            losses.push(loss);
            mean.add(&self.sit, gradients);
        }
        let (gradients, norm) = mean.finish(&self.sit);
        let loss = losses.iter().sum::<f64>() / losses.len() as f64;
        let scalars = Scalars::new()
            .with("loss", loss)
            .with("gradient_norm", norm);
        let dropped = !(loss.is_finite() && norm.is_finite());
        if !dropped {
            let gradients = self.clipped(gradients, norm);
            self.sit = self.optimizer.step(learning_rate, self.sit, gradients);
            self.average = self.average.update(&self.sit);
        }
        (self, StepReport { scalars, dropped })
    }

    /// The loss and its gradients for one batch.
    fn gradients(
        &self,
        latents: Tensor<3>,
        noise: Tensor<3>,
        times: Tensor<1>,
        classes: &[usize],
    ) -> (f64, GradientsParams) {
        // Weights are cast for this pass.
        let precision = self.config.precision.precision();
        let network = precision.apply(self.sit.valid()).train();
        let network = network.with_gradient_checkpointing(self.config.gradient_checkpointing);
        let classes = labels(classes, &latents.device());
        let point = linear_path(noise, latents, times.clone());
        let mut shards = Vec::new();
        let states = self.replicas.split(point.x);
        let targets = self.replicas.split(point.velocity);
        let times = self.replicas.split(times);
        let classes = self.replicas.split(classes);
        for (((x, velocity), times), classes) in
            states.into_iter().zip(targets).zip(times).zip(classes)
        {
            shards.push((x, velocity, times, classes));
        }
        let work = |network: &Sit, (x, velocity, times, classes)| {
            let point = PathPoint { x, velocity };
            flow_gradients(network, point, times, classes)
        };
        let (losses, gradients) = self.replicas.gradients(&network, shards, work);
        (losses.iter().sum::<f64>() / losses.len() as f64, gradients)
    }

    fn clipped(&self, gradients: GradientsParams, norm: f64) -> GradientsParams {
        match self.config.optimizer.clip_norm {
            Some(longest) if norm > longest => scaled(gradients, &self.sit, longest / norm),
            _ => gradients,
        }
    }

    /// The network with averaged weights, for inference.
    pub fn network(&self) -> &Sit {
        self.average.network()
    }
}

/// The flow-matching loss at points of the path, as
/// [`flow_matching_loss`](svg_flow::flow_matching_loss) has it, and its gradients at the parameters, in f32
/// whatever the type of the network's products.
///
/// # Shapes
///
/// - point: `[batch, tokens, channels]`
/// - times, labels: `[batch]`
///
/// # Panics
///
/// If the network is not on an autodiff device.
pub fn flow_gradients(
    network: &Sit,
    point: PathPoint,
    times: Tensor<1>,
    labels: Tensor<1, Int>,
) -> (f64, GradientsParams) {
    let error = network.forward(point.x, times, labels) - point.velocity;
    let count = error.shape().num_elements() as f64;
    let squares: f32 = sum_of_squares(error.clone().inner()).into_scalar();
    let found = error.square().mean().backward();
    let gradients = in_f32(GradientsParams::from_grads(found, network), network);
    (f64::from(squares) / count, gradients)
}

/// Classes as networks take them.
pub(super) fn labels(classes: &[usize], device: &Device) -> Tensor<1, Int> {
    let classes: Vec<i64> = classes.iter().map(|&class| class as i64).collect();
    Tensor::from_data(classes.as_slice(), device)
}

pub(super) fn adamw(config: &FlowTraining) -> ModuleOptimizer {
    let settings = &config.optimizer;
    ModuleOptimizer::from(AdamW {
        beta_1: settings.beta_1,
        beta_2: settings.beta_2,
        epsilon: settings.epsilon,
        weight_decay: settings.weight_decay,
    })
}
