//! Sizes of a KL autoencoder, and how its latents are scaled.

use burn::prelude::*;
use svg_nn::maps::LevelSizes;
use svg_nn::{CHANNELS, Checked, SIDE, first, outside};
use svg_roles::Geometry;

use crate::KlVae;

/// Levels of an autoencoder: the last is smaller by 1024.
pub(crate) const LEVELS: usize = 11;

/// Configuration of [`KlVae`]. Published ones are [`KlVaeConfig::sd`], [`KlVaeConfig::va_vae`] and
/// [`KlVaeConfig::mar`].
///
/// Levels count from the image: level 0 has the resolution of the image, each further one half of it, and the latents
/// lie at the last.
///
/// ```
/// use svg_vae::KlVaeConfig;
///
/// let sd = KlVaeConfig::sd();
/// assert_eq!((sd.downsampling(), sd.latent_channels), (8, 4));
/// assert_eq!(sd.geometry().grid(), [32, 32]);
/// ```
#[derive(Config, Debug, PartialEq)]
pub struct KlVaeConfig {
    /// Number of channels of the latents.
    pub latent_channels: usize,
    /// Number of channels of which the levels have multiples. Default: 128
    #[config(default = 128)]
    pub width: usize,
    /// Multiple of `width` at each level, from the image down to the latents. Default: 1, 2, 4, 4
    #[config(default = "vec![1, 2, 4, 4]")]
    pub width_multipliers: Vec<usize>,
    /// Number of residual blocks at a level of the encoder, the checkpoint's `num_res_blocks` or `layers_per_block`.
    /// The decoder has one more. Default: 2
    #[config(default = 2)]
    pub n_res_blocks: usize,
    /// Levels of the encoder whose residual blocks are each followed by attention. The attention between the two
    /// middle blocks is always there. Default: none
    #[config(default = "vec![]")]
    pub encoder_attention: Vec<usize>,
    /// The same of the decoder. Default: none
    #[config(default = "vec![]")]
    pub decoder_attention: Vec<usize>,
    /// Number of groups of every norm; divides the channels of every level. Default: 32
    #[config(default = 32)]
    pub norm_groups: usize,
    /// Whether a convolution of one pixel follows the encoder. Default: yes
    #[config(default = true)]
    pub quant_conv: bool,
    /// Whether a convolution of one pixel precedes the decoder. Default: yes
    #[config(default = true)]
    pub post_quant_conv: bool,
    /// Side of the images that it was made for, in pixels; others may be encoded. Default: 256
    #[config(default = 256)]
    pub resolution: usize,
    /// What is subtracted from the latents, one number or one for each channel. Default: 0
    #[config(default = "vec![0.0]")]
    pub shift: Vec<f64>,
    /// What they are multiplied by afterwards, one number or one for each channel. Default: 1
    #[config(default = "vec![1.0]")]
    pub scale: Vec<f64>,
}

impl KlVaeConfig {
    /// SD-VAE of Stable Diffusion 1 (`stabilityai/sd-vae-ft-ema`, `-mse`): f8d4, 83.7 M parameters, scale 0.18215.
    pub fn sd() -> Self {
        Self::new(4).with_scale(vec![0.18215])
    }

    /// VA-VAE (Yao et al., 2025, arXiv 2501.01423): f16d32, 69.8 M parameters. Its latents are normalised by the mean
    /// and deviation of each channel, which are published beside it; see [`with_statistics`](Self::with_statistics).
    pub fn va_vae() -> Self {
        Self::new(32)
            .with_width_multipliers(vec![1, 1, 2, 2, 4])
            .with_encoder_attention(vec![4])
            .with_decoder_attention(vec![4])
    }

    /// KL-16 of MAR (Li et al., 2024, arXiv 2406.11838): f16d16, without attention in the levels of the decoder,
    /// scale 0.2325.
    pub fn mar() -> Self {
        Self::new(16)
            .with_width_multipliers(vec![1, 1, 2, 2, 4])
            .with_encoder_attention(vec![4])
            .with_scale(vec![0.2325])
    }

    /// A small one for images of 32 x 32: f4d8, so that an image has 64 tokens.
    pub fn small_f4() -> Self {
        Self::new(8)
            .with_width(32)
            .with_width_multipliers(vec![1, 2, 4])
            .with_resolution(32)
    }

    /// A small one for images of 32 x 32: f8d16, so that an image has 16 tokens.
    pub fn small_f8() -> Self {
        Self::new(16)
            .with_width(32)
            .with_width_multipliers(vec![1, 2, 4, 4])
            .with_resolution(32)
    }

    /// With latents that are normalised by the mean and the deviation of each channel.
    ///
    /// # Panics
    ///
    /// If the numbers of means and deviations differ.
    pub fn with_statistics(self, mean: &[f64], deviation: &[f64]) -> Self {
        assert_eq!(mean.len(), deviation.len(), "a mean for each deviation");
        let scale = deviation.iter().map(|deviation| 1.0 / deviation).collect();
        self.with_shift(mean.to_vec()).with_scale(scale)
    }

    /// Number of pixels of a cell of the latents along each axis: `2^(levels - 1)`.
    pub fn downsampling(&self) -> usize {
        1 << self.width_multipliers.len().saturating_sub(1)
    }

    /// How latents lie over an image of the native size.
    pub fn geometry(&self) -> Geometry {
        Geometry::of_patches(
            [self.resolution; 2],
            self.downsampling(),
            self.latent_channels,
        )
    }

    /// Initialises an autoencoder for training from scratch, with PyTorch's defaults: weights and biases of
    /// convolutions uniform in `±1/sqrt(fan_in)`.
    ///
    /// # Panics
    ///
    /// If there can be no such autoencoder; [`problem`](Checked::problem) says so beforehand.
    pub fn init(&self, device: &Device) -> KlVae {
        KlVae::new(self, device)
    }

    /// Whether the sizes of the networks are the same.
    pub(crate) fn same_networks(&self, other: &Self) -> bool {
        let bare = |config: &Self| Self {
            shift: vec![],
            scale: vec![],
            resolution: 0,
            ..config.clone()
        };
        bare(self) == bare(other)
    }

    /// Number of channels of a level.
    pub(crate) fn channels(&self, level: usize) -> usize {
        self.width * self.width_multipliers[level]
    }

    /// A level of the encoder, which the one above it feeds.
    pub(crate) fn down(&self, level: usize) -> LevelSizes {
        let d_in = match level {
            0 => self.width,
            _ => self.channels(level - 1),
        };
        LevelSizes {
            d_in,
            d_out: self.channels(level),
            blocks: self.n_res_blocks,
            attends: self.encoder_attention.contains(&level),
            groups: self.norm_groups,
        }
    }

    /// A level of the decoder, which the one below it feeds.
    pub(crate) fn up(&self, level: usize) -> LevelSizes {
        let last = self.width_multipliers.len() - 1;
        LevelSizes {
            d_in: self.channels(last.min(level + 1)),
            d_out: self.channels(level),
            blocks: self.n_res_blocks + 1,
            attends: self.decoder_attention.contains(&level),
            groups: self.norm_groups,
        }
    }
}

/// There is a level, `norm_groups` divides the channels of every level, an image has a cell, and latents can be scaled
/// and scaled back.
impl Checked for KlVaeConfig {
    fn problem(&self) -> Option<String> {
        let (groups, levels) = (self.norm_groups, self.width_multipliers.len());
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
            outside("latent_channels", self.latent_channels, CHANNELS),
            outside("width", self.width, CHANNELS),
            outside("width_multipliers.length", levels, 1..=LEVELS),
            outside("n_res_blocks", self.n_res_blocks, 1..=64),
            outside("norm_groups", groups, CHANNELS),
            outside("resolution", self.resolution, SIDE),
        ];
        first(ranges.into_iter().chain(multipliers))
            .or_else(|| {
                let of_levels = (0..levels).map(|level| self.channels(level));
                let mut all = [self.width].into_iter().chain(of_levels);
                let channels = all.find(|channels| !channels.is_multiple_of(groups))?;
                Some(format!(
                    "norm_groups is {groups}, and {groups} groups do not divide {channels} channels"
                ))
            })
            .or_else(|| {
                let patch = self.downsampling();
                (!self.resolution.is_multiple_of(patch)).then(|| {
                    let side = self.resolution;
                    format!(
                        "resolution is {side}, which is no multiple of the {patch} pixels of a cell"
                    )
                })
            })
            .or_else(|| self.scaling_problem())
    }
}

impl KlVaeConfig {
    fn scaling_problem(&self) -> Option<String> {
        let channels = self.latent_channels;
        let both = [("shift", &self.shift), ("scale", &self.scale)];
        let count = both.into_iter().find_map(|(name, numbers)| {
            let count = numbers.len();
            (count != 1 && count != channels).then(|| {
                format!(
                    "{name} has {count} numbers; give one, or one for each of {channels} channels"
                )
            })
        });
        count.or_else(|| {
            let usable = |number: &f64| number.is_finite() && *number > 0.0;
            if let Some(scale) = self.scale.iter().find(|scale| !usable(scale)) {
                return Some(format!("scale is {scale}; it must be positive and finite"));
            }
            let shift = self.shift.iter().find(|shift| !shift.is_finite())?;
            Some(format!("shift is {shift}; it must be finite"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parameters are drawn at first use, so counting them costs nothing.
    #[test]
    fn parameter_counts_are_those_of_the_published_networks() {
        let device = Device::default();
        let sd = KlVaeConfig::sd().init(&device);
        assert_eq!(sd.encoder.num_params(), 34_163_592);
        assert_eq!(sd.quant_conv.num_params(), 72);
        assert_eq!(sd.post_quant_conv.num_params(), 20);
        assert_eq!(sd.decoder.num_params(), 49_490_179);
        assert_eq!(sd.num_params(), 83_653_863);

        let va_vae = KlVaeConfig::va_vae().init(&device);
        assert_eq!(va_vae.encoder.num_params(), 28_413_248);
        assert_eq!(va_vae.quant_conv.num_params(), 4_160);
        assert_eq!(va_vae.post_quant_conv.num_params(), 1_056);
        assert_eq!(va_vae.decoder.num_params(), 41_417_603);
        assert_eq!(va_vae.num_params(), 69_836_067);

        // As counted in PyTorch.
        let mar = KlVaeConfig::mar().init(&device);
        assert_eq!(mar.num_params(), 66_456_019);
    }

    #[test]
    fn presets_have_the_sizes_that_their_names_say() {
        for (config, image, patch, channels) in [
            (KlVaeConfig::sd(), 256, 8, 4),
            (KlVaeConfig::va_vae(), 256, 16, 32),
            (KlVaeConfig::mar(), 256, 16, 16),
            (KlVaeConfig::small_f4(), 32, 4, 8),
            (KlVaeConfig::small_f8(), 32, 8, 16),
        ] {
            assert_eq!(config.problem(), None);
            let expected = Geometry::of_patches([image; 2], patch, channels);
            assert_eq!(config.geometry(), expected);
        }
    }

    #[test]
    fn numbers_that_make_no_autoencoder_are_named() {
        let sd = KlVaeConfig::sd;
        for (config, expected) in [
            (sd().with_norm_groups(0), "norm_groups is 0; it must"),
            (
                sd().with_norm_groups(3),
                "norm_groups is 3, and 3 groups do not divide 128 channels",
            ),
            (
                sd().with_width_multipliers(vec![]),
                "width_multipliers.length is 0; it must",
            ),
            (
                sd().with_resolution(100),
                "resolution is 100, which is no multiple of the 8 pixels",
            ),
            (
                sd().with_scale(vec![1.0; 3]),
                "scale has 3 numbers; give one, or one for each of 4 channels",
            ),
            (sd().with_scale(vec![0.0]), "scale is 0; it must be"),
            (sd().with_shift(vec![f64::NAN]), "shift is NaN; it must be"),
        ] {
            let problem = config.problem().unwrap();
            assert!(problem.starts_with(expected), "{problem}");
        }
    }
}
