//! Sizes and options of the family.

use burn::prelude::*;
use svg_nn::{CHANNELS, Checked, LAYERS, PATCH, first, heads, outside};
use svg_store::json_differences;

use crate::statistics::check_statistics;
use crate::{Dino, PixelStatistics};

/// Which feed-forward layer the blocks have.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub enum FeedForwardKind {
    /// Two projections around an exact GELU.
    Mlp,
    /// Three projections, one of them gating another through SiLU.
    SwiGlu,
}

/// How the periods of the rotary position embedding are rounded.
///
/// Both are right: features differ by 1e-3 at most, 1e-4 on average. Meta's own code loads the periods
/// that the official files store in bfloat16; Hugging Face's and timm's code computes them exactly.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub enum RopePeriods {
    /// `base^(i / n)` in f32, as in Hugging Face transformers and timm.
    Exact,
    /// The same, rounded to bfloat16, as in the official files and therefore in SVG.
    Bf16Rounded,
}

/// Configuration of [`Dino`]. The released sizes are the functions [`DinoConfig::vits16`] to
/// [`DinoConfig::vit7b16`].
///
/// ```
/// use svg_dino::DinoConfig;
///
/// let small_plus = DinoConfig::vits16plus();
/// assert_eq!((small_plus.d_model, small_plus.n_layers), (384, 12));
/// ```
#[derive(Config, Debug, PartialEq)]
pub struct DinoConfig {
    /// Number of channels of a token.
    pub d_model: usize,
    /// Number of blocks.
    pub n_layers: usize,
    /// Number of attention heads; divides `d_model` into heads of a multiple of four channels.
    pub n_heads: usize,
    /// Number of hidden channels of the feed-forward layers, after any rounding.
    pub d_ff: usize,
    /// Which feed-forward layer. Default: `Mlp`
    #[config(default = "FeedForwardKind::Mlp")]
    pub feed_forward: FeedForwardKind,
    /// Side of a square patch in pixels. Default: 16
    #[config(default = 16)]
    pub patch_size: usize,
    /// Number of register tokens ("storage tokens") between class token and patches. Default: 4
    #[config(default = 4)]
    pub n_registers: usize,
    /// Whether the fused projection has a bias; the third of the keys is always zero. Default: true
    #[config(default = true)]
    pub qkv_bias: bool,
    /// Longest period of the rotary position embedding. Default: 100
    #[config(default = 100.0)]
    pub rope_base: f64,
    /// Rounding of the periods. Default: `Exact`
    #[config(default = "RopePeriods::Exact")]
    pub rope_periods: RopePeriods,
    /// Epsilon of every norm. Default: 1e-5
    #[config(default = 1e-5)]
    pub norm_eps: f64,
    /// LayerScale at initialisation; loaded weights replace it. Default: 1e-5
    #[config(default = 1e-5)]
    pub layer_scale: f64,
    /// Statistics that pixels are normalised with. Default: ImageNet
    #[config(default = "PixelStatistics::IMAGENET")]
    pub pixels: PixelStatistics,
}

/// A released model: its name and how to make its configuration.
type Preset = (&'static str, fn() -> DinoConfig);

/// The released models, smallest first.
const PRESETS: [Preset; 9] = [
    ("vits16", DinoConfig::vits16),
    ("vits16plus", DinoConfig::vits16plus),
    ("vitb16", DinoConfig::vitb16),
    ("vitl16", DinoConfig::vitl16),
    ("vitl16plus", DinoConfig::vitl16plus),
    ("vith16plus", DinoConfig::vith16plus),
    ("vit7b16", DinoConfig::vit7b16),
    ("vitl16-sat493m", || DinoConfig::vitl16().satellite()),
    ("vit7b16-sat493m", || DinoConfig::vit7b16().satellite()),
];

impl DinoConfig {
    /// ViT-S/16: 21.6 M parameters.
    pub fn vits16() -> Self {
        Self::new(384, 12, 6, 1536)
    }

    /// ViT-S+/16: 28.7 M parameters, the encoder of SVG.
    pub fn vits16plus() -> Self {
        Self::new(384, 12, 6, 1536).with_feed_forward(FeedForwardKind::SwiGlu)
    }

    /// ViT-B/16: 85.7 M parameters.
    pub fn vitb16() -> Self {
        Self::new(768, 12, 12, 3072)
    }

    /// ViT-L/16: 303 M parameters.
    pub fn vitl16() -> Self {
        Self::new(1024, 24, 16, 4096)
    }

    /// ViT-L+/16: 404 M parameters; known architecture without public weights.
    pub fn vitl16plus() -> Self {
        Self::new(1024, 24, 16, 4096).with_feed_forward(FeedForwardKind::SwiGlu)
    }

    /// ViT-H+/16: 841 M parameters.
    pub fn vith16plus() -> Self {
        Self::new(1280, 32, 20, 5120).with_feed_forward(FeedForwardKind::SwiGlu)
    }

    /// ViT-7B/16: 6.7 G parameters, heads of 128 channels, no bias on the fused projection.
    pub fn vit7b16() -> Self {
        Self::new(4096, 40, 32, 8192)
            .with_feed_forward(FeedForwardKind::SwiGlu)
            .with_qkv_bias(false)
    }

    /// The same network with the pixel statistics of the satellite models.
    pub fn satellite(self) -> Self {
        self.with_pixels(PixelStatistics::SATELLITE)
    }

    /// A released model by its name; see [`DinoConfig::preset_names`].
    pub fn preset(name: &str) -> Option<Self> {
        let (_, config) = PRESETS.iter().find(|(known, _)| *known == name)?;
        Some(config())
    }

    /// The names of the released models, smallest first.
    pub fn preset_names() -> impl Iterator<Item = &'static str> {
        PRESETS.iter().map(|(name, _)| *name)
    }

    /// The released model that has this network, whatever its period rounding; `None` for other sizes.
    pub fn name(&self) -> Option<&'static str> {
        let same = |(_, preset): &&Preset| preset().same_sizes(self);
        PRESETS.iter().find(same).map(|(name, _)| *name)
    }

    /// Whether networks of both configurations have the same tensors and computations: all but how periods
    /// are rounded and how layer scales begin.
    pub fn same_sizes(&self, other: &Self) -> bool {
        let sizes = |config: &Self| {
            let config = config.clone().with_layer_scale(1.0);
            config.with_rope_periods(RopePeriods::Exact)
        };
        sizes(self) == sizes(other)
    }

    /// The fields in which configurations differ with both values, each with the words behind it; `None` if
    /// there is none.
    ///
    /// ```
    /// use svg_dino::DinoConfig;
    ///
    /// let (one, other) = (DinoConfig::vits16(), DinoConfig::vits16().with_n_registers(0));
    /// let said = one.differences("there", &other, "here");
    /// assert_eq!(said.as_deref(), Some("n_registers 4 there, 0 here"));
    /// ```
    pub fn differences(&self, behind: &str, other: &Self, behind_other: &str) -> Option<String> {
        let value = |config| serde_json::to_value(config).expect("plain fields always serialise");
        json_differences(&value(self), behind, &value(other), behind_other)
    }

    /// Number of tokens before the patches: the class token and the registers.
    pub fn n_prefix(&self) -> usize {
        1 + self.n_registers
    }

    /// Number of channels of one head.
    pub fn head_dim(&self) -> usize {
        self.d_model / self.n_heads
    }

    /// Initialises a network for training from scratch.
    ///
    /// # Panics
    ///
    /// If there can be no such network; [`problem`](Checked::problem) says so beforehand.
    pub fn init(&self, device: &Device) -> Dino {
        Dino::new(self, device)
    }
}

/// `n_heads` divides `d_model` into heads of a multiple of four channels.
impl Checked for DinoConfig {
    fn problem(&self) -> Option<String> {
        let pixels = check_statistics(&self.pixels, "pixels.mean", "pixels.std");
        first([
            outside("n_layers", self.n_layers, LAYERS),
            outside("d_ff", self.d_ff, CHANNELS),
            outside("patch_size", self.patch_size, PATCH),
            outside("n_registers", self.n_registers, 0..=4096),
            outside("rope_base", self.rope_base, 1e-6..=1e12),
            outside("norm_eps", self.norm_eps, 0.0..=0.5),
            outside("layer_scale", self.layer_scale, -1e6..=1e6),
            heads(self.n_heads, self.d_model, 4),
            pixels.err(),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::module::Module;

    #[test]
    fn parameter_counts_are_those_of_the_official_models() {
        let counts = [
            ("vits16", 21_601_152),
            ("vits16plus", 28_697_472),
            ("vitb16", 85_669_632),
            ("vitl16", 303_154_176),
            ("vitl16plus", 403_915_776),
            ("vith16plus", 840_633_600),
            // Less the norm of local crops, which inference does not have.
            ("vit7b16", 6_716_043_264 - 2 * 4096),
        ];
        for (name, expected) in counts {
            // Parameters are drawn at first use, so counting those of the 7B model costs nothing.
            let dino = DinoConfig::preset(name).unwrap().init(&Default::default());
            assert_eq!(dino.num_params(), expected, "{name}");
        }
    }

    #[test]
    fn numbers_that_make_no_network_are_named() {
        for name in DinoConfig::preset_names() {
            assert_eq!(DinoConfig::preset(name).unwrap().problem(), None, "{name}");
        }
        let new = DinoConfig::new;
        for (config, expected) in [
            (
                new(usize::MAX - 3, 1, 1, 4),
                "d_model is 18446744073709551612; it must",
            ),
            (
                new(16, 1, 1 << 62, 4),
                "n_heads is 4611686018427387904; it must lie between 1 and 16",
            ),
            (
                new(16, 1, 8, 4),
                "n_heads is 8, and 8 heads do not divide 16 channels into heads of a multiple of four",
            ),
            (new(16, 0, 4, 4), "n_layers is 0; it must"),
            (new(16, 1, 4, 0), "d_ff is 0; it must"),
            (
                new(16, 1, 4, 4).with_patch_size(0),
                "patch_size is 0; it must",
            ),
            (
                new(16, 1, 4, 4).with_n_registers(1 << 40),
                "n_registers is 1099511627776; it must",
            ),
            (
                new(16, 1, 4, 4).with_rope_base(0.0),
                "rope_base is 0; it must",
            ),
            (
                new(16, 1, 4, 4).with_norm_eps(-1e300),
                "norm_eps is -1e300; it must",
            ),
        ] {
            let problem = config.problem().unwrap();
            assert!(problem.starts_with(expected), "{problem}");
        }
    }

    #[test]
    fn a_config_knows_its_name() {
        for name in DinoConfig::preset_names() {
            assert_eq!(DinoConfig::preset(name).unwrap().name(), Some(name));
        }
        let rounded = DinoConfig::vitb16().with_rope_periods(RopePeriods::Bf16Rounded);
        assert_eq!(rounded.name(), Some("vitb16"));
        assert_eq!(DinoConfig::new(32, 2, 2, 64).name(), None);
    }
}
