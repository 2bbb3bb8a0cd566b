//! The part of SVG's autoencoder that learns.

use burn::prelude::*;
use svg_decoder::{Decoder, DecoderConfig};
use svg_model::{AutoencoderConfig, autoencoder_tensors, load_autoencoder};
use svg_nn::StoredTensor;
use svg_residual::ResidualEncoder;

use crate::TrainError;
use crate::run::Network;

/// What learns: all that the optimiser sees.
#[derive(Module, Debug)]
pub struct Generator {
    /// The residual encoder, if there is one.
    pub residual: Option<ResidualEncoder>,
    /// The decoder.
    pub decoder: Decoder,
}

impl Network for Generator {
    type Config = AutoencoderConfig;

    fn init(config: &AutoencoderConfig, device: &Device) -> Self {
        Self {
            residual: config.residual.as_ref().map(|config| config.init(device)),
            decoder: config.decoder.init(device),
        }
    }

    /// Under the names of a published checkpoint.
    fn tensors(&self) -> Vec<StoredTensor> {
        autoencoder_tensors(self.residual.as_ref(), &self.decoder)
    }

    fn load(
        config: &AutoencoderConfig,
        tensors: Vec<StoredTensor>,
        source: &str,
        device: &Device,
    ) -> Result<Self, TrainError> {
        let (residual, decoder) = load_autoencoder(config, tensors, source, device)?;
        Ok(Self { residual, decoder })
    }
}

impl Network for Decoder {
    type Config = DecoderConfig;

    fn init(config: &DecoderConfig, device: &Device) -> Self {
        config.init(device)
    }
}
