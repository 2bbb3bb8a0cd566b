//! One step of the first stage.

use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer};
use burn::prelude::*;
use rand::Rng;
use svg_decoder::Decoder;
use svg_model::{Alignment, AutoencoderConfig, FeatureEncoder, SvgAutoencoder};
use svg_nn::Frozen;
use svg_residual::{Running, Statistics, align};

use crate::TrainError;
use crate::autoencoder::{
    Adversary, AutoencoderTraining, Critic, CriticTerms, Generator, GeneratorTerms, Perceptual,
    Reconstruction,
};
use crate::average::Average;
use crate::gradients::MeanGradients;
use crate::identity::name_parameters;
use crate::log::Scalars;
use crate::random::{Purpose, fraction, generator as random};
use crate::run::StepReport;

/// Both players, their optimisers, and what is gathered on the way.
pub struct Stage<E> {
    pub(super) config: AutoencoderTraining,
    /// Where gradients are.
    pub(super) device: Device,
    /// In inference mode, outside every graph, whatever is trained around it.
    pub(super) encoder: Frozen<E>,
    pub(super) perceptual: Box<dyn Perceptual>,
    pub(super) generator: Generator,
    pub(super) generator_optimizer: ModuleOptimizer,
    pub(super) critic: Option<Critic>,
    pub(super) critic_optimizer: ModuleOptimizer,
    pub(super) average: Option<Average<Decoder>>,
    pub(super) running: Running,
}

impl<E: FeatureEncoder> Stage<E> {
    /// Draws both players from the seed of the configuration.
    ///
    /// # Errors
    ///
    /// [`TrainError::Misfit`] if the networks do not fit the encoder.
    pub fn new(
        config: AutoencoderTraining,
        encoder: E,
        perceptual: Box<dyn Perceptual>,
        device: &Device,
    ) -> Result<Self, TrainError> {
        let misfit = config
            .autoencoder
            .misfit(encoder.channels(), encoder.patch_size());
        if let Some(reason) = misfit {
            return Err(TrainError::Misfit { reason });
        }
        let device = device.clone().autodiff();
        device.seed(config.seed);
        let generator = Generator::new(&config.autoencoder, &device);
        let critic = config
            .critic
            .as_ref()
            .map(|Adversary { network, .. }| name_parameters(network.init(&device), "critic"));
        let average = config
            .average_decay
            .map(|decay| Average::new(&generator.decoder, decay));
        let adam = adam(&config);
        Ok(Self {
            running: Running::new(config.statistics_momentum),
            encoder: Frozen::new(encoder),
            perceptual,
            generator,
            generator_optimizer: adam.init(),
            critic,
            critic_optimizer: adam.init(),
            average,
            device,
            config,
        })
    }

    /// Learns from the batches of step `number`, counted from 0.
    ///
    /// Gradients of several batches are averaged, so the reconstruction's part equals that of one large
    /// batch. What is a property of a batch stays one of each: the norms of the critic, the adaptive
    /// weight, and the statistics of the alignment.
    ///
    /// A step whose losses or gradients are not all finite changes nothing.
    ///
    /// # Shapes
    ///
    /// - batches: `[batch, 3, size, size]` each, in [-1, 1], on the plain device
    pub fn step(
        mut self,
        number: u64,
        learning_rate: f64,
        batches: &[Tensor<4>],
    ) -> (Self, StepReport) {
        let adversary = self.config.critic.clone();
        let active = |f: fn(&Adversary, u64) -> bool| {
            adversary
                .as_ref()
                .is_some_and(|adversary| f(adversary, number))
        };
        let generator_active = active(|a, n| a.start.generator_is_active(n));
        let critic_active = active(|a, n| a.start.critic_is_active(n));
        let critic_steps = active(|a, n| a.start.critic_steps(n));

        let mut of_generator = MeanGradients::new();
        let mut of_critic = MeanGradients::new();
        let mut terms = Vec::new();
        let mut statistics = Vec::new();
        for (index, images) in batches.iter().enumerate() {
            let (features, of_batch) = self.features(images.clone(), number, index as u64);
            statistics.extend(of_batch);
            let [_, _, height, width] = images.dims();
            let patch = self.encoder.patch_size();
            let decoder = &self.generator.decoder;
            let grid = [height / patch, width / patch];
            let (reconstructions, trunk) = decoder.forward_with_trunk(features, grid);
            let fake = reconstructions.clone().inner();
            let made = Reconstruction {
                images: fake.clone(),
                trunk: trunk.inner(),
                conv_out: &decoder.conv_out,
            };
            let step = self.config.objective.generator(
                made,
                images.clone(),
                &*self.perceptual,
                self.critic.as_ref(),
                generator_active,
            );
            let pulled = (reconstructions * step.gradient).sum().backward();
            let gradients = GradientsParams::from_grads(pulled, &self.generator);
            of_generator.add(&self.generator, gradients);
            let critic = self.critic.as_ref().filter(|_| critic_steps).map(|critic| {
                let objective = &self.config.objective;
                let step = objective.critic(critic, images.clone(), fake, critic_active);
                let gradients = GradientsParams::from_grads(step.gradients, critic);
                of_critic.add(critic, gradients);
                step.terms
            });
            terms.push((step.terms, critic));
        }

        let (gradients, norm) = of_generator.finish(&self.generator);
        let critic = self.critic.take().map(|critic| {
            let (gradients, norm) = of_critic.finish(&critic);
            (critic, gradients, norm)
        });
        let critic_norm = critic.as_ref().map_or(0.0, |(_, _, norm)| *norm);
        let mut scalars = scalars(&terms);
        scalars.push("gradient_norm", norm);
        if critic_steps {
            scalars.push("critic/gradient_norm", critic_norm);
        }
        let finite = scalars.iter().all(|(_, value)| value.is_finite());
        let finite = finite && statistics.iter().all(is_finite);
        if !finite {
            self.critic = critic.map(|(critic, ..)| self.cleaned(critic));
            return (
                self,
                StepReport {
                    scalars,
                    dropped: true,
                },
            );
        }

        self.generator = self
            .generator_optimizer
            .step(learning_rate, self.generator, gradients);
        self.critic = critic.map(|(critic, gradients, _)| match critic_steps {
            true => self.critic_optimizer.step(learning_rate, critic, gradients),
            false => critic,
        });
        let decoder = &self.generator.decoder;
        self.average = self.average.map(|average| average.update(decoder));
        statistics
            .into_iter()
            .for_each(|batch| self.running.update(batch));
        (
            self,
            StepReport {
                scalars,
                dropped: false,
            },
        )
    }

    /// Features on the graph, and the statistics of the batch if there is a residual.
    fn features(
        &self,
        images: Tensor<4>,
        step: u64,
        batch: u64,
    ) -> (Tensor<3>, Option<Statistics>) {
        let semantic = self.encoder.features(images.clone());
        let Some(residual) = &self.generator.residual else {
            return (Tensor::from_inner(semantic), None);
        };
        let mut random = random(Purpose::Residual, self.config.seed, step, batch);
        // Dropout draws from the device; its state is thus a function of the step.
        self.device.seed(random.next_u64());
        let count = images.dims()[0];
        let raw = residual.forward(Tensor::from_inner(images));
        let ratio = residual.config().mask_ratio;
        let masked: Vec<bool> = (0..count).map(|_| fraction(&mut random) < ratio).collect();
        // Also where none is masked: the token's moments decay like all others.
        let raw = residual.mask(raw, Tensor::from_data(masked.as_slice(), &self.device));
        let statistics = Statistics::of(semantic.clone(), raw.clone().inner());
        let aligned = match self.config.autoencoder.alignment {
            Alignment::None => raw,
            // Also where frozen statistics are gathered: as in batch normalisation, training uses those
            // of the batch, so that the residual network can move while the decoder sees one scale.
            Alignment::Batch | Alignment::Frozen => align(raw, &statistics),
        };
        let features = Tensor::cat(vec![Tensor::from_inner(semantic), aligned], 2);
        (features, Some(statistics))
    }

    /// The model as it stands, for inference: averaged where there is an average, frozen where there are
    /// statistics.
    pub fn model(&self) -> SvgAutoencoder<E> {
        let config = &self.config.autoencoder;
        let alignment = match (config.alignment, self.running.statistics) {
            (Alignment::Frozen, None) => Alignment::Batch,
            (alignment, _) => alignment,
        };
        let config = AutoencoderConfig {
            alignment,
            ..config.clone()
        };
        let residual = self.generator.residual.as_ref().map(Module::valid);
        let encoder = (*self.encoder).clone();
        config.join(encoder, residual, self.decoder(), self.running.statistics)
    }

    /// The decoder for inference: the average if there is one.
    pub fn decoder(&self) -> Decoder {
        match &self.average {
            Some(average) => average.network().clone(),
            None => self.generator.decoder.valid(),
        }
    }

    /// A batch without finite numbers has passed through the critic's norms. Their running statistics,
    /// which no training step reads, begin anew.
    fn cleaned(&self, critic: Critic) -> Critic {
        let Some(adversary) = &self.config.critic else {
            return critic;
        };
        let tensors = critic.checkpoint_tensors().into_iter().map(finite_or_fresh);
        let network = &adversary.network;
        let loaded = network.load(tensors.collect(), "memory", &self.device);
        name_parameters(loaded.expect("its own tensors fit"), "critic")
    }
}

pub(super) fn adam(config: &AutoencoderTraining) -> AdamConfig {
    let settings = &config.optimizer;
    AdamConfig::new()
        .with_beta_1(settings.beta_1)
        .with_beta_2(settings.beta_2)
        .with_epsilon(settings.epsilon)
}

fn is_finite(statistics: &Statistics) -> bool {
    let Statistics { semantic, residual } = statistics;
    [semantic.mean, semantic.std, residual.mean, residual.std]
        .iter()
        .all(|value| value.is_finite())
}

fn finite_or_fresh(tensor: svg_nn::StoredTensor) -> svg_nn::StoredTensor {
    let fresh = match tensor.name.rsplit('.').next() {
        Some("running_mean") => 0.0f32,
        Some("running_var") => 1.0,
        _ => return tensor,
    };
    let (name, dtype, shape) = (tensor.name.clone(), tensor.dtype, tensor.shape.clone());
    burn::store::bridge::map_data(tensor, name, dtype, shape, move |data| {
        let shape = data.shape();
        let values: Vec<f32> = data.iter::<f32>().collect();
        match values.iter().all(|value| value.is_finite()) {
            true => data,
            false => burn::tensor::TensorData::new(vec![fresh; values.len()], shape),
        }
    })
}

/// Means over the batches of a step.
fn scalars(terms: &[(GeneratorTerms, Option<CriticTerms>)]) -> Scalars {
    let mean = |values: &mut dyn Iterator<Item = Option<f64>>| {
        let values: Vec<f64> = values.flatten().collect();
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    };
    let of = |value: fn(&GeneratorTerms) -> Option<f64>| {
        mean(&mut terms.iter().map(|(terms, _)| value(terms)))
    };
    let of_critic = |value: fn(&CriticTerms) -> f64| {
        mean(&mut terms.iter().map(|(_, terms)| terms.as_ref().map(value)))
    };
    let all = [
        ("loss", of(|t| Some(t.total))),
        ("reconstruction", of(|t| Some(t.rec))),
        ("l1", of(|t| Some(t.l1))),
        ("perceptual", of(|t| Some(t.perceptual))),
        ("adversarial", of(|t| t.adversarial.map(|t| t.g))),
        (
            "adversarial_weight",
            of(|t| t.adversarial.map(|t| t.weight)),
        ),
        ("critic/loss", of_critic(|t| t.loss)),
        ("critic/logits_real", of_critic(|t| t.logits_real)),
        ("critic/logits_fake", of_critic(|t| t.logits_fake)),
    ];
    let mut scalars = Scalars::new();
    for (name, value) in all {
        if let Some(value) = value {
            scalars.push(name, value);
        }
    }
    scalars
}
