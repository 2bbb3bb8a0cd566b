//! SiT in training.

use burn::prelude::*;
use serde::{Deserialize, Serialize};
use svg_model::kinds;
use svg_nn::StoredTensor;
use svg_roles::{Geometry, VelocitySpec};
use svg_sit::{Sit, SitConfig, checkpoint_tensors};
use svg_store::{Checked, below};

use crate::TrainError;
use crate::flow::{FlowInputs, FlowNetwork, FlowTraining, misfit, train_network};
use crate::run::{Ended, Network, NetworkKind, Observer};

/// The velocity network of a [`FlowTraining`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum FlowKind {
    /// SiT.
    #[serde(rename = "sit")]
    Sit(SitConfig),
}

impl FlowKind {
    /// The configuration of SiT, if it is of that kind.
    pub fn sit(&self) -> Option<&SitConfig> {
        let Self::Sit(config) = self;
        Some(config)
    }

    /// As [`sit`](Self::sit), to change it.
    pub fn sit_mut(&mut self) -> Option<&mut SitConfig> {
        let Self::Sit(config) = self;
        Some(config)
    }
}

impl From<SitConfig> for FlowKind {
    fn from(config: SitConfig) -> Self {
        Self::Sit(config)
    }
}

impl NetworkKind for FlowKind {
    const KINDS: &'static [&'static str] = &["sit"];

    fn invalid(&self) -> Option<String> {
        let Self::Sit(sit) = self;
        below("sit", sit.problem())
    }
}

impl FlowTraining {
    /// What does not fit between the network of this configuration, the latents and their classes, in words;
    /// `None` if all fits.
    pub fn misfit(&self, latents: Geometry, classes: &[String]) -> Option<String> {
        let FlowKind::Sit(sit) = &self.network;
        misfit(Sit::spec_of(sit), Sit::FIELDS, latents, classes)
    }
}

/// Trains a flow, or goes on training one.
///
/// # Errors
///
/// [`TrainError`] of every kind; whatever it is, the newest checkpoint is whole.
pub fn train(
    config: FlowTraining,
    inputs: FlowInputs,
    device: &Device,
    observer: &mut dyn Observer,
) -> Result<Ended, TrainError> {
    let FlowKind::Sit(sit) = config.network.clone();
    train_network::<Sit, _>(config, sit, inputs, device, observer)
}

impl Network for Sit {
    type Config = SitConfig;

    fn init(config: &SitConfig, device: &Device) -> Self {
        config.init(device)
    }

    fn tensors(&self) -> Vec<StoredTensor> {
        checkpoint_tensors(self)
    }

    fn load(
        config: &SitConfig,
        tensors: Vec<StoredTensor>,
        source: &str,
        device: &Device,
    ) -> Result<Self, TrainError> {
        Ok(svg_sit::load(config, tensors, source, device)?)
    }
}

impl FlowNetwork for Sit {
    const KIND: &'static str = kinds::SIT;
    const FIELDS: [&'static str; 4] = [
        "sit.in_channels",
        "sit.rows",
        "sit.columns",
        "sit.n_classes",
    ];

    fn spec_of(config: &SitConfig) -> VelocitySpec {
        VelocitySpec {
            grid: [config.rows, config.columns],
            channels: config.in_channels,
            classes: config.n_classes,
        }
    }

    fn with_gradient_checkpointing(self, checkpointing: bool) -> Self {
        Sit::with_gradient_checkpointing(self, checkpointing)
    }
}
