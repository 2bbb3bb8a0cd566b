//! SVG's autoencoder in training: a frozen encoder, a residual encoder beside it, and a decoder.

mod autoencoder;
mod generator;

use std::sync::Arc;

use burn::prelude::*;
use serde::{Deserialize, Serialize};
use svg_model::{AutoencoderConfig, NewEncoder};
use svg_roles::Encoder;
use svg_store::{Checked, below};

pub use self::autoencoder::Svg;
pub use self::generator::Generator;
use crate::TrainError;
use crate::autoencoder::{AutoencoderTraining, Perceptual, RunInputs, train_network};
use crate::run::{Ended, NetworkKind, Observer};

/// The networks of an [`AutoencoderTraining`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum AutoencoderKind {
    /// SVG's residual encoder and decoder.
    #[serde(rename = "autoencoder")]
    Svg(AutoencoderConfig),
}

impl AutoencoderKind {
    /// The configuration of SVG's networks, if it is of that kind.
    pub fn svg(&self) -> Option<&AutoencoderConfig> {
        let Self::Svg(config) = self;
        Some(config)
    }

    /// As [`svg`](Self::svg), to change it.
    pub fn svg_mut(&mut self) -> Option<&mut AutoencoderConfig> {
        let Self::Svg(config) = self;
        Some(config)
    }
}

impl From<AutoencoderConfig> for AutoencoderKind {
    fn from(config: AutoencoderConfig) -> Self {
        Self::Svg(config)
    }
}

impl NetworkKind for AutoencoderKind {
    const KINDS: &'static [&'static str] = &["autoencoder"];

    fn invalid(&self) -> Option<String> {
        let Self::Svg(config) = self;
        below("autoencoder", config.problem())
    }

    fn patch_size(&self) -> usize {
        let Self::Svg(config) = self;
        config.decoder.upsampling()
    }
}

/// Trains an autoencoder beside a frozen encoder, or goes on training one. `part` is how the bundle will refer
/// to the encoder.
///
/// # Errors
///
/// [`TrainError`] of every kind; whatever it is, the newest checkpoint is whole.
pub fn train(
    config: AutoencoderTraining,
    encoder: Arc<dyn Encoder>,
    part: NewEncoder,
    inputs: RunInputs,
    perceptual: Box<dyn Perceptual>,
    device: &Device,
    observer: &mut dyn Observer,
) -> Result<Ended, TrainError> {
    let AutoencoderKind::Svg(networks) = config.network.clone();
    let mut svg = Svg::new(&config, &networks, encoder)?;
    svg.part = Some(part);
    train_network(config, svg, networks, inputs, perceptual, device, observer)
}
