//! One step of the first stage.

use std::path::Path;
use std::sync::Arc;

use burn::optim::{AdamConfig, GradientsParams};
use burn::prelude::*;
use svg_nn::StoredTensor;
use svg_roles::LatentSpace;

use crate::TrainError;
use crate::autoencoder::{
    Adversary, AutoencoderTraining, Critic, Perceptual, Reconstruction, Start, TrainableAutoencoder,
};
use crate::kinds::AutoencoderKind;
use crate::log::Scalars;
use crate::run::gradients::{Change, moved};
use crate::run::{
    Average, Files, Found, Group, Network, NetworkKind, Place, Player, PlayerNames, Replicas,
    Stage, Team, Unread,
};

const GENERATOR: PlayerNames = PlayerNames {
    root: "generator",
    network: "generator.safetensors",
    optimizer: "generator-optimizer.bpk",
};
const CRITIC: PlayerNames = PlayerNames {
    root: "critic",
    network: "critic.safetensors",
    optimizer: "critic-optimizer.bpk",
};
const AVERAGE: &str = "average.safetensors";

/// Both players, their optimisers, and what is gathered on the way.
///
/// On several devices each shard is a batch of its own in what is a property of a batch: the statistics of
/// the alignment, the norms of the critic and the adaptive weight. Running alignment statistics are averaged
/// over the shards; the critic's running statistics, which no training step reads, are those of the first
/// device.
pub struct AutoencoderStage<T: TrainableAutoencoder, C = AutoencoderKind> {
    config: AutoencoderTraining<C>,
    /// Where gradients are.
    device: Device,
    /// The autoencoder's frozen parts on each device; the first gathers what is observed.
    autoencoders: Vec<T>,
    /// The perceptual distance on each device.
    perceptuals: Vec<Box<dyn Perceptual>>,
    generator: Player<T::Network>,
    critic: Option<Player<Critic>>,
    average: Option<Average<T::Averaged>>,
    replicas: Replicas,
}

/// All that learns.
#[derive(Module, Debug)]
pub struct Players<N: Network> {
    /// The autoencoder's network.
    pub generator: N,
    /// Its adversary.
    pub critic: Option<Critic>,
}

impl<T: TrainableAutoencoder, C: NetworkKind> AutoencoderStage<T, C> {
    /// Draws both players from the seed of the configuration.
    pub fn new(
        config: AutoencoderTraining<C>,
        autoencoder: T,
        network: <T::Network as Network>::Config,
        perceptual: Box<dyn Perceptual>,
        device: &Device,
    ) -> Self {
        let device = device.clone().autodiff();
        device.seed(config.seed);
        let settings = config.optimizer;
        let adam = AdamConfig::new()
            .with_beta_1(settings.beta_1)
            .with_beta_2(settings.beta_2)
            .with_epsilon(settings.epsilon)
            .init();
        let generator = Player::<T::Network>::new(GENERATOR, network, adam.clone(), &device);
        let critic = config.critic.as_ref();
        let critic = critic.map(|Adversary { network, .. }| {
            Player::<Critic>::new(CRITIC, network.clone(), adam, &device)
        });
        let decay = config.average_decay;
        let average = decay.map(|decay| Average::new(T::averaged(generator.network()), decay));
        Self {
            autoencoders: vec![autoencoder],
            perceptuals: vec![perceptual],
            generator,
            critic,
            average,
            replicas: Replicas::new(vec![device.clone()]),
            device,
            config,
        }
    }

    /// The same on several devices, the first of which is the one that it was made on. They take equal shares
    /// of every batch.
    pub fn with_replicas(mut self, replicas: Replicas) -> Self {
        self.autoencoders.truncate(1);
        self.perceptuals.truncate(1);
        for device in &replicas.devices()[1..] {
            let autoencoder = self.autoencoders[0].to_device(device);
            self.autoencoders.push(autoencoder);
            let perceptual = self.perceptuals[0].to_device(device);
            self.perceptuals.push(perceptual);
        }
        self.replicas = replicas;
        self
    }

    /// The autoencoder's frozen parts, and what was gathered.
    pub fn autoencoder(&self) -> &T {
        &self.autoencoders[0]
    }

    /// The autoencoder's network, with gradients.
    pub(crate) fn network(&self) -> &T::Network {
        self.generator.network()
    }

    /// The averaged part of the network, if there is an average.
    pub(crate) fn averaged(&self) -> Option<&T::Averaged> {
        self.average.as_ref().map(Average::network)
    }

    /// The model as it is now, for inference: averaged where there is an average.
    pub fn model(&self) -> Arc<dyn LatentSpace> {
        self.autoencoder().model(self.network(), self.averaged())
    }

    /// The critic's weights under the names that they have in a published checkpoint.
    pub(crate) fn critic_tensors(&self) -> Vec<StoredTensor> {
        let critic = self.critic.as_ref();
        let mut tensors = critic.map_or(vec![], |critic| critic.network().tensors());
        for tensor in &mut tensors {
            tensor.name = format!("loss.discriminator.{}", tensor.name);
        }
        tensors
    }

    /// Whether there is an adversary that does so at a step.
    fn adversary(&self, does: fn(Start, u64) -> bool, step: u64) -> bool {
        let adversary = self.config.critic.as_ref();
        adversary.is_some_and(|adversary| does(adversary.start, step))
    }
}

impl<T: TrainableAutoencoder, C: NetworkKind> Stage for AutoencoderStage<T, C> {
    type Networks = Players<T::Network>;
    /// `[batch, 3, size, size]` in [-1, 1], on the plain device.
    type Batch = Tensor<4>;
    type Observed = Vec<T::Observed>;

    fn replicas(&self) -> &Replicas {
        &self.replicas
    }

    fn networks(&self) -> Players<T::Network> {
        let critic = self.critic.as_ref();
        Players {
            generator: self.network().clone(),
            critic: critic.map(|critic| critic.network().clone()),
        }
    }

    fn groups(&self, step: u64) -> Vec<Group> {
        let group = |path, scalar| Group {
            path,
            scalar,
            longest: None,
        };
        let mut groups = vec![group("generator", "gradient_norm")];
        if self.adversary(Start::critic_steps, step) {
            groups.push(group("critic", "critic/gradient_norm"));
        }
        groups
    }

    /// Gradients of several batches are averaged, so the reconstruction's part equals that of one large
    /// batch. What is a property of a batch stays one of each.
    fn gradients(
        &self,
        team: &Team<'_, Self::Networks>,
        place: Place,
        images: Tensor<4>,
    ) -> Found<Self::Observed> {
        let objective = &self.config.objective;
        let generator_active = self.adversary(Start::generator_is_active, place.step);
        let critic_active = self.adversary(Start::critic_is_active, place.step);
        let critic_steps = self.adversary(Start::critic_steps, place.step);
        let shards = team.shards(images.dims()[0], |shard| (shard.of(&images), shard));
        let (found, gradients) = team.gradients(shards, |players, (images, shard)| {
            let autoencoder = &self.autoencoders[shard.index];
            let pass = autoencoder.pass(&players.generator, images.clone(), place, &shard);
            let fake = pass.images.clone().inner();
            let made = Reconstruction {
                images: fake.clone(),
                trunk: pass.trunk.inner(),
                conv_out: &pass.last,
            };
            let step = objective.generator(
                made,
                images.clone(),
                &*self.perceptuals[shard.index],
                players.critic.as_ref(),
                generator_active,
            );
            let mut pulled = (pass.images * Tensor::from_inner(step.gradient)).sum();
            if let Some(more) = pass.more {
                pulled = pulled + more;
            }
            let generator = &players.generator;
            let mut gradients = GradientsParams::from_grads(pulled.backward(), generator);
            let critic = players.critic.as_ref().filter(|_| critic_steps);
            let mut scalars = step.terms;
            if let Some(critic) = critic {
                let step = objective.critic(critic, images, fake, critic_active);
                let mut own = GradientsParams::from_grads(step.gradients, critic);
                gradients = moved(&mut own, critic, gradients, Change::None);
                scalars = scalars.and(step.terms);
            }
            let scalars = scalars.and(Unread::known(pass.terms));
            ((pass.finite, (scalars, pass.observed)), gradients)
        });
        let (finite, found): (Vec<bool>, Vec<_>) = found.into_iter().unzip();
        let finite = finite.into_iter().all(|finite| finite);
        let (scalars, observed) = found.into_iter().unzip();
        Found {
            scalars,
            remarks: Unread::known(Scalars::new()),
            gradients,
            observed,
            finite,
        }
    }

    fn learn(
        &mut self,
        step: u64,
        rate: f64,
        mut gradients: GradientsParams,
        observed: Vec<Self::Observed>,
    ) {
        self.generator.learn(rate, &mut gradients);
        let steps = self.adversary(Start::critic_steps, step);
        if let Some(critic) = self.critic.as_mut().filter(|_| steps) {
            critic.learn(rate, &mut gradients);
        }
        if let Some(average) = &mut self.average {
            average.update(T::averaged(self.generator.network()));
        }
        for batch in observed {
            self.autoencoders[0].observe(batch);
        }
    }

    /// A batch with numbers that are not finite has passed through the critic's norms. Their running
    /// statistics, which no training step reads, begin anew.
    fn recover(&mut self) {
        if let Some(critic) = &mut self.critic {
            let tensors = critic.network().tensors().into_iter();
            let tensors = tensors.map(finite_or_fresh).collect();
            let loaded = critic.load(tensors, "memory");
            loaded.expect("its own tensors fit");
        }
    }

    fn save(&self, files: &mut Files<'_>) -> Result<(), TrainError> {
        self.generator.save(files)?;
        if let Some(critic) = &self.critic {
            critic.save(files)?;
        }
        if let Some(average) = &self.average {
            average.save(files, AVERAGE)?;
        }
        let autoencoder = self.autoencoder().clone();
        files.write(move |folder| autoencoder.save(folder))
    }

    fn restore(&mut self, folder: &Path) -> Result<(), TrainError> {
        self.generator.restore(folder)?;
        if let Some(critic) = &mut self.critic {
            critic.restore(folder)?;
        }
        if let Some(average) = &mut self.average {
            let config = T::averaged_config(self.generator.config());
            average.restore(&config, folder, AVERAGE, &self.device)?;
        }
        self.autoencoders[0].restore(folder)
    }
}

fn finite_or_fresh(tensor: StoredTensor) -> StoredTensor {
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
