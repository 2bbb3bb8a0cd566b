//! What an autoencoder is made of.

use std::sync::Arc;

use burn::config::Config;
use burn::prelude::*;
use serde::{Deserialize, Serialize};
use svg_decoder::{Decoder, DecoderConfig};
use svg_nn::{Checked, below, first};
use svg_residual::{ResidualConfig, ResidualEncoder, Statistics};
use svg_roles::{Encoder, Geometry};

use super::{SvgAutoencoder, SvgEncoder};

/// Whose statistics the residual channels are moved to, and whose they are taken to have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Alignment {
    /// Those of the batch at hand, as in the published code: an image's features depend on its
    /// neighbours.
    Batch,
    /// Stored ones, gathered in training or over a data set: an image's features are its own.
    #[default]
    Frozen,
    /// No alignment: the residual as its network says it, for ablations.
    None,
}

/// Configuration of [`SvgAutoencoder`], without the frozen encoder, which is given.
#[derive(Config, Debug, PartialEq)]
pub struct AutoencoderConfig {
    /// The residual encoder; `None` for the frozen features alone.
    pub residual: Option<ResidualConfig>,
    /// The decoder.
    pub decoder: DecoderConfig,
    /// The alignment of the residual. Default: `Frozen`
    #[config(default = "Alignment::Frozen")]
    pub alignment: Alignment,
}

impl AutoencoderConfig {
    /// The released autoencoder on DINOv3 ViT-S+/16 at 256 x 256 pixels.
    pub fn svg() -> Self {
        Self::new(DecoderConfig::svg()).with_residual(Some(ResidualConfig::svg()))
    }

    /// Number of channels that the residual encoder adds.
    pub fn residual_channels(&self) -> usize {
        self.residual.as_ref().map_or(0, |config| config.channels)
    }

    /// What does not fit between an encoder and this configuration, in words; `None` if all fits.
    pub fn misfit(&self, channels: usize, patch_size: usize) -> Option<String> {
        let residual = self.residual_channels();
        let (total, taken) = (channels + residual, self.decoder.in_channels);
        if total != taken {
            return Some(format!(
                "the encoder has {channels} channels and the residual {residual}, together {total}, but \
                 decoder.in_channels is {taken}; set it to {total}"
            ));
        }
        let enlarged = self.decoder.upsampling();
        if enlarged != patch_size {
            return Some(format!(
                "the encoder's patches are {patch_size} pixels wide, but the decoder enlarges by {enlarged}; \
                 give decoder.width_multipliers another length"
            ));
        }
        let residual = self.residual.as_ref().map(|residual| residual.patch_size);
        let other = residual.filter(|found| *found != patch_size)?;
        Some(format!(
            "residual.patch_size is {other}, the encoder's {patch_size}; they must be equal"
        ))
    }

    /// How features lie over an image of the size that the autoencoder was made for.
    ///
    /// # Panics
    ///
    /// If `patch_size` is 0.
    pub fn geometry(&self, channels: usize, patch_size: usize) -> Geometry {
        let residual = self.residual.as_ref();
        let side = residual.map_or(self.decoder.resolution, |residual| residual.image_size);
        let channels = channels + self.residual_channels();
        Geometry::of_patches([side, side], patch_size, channels)
    }

    /// Initialises an autoencoder on a given encoder.
    ///
    /// Features can be computed in [`Alignment::Frozen`] once there are
    /// [statistics](SvgEncoder::statistics).
    ///
    /// # Panics
    ///
    /// If there can be no such networks or they do not fit; [`problem`](Checked::problem) and
    /// [`misfit`](Self::misfit) say so beforehand.
    pub fn init(&self, encoder: Arc<dyn Encoder>, device: &Device) -> SvgAutoencoder {
        let residual = self.residual.as_ref().map(|config| config.init(device));
        self.join(encoder, residual, self.decoder.init(device), None)
    }

    /// Joins parts that exist.
    ///
    /// # Panics
    ///
    /// If the encoder does not fit; [`misfit`](Self::misfit) says so beforehand.
    pub fn join(
        &self,
        encoder: Arc<dyn Encoder>,
        residual: Option<ResidualEncoder>,
        decoder: Decoder,
        statistics: Option<Statistics>,
    ) -> SvgAutoencoder {
        let spec = encoder.spec();
        if let Some(misfit) = self.misfit(spec.channels, spec.patch_size) {
            panic!("{misfit}");
        }
        SvgAutoencoder {
            encoder: SvgEncoder {
                semantic: encoder,
                residual,
                alignment: self.alignment,
                statistics,
            },
            decoder,
            geometry: self.geometry(spec.channels, spec.patch_size),
        }
    }
}

/// The networks make pictures of three channels, and without a residual encoder `decoder.resolution` is a multiple of
/// what the decoder enlarges by.
impl Checked for AutoencoderConfig {
    fn problem(&self) -> Option<String> {
        let (decoder, residual) = (&self.decoder, self.residual.as_ref());
        let networks = [
            below("decoder", decoder.problem()),
            below("residual", residual.and_then(Checked::problem)),
        ];
        first(networks).or_else(|| {
            let (channels, side, enlarged) =
                (decoder.out_channels, decoder.resolution, decoder.upsampling());
            if channels != 3 {
                return Some(format!(
                    "decoder.out_channels is {channels}; pictures have 3 channels, so set it to 3"
                ));
            }
            (residual.is_none() && !side.is_multiple_of(enlarged)).then(|| {
                format!(
                    "decoder.resolution is {side}; without a residual encoder it is the side of the images, \
                     which must be a multiple of {enlarged}"
                )
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use svg_store::strict_json;

    #[test]
    fn a_configuration_survives_its_json_and_a_typo_does_not() {
        let json = serde_json::to_string_pretty(&AutoencoderConfig::svg()).unwrap();
        let back: AutoencoderConfig = strict_json(&json).unwrap();
        assert_eq!(back, AutoencoderConfig::svg());
        let typo = json.replacen("\"n_layers\"", "\"n_layres\": 3, \"n_layers\"", 1);
        let error = strict_json::<AutoencoderConfig>(&typo).unwrap_err();
        assert!(error.contains("unknown field residual.n_layres"), "{error}");
        let missing = json.replacen("\"n_layers\"", "\"n_layres\"", 1);
        let error = strict_json::<AutoencoderConfig>(&missing).unwrap_err();
        assert!(error.contains("n_layers"), "{error}");
    }

    #[test]
    fn numbers_that_make_no_networks_are_named_by_their_paths() {
        let check = |change: fn(&mut AutoencoderConfig), expected: &str| {
            let mut config = AutoencoderConfig::svg();
            assert_eq!(config.problem(), None);
            change(&mut config);
            let problem = config.problem().unwrap();
            assert!(problem.starts_with(expected), "{problem}");
        };
        check(
            |config| config.residual.as_mut().unwrap().image_size = 17,
            "residual.image_size is 17, and patches of 16 pixels do not tile",
        );
        check(
            |config| config.decoder.norm_groups = 0,
            "decoder.norm_groups is 0; it must",
        );
        check(
            |config| config.decoder.out_channels = 1000,
            "decoder.out_channels is 1000; pictures have 3 channels",
        );
        check(
            |config| {
                config.residual = None;
                config.decoder.resolution = 17;
            },
            "decoder.resolution is 17; without a residual encoder",
        );
    }

    #[test]
    fn parts_that_do_not_fit_are_named() {
        let config = AutoencoderConfig::svg();
        assert_eq!(config.misfit(384, 16), None);
        assert!(config.misfit(768, 16).unwrap().contains("set it to 776"));
        assert!(config.misfit(384, 14).unwrap().contains("14 pixels"));
    }
}
