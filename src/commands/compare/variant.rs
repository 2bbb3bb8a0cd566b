//! The systems that are compared.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use svg_model::{Alignment, Pixels};
use svg_roles::EncoderSpec;
use svg_train::autoencoder::AutoencoderTraining;

/// Patches of pixels are as wide as the encoder's, so that every flow has as many tokens.
const PRESETS: &str = "the presets are SVG's autoencoder and SiT";

/// A latent space, and how it comes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Variant {
    /// Features of the frozen encoder beside a residual that is aligned to their statistics: the method.
    Svg,
    /// The same with a residual that keeps its own statistics.
    Unaligned,
    /// Features of the frozen encoder alone, and a decoder.
    Encoder,
    /// Patches of pixels, for which nothing is learned.
    Pixels,
}

/// All of them, in the order of tables.
const ALL: [(Variant, &str, &str); 4] = [
    (
        Variant::Svg,
        "svg",
        "frozen features and an aligned residual",
    ),
    (
        Variant::Unaligned,
        "unaligned",
        "the same without alignment",
    ),
    (
        Variant::Encoder,
        "encoder",
        "frozen features alone, without residual",
    ),
    (
        Variant::Pixels,
        "pixels",
        "patches of pixels, nothing learned",
    ),
];

/// How the space of a variant is had.
pub enum Space {
    /// By the first stage.
    Trained(Box<AutoencoderTraining>),
    /// At once.
    Pixels(Pixels),
}

impl Variant {
    /// All variants.
    pub fn all() -> impl Iterator<Item = Self> {
        ALL.into_iter().map(|(variant, ..)| variant)
    }

    /// What it is.
    pub fn about(self) -> &'static str {
        let known = ALL.into_iter().find(|(variant, ..)| *variant == self);
        known.map_or("", |(.., about)| about)
    }

    /// Its space, from the training of the method.
    pub fn space(
        self,
        svg: &AutoencoderTraining,
        encoder: &EncoderSpec,
        size: u32,
    ) -> Result<Space> {
        let mut training = svg.clone();
        let networks = training.network.svg_mut().context(PRESETS)?;
        match self {
            Self::Svg => (),
            Self::Unaligned => networks.alignment = Alignment::None,
            Self::Encoder => {
                networks.residual = None;
                networks.decoder.in_channels = encoder.channels;
            }
            Self::Pixels => {
                let pixels = Pixels {
                    patch: encoder.patch_size,
                    size: size as usize,
                };
                return Ok(Space::Pixels(pixels));
            }
        }
        Ok(Space::Trained(Box::new(training)))
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = ALL.into_iter().find(|(variant, ..)| variant == self);
        f.write_str(known.map_or("", |(_, name, _)| name))
    }
}

impl FromStr for Variant {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = ALL.into_iter().find(|(_, name, _)| *name == text);
        known.map(|(variant, ..)| variant).ok_or_else(|| {
            let names: Vec<_> = ALL.into_iter().map(|(_, name, _)| name).collect();
            format!("there is no such space; known are {}", names.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::presets::Presets;

    #[test]
    fn names_are_read_as_they_are_written() {
        for variant in Variant::all() {
            assert_eq!(variant.to_string().parse(), Ok(variant));
            let json = serde_json::to_string(&variant).unwrap();
            assert_eq!(json, format!("{:?}", variant.to_string()));
        }
        assert!("vae".parse::<Variant>().unwrap_err().contains("unaligned"));
    }

    #[test]
    fn ablations_differ_from_the_method_in_one_thing() {
        let svg = AutoencoderTraining::preset("autoencoder_shapes").unwrap();
        let encoder = EncoderSpec {
            name: String::new(),
            channels: 128,
            patch_size: 8,
        };
        let networks = |variant: Variant| match variant.space(&svg, &encoder, 32).unwrap() {
            Space::Trained(training) => training.network.svg().unwrap().clone(),
            Space::Pixels(_) => panic!("pixels"),
        };
        let method = networks(Variant::Svg);
        let mut unaligned = networks(Variant::Unaligned);
        assert_ne!(unaligned, method);
        unaligned.alignment = method.alignment;
        assert_eq!(unaligned, method);
        let alone = networks(Variant::Encoder);
        assert_eq!((alone.residual, alone.decoder.in_channels), (None, 128));
        let Space::Pixels(pixels) = Variant::Pixels.space(&svg, &encoder, 32).unwrap() else {
            panic!("trained");
        };
        assert_eq!((pixels.patch, pixels.size), (8, 32));
    }
}
