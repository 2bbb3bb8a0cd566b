//! DINOv3 in training.

use std::path::{Path, PathBuf};

use burn::prelude::*;
use serde::{Deserialize, Serialize};
use svg_dino::{Dino, DinoConfig, DinoFile, Layout, PixelStatistics, RopePeriods};
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

/// What a file in official names cannot store of a network, in words and with what to set. Such an encoder
/// would be another one when it is opened again.
fn unwritable(dino: &DinoConfig) -> Option<String> {
    // What differs is all that matters, so the rest may be the network's own.
    let official = dino
        .clone()
        .with_rope_periods(RopePeriods::Bf16Rounded)
        .with_rope_base(100.0)
        .with_norm_eps(1e-5)
        .with_pixels(PixelStatistics::IMAGENET);
    let [given, official] = [dino, &official]
        .map(|config| serde_json::to_value(config).expect("plain fields always serialise"));
    let fields = official.as_object()?;
    let (name, value) = fields
        .iter()
        .find(|(name, value)| given[*name] != **value)?;
    let given = &given[name];
    Some(format!(
        "dino.{name} is {given}; the file of an encoder cannot say anything else, so set it to {value}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::Training;

    #[test]
    fn what_the_file_of_an_encoder_cannot_say_is_refused() {
        fn check(change: impl Fn(DinoConfig) -> DinoConfig, expected: &str) {
            let config = Pretraining::smallest();
            let EncoderKind::Dino(dino) = config.network;
            let config = Pretraining {
                network: EncoderKind::Dino(change(dino)),
                ..config
            };
            let error = Pretraining::<EncoderKind>::from_json(&config.to_json()).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        check(
            |dino| dino.with_rope_periods(RopePeriods::Exact),
            "dino.rope_periods is \"Exact\"; the file of an encoder cannot say anything else, so set it to \
             \"Bf16Rounded\"",
        );
        check(|dino| dino.with_rope_base(50.0), "so set it to 100.0");
        check(|dino| dino.with_norm_eps(1e-6), "so set it to 0.00001");
        check(
            |dino| dino.satellite(),
            "so set it to {\"mean\":[0.485,0.456,0.406],\"std\":[0.229,0.224,0.225]}",
        );
    }
}
