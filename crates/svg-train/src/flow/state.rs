//! A stage on disk.

use std::collections::HashMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use svg_nn::{TensorFile, save_tensors};
use svg_sit::{checkpoint_tensors, load};

use crate::TrainError;
use crate::average::Average;
use crate::flow::FlowStage;
use crate::flow::stage::adamw;
use crate::identity::name_parameters;
use crate::optimizer::{load_optimizer, save_optimizer};
use crate::run::Identity;

const NETWORK: &str = "flow.safetensors";
const AVERAGE: &str = "average.safetensors";
const OPTIMIZER: &str = "optimizer.bpk";

/// What a flow learns from, beside pictures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FlowIdentity {
    /// The fingerprint of the features.
    pub features: String,
    /// The fingerprint of the statistics that make latents of them.
    pub statistics: String,
    /// What kind of [`LatentSource`](crate::flow::LatentSource).
    pub latents: String,
}

impl Identity for FlowIdentity {
    fn differs(&self, now: &Self) -> Option<String> {
        if self.features != now.features {
            return Some(format!(
                "it began with a bundle whose features are {}, those of this one are {}; name that one \
                 with --bundle",
                short(&self.features),
                short(&now.features)
            ));
        }
        if self.statistics != now.statistics {
            return Some(format!(
                "it began with the latent statistics {}, the bundle now has {}; name a bundle with those, \
                 or begin another run",
                short(&self.statistics),
                short(&now.statistics)
            ));
        }
        let (began, given) = (&self.latents, &now.latents);
        (began != given).then(|| {
            format!(
                "it began with latents of {began}, now there are {given}; give the same --data or --cache"
            )
        })
    }
}

fn short(fingerprint: &str) -> &str {
    fingerprint.get(..12).unwrap_or(fingerprint)
}

impl FlowStage {
    /// Writes everything that learning goes on from into a folder.
    ///
    /// # Errors
    ///
    /// [`TrainError::Load`] or [`TrainError::System`] if a file cannot be written.
    pub fn save(&self, folder: &Path) -> Result<(), TrainError> {
        let put =
            |name: &str, tensors: &[_]| save_tensors(&folder.join(name), tensors, HashMap::new());
        put(NETWORK, &checkpoint_tensors(&self.sit))?;
        put(AVERAGE, &checkpoint_tensors(self.average.network()))?;
        save_optimizer(&self.optimizer, &folder.join(OPTIMIZER))
    }

    /// Takes up what [`save`](Self::save) has written.
    ///
    /// # Errors
    ///
    /// [`TrainError::Load`] or [`TrainError::System`] if a file cannot be read or does not fit.
    pub fn restore(mut self, folder: &Path) -> Result<Self, TrainError> {
        let source = folder.display().to_string();
        let open =
            |name: &str| Ok::<_, TrainError>(TensorFile::open(folder.join(name))?.into_tensors());
        let config = &self.config.sit;
        let plain = self.device.clone().without_autodiff();
        let sit = load(config, open(NETWORK)?, &source, &self.device)?;
        let average = load(config, open(AVERAGE)?, &source, &plain)?;
        self.sit = name_parameters(sit, "flow");
        self.average = Average::new(&average, self.config.average_decay);
        self.optimizer = load_optimizer(adamw(&self.config), &folder.join(OPTIMIZER))?;
        Ok(self)
    }
}
