//! A stage on disk.

use std::collections::HashMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use svg_model::{FeatureEncoder, StoredStatistics};
use svg_nn::{TensorFile, load_exact, module_tensors, save_tensors};

use crate::TrainError;
use crate::autoencoder::stage::adam;
use crate::autoencoder::{Generator, Stage};
use crate::average::Average;
use crate::identity::name_parameters;
use crate::optimizer::{load_optimizer, save_optimizer};
use crate::run::{Identity, Standing};

const GENERATOR: &str = "generator.safetensors";
const CRITIC: &str = "critic.safetensors";
const AVERAGE: &str = "average.safetensors";
const GENERATOR_OPTIMIZER: &str = "generator-optimizer.bpk";
const CRITIC_OPTIMIZER: &str = "critic-optimizer.bpk";
const STATISTICS: &str = "statistics.safetensors";

/// Where a run stands, beside its weights.
pub type RunState = Standing<AutoencoderIdentity>;

/// What an autoencoder learns from, beside pictures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AutoencoderIdentity {
    /// Which encoder.
    pub encoder: String,
    /// What stands for the eye.
    pub perceptual: String,
}

impl Identity for AutoencoderIdentity {
    fn differs(&self, now: &Self) -> Option<String> {
        if self.encoder != now.encoder {
            let reason = "it began with another encoder; name that one with --encoder";
            return Some(reason.to_string());
        }
        let (began, given) = (&self.perceptual, &now.perceptual);
        (began != given).then(|| {
            format!(
                "it began with {began} as its perceptual loss, now there is {given}; give the same --vgg"
            )
        })
    }
}

impl<E: FeatureEncoder> Stage<E> {
    /// Writes everything that learning goes on from into a folder.
    ///
    /// # Errors
    ///
    /// [`TrainError::Load`] or [`TrainError::System`] if a file cannot be written.
    pub fn save(&self, folder: &Path) -> Result<(), TrainError> {
        let put =
            |name: &str, tensors: &[_]| save_tensors(&folder.join(name), tensors, HashMap::new());
        put(GENERATOR, &self.generator.tensors())?;
        save_optimizer(&self.generator_optimizer, &folder.join(GENERATOR_OPTIMIZER))?;
        if let Some(critic) = &self.critic {
            put(CRITIC, &critic.checkpoint_tensors())?;
            save_optimizer(&self.critic_optimizer, &folder.join(CRITIC_OPTIMIZER))?;
        }
        if let Some(average) = &self.average {
            put(AVERAGE, &module_tensors(average.network()))?;
        }
        if let Some(statistics) = self.running.statistics {
            let source = "running average in training".to_string();
            StoredStatistics { statistics, source }.save(&folder.join(STATISTICS))?;
        }
        Ok(())
    }

    /// Takes up what [`save`](Self::save) has written.
    ///
    /// # Errors
    ///
    /// [`TrainError::Load`] or [`TrainError::System`] if a file cannot be read or does not fit.
    pub fn restore(mut self, folder: &Path) -> Result<Self, TrainError> {
        let open = |name: &str| TensorFile::open(folder.join(name));
        let source = folder.display().to_string();
        let config = self.config.autoencoder.clone();
        let tensors = open(GENERATOR)?.into_tensors();
        self.generator = Generator::load(&config, tensors, &source, &self.device)?;
        let fresh = || adam(&self.config).init();
        self.generator_optimizer = load_optimizer(fresh(), &folder.join(GENERATOR_OPTIMIZER))?;
        if let Some(adversary) = &self.config.critic {
            let tensors = open(CRITIC)?.into_tensors();
            let critic = adversary.network.load(tensors, &source, &self.device)?;
            self.critic = Some(name_parameters(critic, "critic"));
            self.critic_optimizer = load_optimizer(fresh(), &folder.join(CRITIC_OPTIMIZER))?;
        }
        if let Some(decay) = self.config.average_decay {
            let plain = self.device.clone().without_autodiff();
            let tensors = open(AVERAGE)?.into_tensors();
            let decoder = load_exact(config.decoder.init(&plain), tensors, &source)?;
            self.average = Some(Average::new(&decoder, decay));
        }
        let statistics = folder.join(STATISTICS);
        self.running.statistics = match statistics.exists() {
            true => Some(StoredStatistics::load(&statistics)?.statistics),
            false => None,
        };
        Ok(self)
    }
}
