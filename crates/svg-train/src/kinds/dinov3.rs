//! DINOv3 in training.

use std::path::{Path, PathBuf};

use burn::prelude::*;
use serde::{Deserialize, Serialize};
use svg_dino::{Dino, DinoConfig, DinoFile, Layout, RopePeriods};
use svg_model::ModelError;
use svg_roles::{EncoderSpec, Tokens};
use svg_store::{Checked, below};

use crate::TrainError;
use crate::pretrain::{Backbone, PretrainInputs, Pretraining, train_network};
use crate::run::{Ended, Network, NetworkKind, Observer};

/// The network of a [`Pretraining`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum EncoderKind {
    /// DINOv3.
    #[serde(rename = "dino")]
    Dino(DinoConfig),
}

impl EncoderKind {
    /// The configuration of DINOv3, if it is of that kind.
    pub fn dino(&self) -> Option<&DinoConfig> {
        let Self::Dino(config) = self;
        Some(config)
    }

    /// As [`dino`](Self::dino), to change it.
    pub fn dino_mut(&mut self) -> Option<&mut DinoConfig> {
        let Self::Dino(config) = self;
        Some(config)
    }
}

impl From<DinoConfig> for EncoderKind {
    fn from(config: DinoConfig) -> Self {
        Self::Dino(config)
    }
}

impl NetworkKind for EncoderKind {
    const KINDS: &'static [&'static str] = &["dino"];

    fn invalid(&self) -> Option<String> {
        let Self::Dino(dino) = self;
        below("dino", dino.problem()).or_else(|| unwritable(dino))
    }

    fn patch_size(&self) -> usize {
        let Self::Dino(dino) = self;
        dino.patch_size
    }
}

/// Trains an encoder by self-distillation, or goes on training one.
///
/// # Errors
///
/// [`TrainError`] of every kind; whatever it is, the newest checkpoint is whole.
pub fn train(
    config: Pretraining,
    inputs: PretrainInputs,
    device: &Device,
    observer: &mut dyn Observer,
) -> Result<Ended, TrainError> {
    let EncoderKind::Dino(dino) = config.network.clone();
    train_network::<Dino, _>(config, dino, inputs, device, observer)
}

impl Network for Dino {
    type Config = DinoConfig;

    fn init(config: &DinoConfig, device: &Device) -> Self {
        config.init(device)
    }
}

impl Backbone for Dino {
    fn spec_of(config: &DinoConfig) -> EncoderSpec {
        EncoderSpec {
            name: config.description(),
            channels: config.d_model,
            patch_size: config.patch_size,
        }
    }

    fn masked(&self, images: Tensor<4>, mask: Tensor<2, Bool>) -> Tokens {
        let output = self.forward_masked(self.normalize(images), mask);
        Tokens {
            patches: output.patches,
            summary: Some(output.cls),
            grid: output.grid,
        }
    }

    /// In official names.
    fn write(&self, note: String, path: &Path) -> Result<PathBuf, TrainError> {
        let file = DinoFile::of(self).with_origin(note);
        let saved = file.save(Layout::Official, path);
        Ok(saved.map_err(ModelError::from)?)
    }
}

/// Periods of the rotation are rounded to bfloat16 in official files, and an encoder with others would be another one
/// when it is opened again.
fn unwritable(dino: &DinoConfig) -> Option<String> {
    let is_exact = dino.rope_periods == RopePeriods::Exact;
    is_exact.then(|| {
        "dino.rope_periods is \"Exact\"; the file of an encoder cannot say that, so set it to \"Bf16Rounded\"".into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::Training;

    fn dino(change: impl Fn(DinoConfig) -> DinoConfig) -> Pretraining<EncoderKind> {
        let config = Pretraining::smallest();
        let EncoderKind::Dino(dino) = config.network;
        Pretraining {
            network: EncoderKind::Dino(change(dino)),
            ..config
        }
    }

    #[test]
    fn periods_that_the_file_of_an_encoder_cannot_say_are_refused() {
        let exact = dino(|dino| dino.with_rope_periods(RopePeriods::Exact));
        let error = Pretraining::<EncoderKind>::from_json(&exact.to_json()).unwrap_err();
        assert!(error.contains("so set it to \"Bf16Rounded\""), "{error}");
    }

    #[test]
    fn the_file_of_an_encoder_says_what_is_unusual_of_it() {
        let unusual = dino(|dino| dino.satellite().with_rope_base(50.0).with_norm_eps(1e-6));
        let read = Pretraining::<EncoderKind>::from_json(&unusual.to_json()).unwrap();
        let EncoderKind::Dino(config) = read.network;
        let place = tempfile::tempdir().unwrap();
        let trained = <Dino as Network>::init(&config, &Device::default());
        let path = place.path().join("encoder.safetensors");
        let path = trained.write("trained".into(), &path).unwrap();
        let found = DinoFile::open(path).unwrap().config().clone();
        // The scale at which blocks begin is no part of a trained network.
        assert_eq!(found.with_layer_scale(config.layer_scale), config);
    }
}
