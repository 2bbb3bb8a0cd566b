//! What learns.

use burn::prelude::*;
use svg_decoder::Decoder;
use svg_model::{AutoencoderConfig, ModelError, autoencoder_tensors, load_autoencoder};
use svg_nn::StoredTensor;
use svg_residual::ResidualEncoder;

use crate::identity::name_parameters;

/// The autoencoder's learning half: all that its optimiser sees.
#[derive(Module, Debug)]
pub struct Generator {
    /// The residual encoder, if there is one.
    pub residual: Option<ResidualEncoder>,
    /// The decoder.
    pub decoder: Decoder,
}

impl Generator {
    /// Draws a generator on an autodiff device, whose seed decides the weights.
    pub fn new(config: &AutoencoderConfig, device: &Device) -> Self {
        Self::named(Self {
            residual: config.residual.as_ref().map(|config| config.init(device)),
            decoder: config.decoder.init(device),
        })
    }

    /// Takes the weights of a checkpoint.
    ///
    /// # Errors
    ///
    /// [`ModelError::Load`] with everything that does not fit.
    pub fn load(
        config: &AutoencoderConfig,
        tensors: Vec<StoredTensor>,
        source: &str,
        device: &Device,
    ) -> Result<Self, ModelError> {
        let (residual, decoder) = load_autoencoder(config, tensors, source, device)?;
        Ok(Self::named(Self { residual, decoder }))
    }

    /// The weights under the names of a published checkpoint.
    pub fn tensors(&self) -> Vec<StoredTensor> {
        autoencoder_tensors(self.residual.as_ref(), &self.decoder)
    }

    fn named(self) -> Self {
        name_parameters(self, "generator")
    }
}
