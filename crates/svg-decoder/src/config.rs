//! Sizes of the decoder.

use burn::prelude::*;
use svg_nn::maps::LevelSizes;
use svg_nn::{CHANNELS, Checked, SIDE, first, outside};

use crate::Decoder;

/// Levels of a decoder: the last enlarges by 1024.
const LEVELS: usize = 11;

/// Configuration of [`Decoder`]. Published sizes are [`DecoderConfig::svg`] and
/// [`DecoderConfig::va_vae`].
///
/// Levels count from the image: level 0 has the resolution of the image, each further one half of it,
/// and the features enter at the last.
///
/// ```
/// use svg_decoder::DecoderConfig;
///
/// let svg = DecoderConfig::svg();
/// assert_eq!((svg.in_channels, svg.upsampling()), (392, 16));
/// ```
#[derive(Config, Debug, PartialEq)]
pub struct DecoderConfig {
    /// Number of channels of the features.
    pub in_channels: usize,
    /// Number of channels of which the levels have multiples. Default: 128
    #[config(default = 128)]
    pub width: usize,
    /// Multiple of `width` at each level, from the image down to the features. Default: 1, 1, 2, 2, 4
    #[config(default = "vec![1, 1, 2, 2, 4]")]
    pub width_multipliers: Vec<usize>,
    /// Number of residual blocks at a level of the *encoder* that this decoder mirrors, the
    /// checkpoint's `num_res_blocks`. The decoder has one more. Default: 2
    #[config(default = 2)]
    pub n_res_blocks: usize,
    /// Nominal resolutions of the levels whose residual blocks are each followed by attention; may be
    /// empty. A resolution that no level has is without effect. The attention between the two middle
    /// blocks is always there. Default: 16
    #[config(default = "vec![16]")]
    pub attention_resolutions: Vec<usize>,
    /// Nominal side of an image. It decides which levels `attention_resolutions` means and nothing
    /// else: images may have any size. Default: 256
    #[config(default = 256)]
    pub resolution: usize,
    /// Number of channels of an image. Default: 3
    #[config(default = 3)]
    pub out_channels: usize,
    /// Number of groups of every norm; divides the channels of every level. Default: 32
    #[config(default = 32)]
    pub norm_groups: usize,
}

impl DecoderConfig {
    /// The released decoder of SVG: 43.1 M parameters for 384 semantic and 8 residual channels.
    pub fn svg() -> Self {
        Self::new(392)
    }

    /// The decoder of VA-VAE (Yao et al., 2025, arXiv 2501.01423), f16d32: 41.4 M parameters.
    pub fn va_vae() -> Self {
        Self::new(32)
    }

    /// Number of pixels that a cell of the grid of features becomes along each axis:
    /// `2^(levels - 1)`.
    pub fn upsampling(&self) -> usize {
        1 << self.width_multipliers.len().saturating_sub(1)
    }

    /// Initialises a decoder for training from scratch, with PyTorch's defaults: weights and biases of
    /// convolutions uniform in `±1/sqrt(fan_in)`.
    ///
    /// # Panics
    ///
    /// If there can be no such decoder; [`problem`](Checked::problem) says so beforehand.
    pub fn init(&self, device: &Device) -> Decoder {
        Decoder::new(self, device)
    }

    /// Sizes of a level, which counts from the image; the one above it, if there is one, feeds this.
    pub(crate) fn level(&self, level: usize) -> LevelSizes {
        let last = self.width_multipliers.len() - 1;
        LevelSizes {
            d_in: self.channels(last.min(level + 1)),
            d_out: self.channels(level),
            blocks: self.n_res_blocks + 1,
            attends: self.attends(level),
            groups: self.norm_groups,
        }
    }

    /// Number of channels of a level.
    pub(crate) fn channels(&self, level: usize) -> usize {
        self.width * self.width_multipliers[level]
    }

    /// Whether the residual blocks of a level are followed by attention.
    pub(crate) fn attends(&self, level: usize) -> bool {
        self.attention_resolutions
            .contains(&(self.resolution >> level))
    }
}

/// There is a level, and `norm_groups` divides the channels of every level.
impl Checked for DecoderConfig {
    fn problem(&self) -> Option<String> {
        let (groups, levels) = (self.norm_groups, self.width_multipliers.len());
        if levels == 0 {
            return Some(
                "width_multipliers is empty; a decoder has at least one level".to_string(),
            );
        }
        let multipliers = self.width_multipliers.iter().enumerate();
        let multipliers = multipliers.map(|(level, multiplier)| {
            let channels = self.width.saturating_mul(*multiplier);
            outside(
                &format!("width times width_multipliers[{level}]"),
                channels,
                CHANNELS,
            )
        });
        let ranges = [
            outside("in_channels", self.in_channels, CHANNELS),
            outside("width", self.width, CHANNELS),
            outside("width_multipliers.length", levels, 1..=LEVELS),
            outside("n_res_blocks", self.n_res_blocks, 0..=64),
            outside("resolution", self.resolution, SIDE),
            outside("out_channels", self.out_channels, CHANNELS),
            outside("norm_groups", groups, CHANNELS),
        ];
        first(ranges.into_iter().chain(multipliers)).or_else(|| {
            let mut levels = (0..levels).map(|level| (level, self.channels(level)));
            let (level, channels) = levels.find(|(_, channels)| !channels.is_multiple_of(groups))?;
            Some(format!(
                "norm_groups is {groups}, and {groups} groups do not divide the {channels} channels of level \
                 {level}"
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameter_counts_are_those_of_the_published_decoders() {
        let counts = [
            (DecoderConfig::svg(), 43_076_483),
            // DINOv3's channels alone.
            (DecoderConfig::new(384), 43_039_619),
            (DecoderConfig::va_vae(), 41_417_603),
        ];
        for (config, expected) in counts {
            // Parameters are drawn at first use, so counting them costs nothing.
            let decoder = config.init(&Default::default());
            assert_eq!(decoder.num_params(), expected, "{config}");
        }
    }

    #[test]
    fn attention_goes_to_the_levels_of_its_resolutions() {
        let attending = |config: DecoderConfig| -> Vec<usize> {
            let levels = 0..config.width_multipliers.len();
            levels.filter(|level| config.attends(*level)).collect()
        };
        assert_eq!(attending(DecoderConfig::svg()), [4]);
        let both = DecoderConfig::svg().with_attention_resolutions(vec![32, 16]);
        assert_eq!(attending(both), [3, 4]);
        let none = DecoderConfig::svg().with_attention_resolutions(vec![]);
        assert_eq!(attending(none), [0; 0]);
    }

    #[test]
    fn numbers_that_make_no_decoder_are_named() {
        for config in [DecoderConfig::svg(), DecoderConfig::va_vae()] {
            assert_eq!(config.problem(), None);
        }
        let svg = DecoderConfig::svg;
        for (config, expected) in [
            (svg().with_norm_groups(0), "norm_groups is 0; it must"),
            (
                svg().with_norm_groups(3),
                "norm_groups is 3, and 3 groups do not divide the 128 channels",
            ),
            (
                svg().with_width(1 << 60),
                "width is 1152921504606846976; it must",
            ),
            (
                svg().with_width_multipliers(vec![1; 80]),
                "width_multipliers.length is 80; it must",
            ),
            (
                svg().with_width_multipliers(vec![1, 0]),
                "width times width_multipliers[1] is 0; it must",
            ),
            (
                svg().with_n_res_blocks(1 << 32),
                "n_res_blocks is 4294967296; it must",
            ),
            (svg().with_out_channels(0), "out_channels is 0; it must"),
            (
                svg().with_resolution(1 << 33),
                "resolution is 8589934592; it must",
            ),
        ] {
            let problem = config.problem().unwrap();
            assert!(problem.starts_with(expected), "{problem}");
        }
    }

    #[test]
    #[should_panic(expected = "32 groups do not divide the 48 channels of level 1")]
    fn groups_must_divide_the_channels_of_every_level() {
        let config = DecoderConfig::new(4)
            .with_width(16)
            .with_width_multipliers(vec![4, 3]);
        config.init(&Default::default());
    }

    #[test]
    #[should_panic(expected = "a decoder has at least one level")]
    fn there_must_be_a_level() {
        let config = DecoderConfig::new(4).with_width_multipliers(vec![]);
        config.init(&Default::default());
    }
}
