//! Sizes and options of a vision transformer.

use burn::prelude::*;
use svg_nn::{CHANNELS, Checked, GRID, LAYERS, PATCH, first, heads, outside};
use svg_roles::PixelStatistics;
use svg_roles::pixels::check_statistics;
use svg_store::json_differences;

use crate::Vit;

/// How a network was trained, which decides what it consists of.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub enum Family {
    /// DINOv2 (Oquab et al., 2023, arXiv 2304.07193), also with registers (Darcet et al., 2023, arXiv 2309.16588):
    /// class token, LayerScale.
    Dinov2,
    /// The encoder of MAE (He et al., 2021, arXiv 2111.06377): class token.
    Mae,
    /// The image tower of SigLIP and SigLIP 2 (Tschannen et al., 2025, arXiv 2502.14786): no class token, attention
    /// pooling.
    Siglip,
    /// The image tower of CLIP (Radford et al., 2021, arXiv 2103.00020): class token, a norm before the blocks, patches
    /// without a bias.
    Clip,
}

impl Family {
    /// All families.
    pub const ALL: [Self; 4] = [Self::Dinov2, Self::Mae, Self::Siglip, Self::Clip];

    /// Its name as it is written in the literature.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dinov2 => "DINOv2",
            Self::Mae => "MAE",
            Self::Siglip => "SigLIP",
            Self::Clip => "CLIP",
        }
    }

    /// Whether there is a class token before the patches.
    pub fn has_class_token(self) -> bool {
        self != Self::Siglip
    }
}

/// The activation of the feed-forward layers.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub enum Gelu {
    /// `x (1 + erf(x / sqrt 2)) / 2`
    Exact,
    /// `x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2`, as in transformers' SigLIP.
    Tanh,
    /// `x sigmoid(1.702 x)`, as in OpenAI's CLIP.
    Quick,
}

/// How the table of positions is resized for another grid than the one it was trained for.
///
/// On the grid of the table all are the table itself. Libraries differ, also for the same weights: a file opens with
/// the rule of the library whose names it has.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub enum Positions {
    /// Bicubic with a = -0.75 to the size: transformers' DINOv2 without registers, ViTMAE, SigLIP and CLIP.
    Bicubic,
    /// Bicubic with a = -0.5, wider where the grid shrinks: timm, transformers' and Meta's DINOv2 with registers.
    BicubicAntialiased,
    /// Bicubic with a = -0.75 by the factor `(n + 0.1) / table`: Meta's DINOv2 without registers.
    BicubicOffset,
    /// Linear, wider where the grid shrinks: transformers' SigLIP 2 for any aspect ratio (NaFlex).
    LinearAntialiased,
}

/// Configuration of [`Vit`]. Released sizes are presets by name: [`VitConfig::preset`].
///
/// ```
/// use svg_vit::{Family, VitConfig};
///
/// let base = VitConfig::preset("dinov2-vitb14-reg").unwrap();
/// assert_eq!((base.d_model, base.n_registers), (768, 4));
/// assert_eq!(base.family, Family::Dinov2);
/// ```
#[derive(Config, Debug, PartialEq)]
pub struct VitConfig {
    /// How it was trained, and so what it consists of.
    pub family: Family,
    /// Number of channels of a token.
    pub d_model: usize,
    /// Number of blocks.
    pub n_layers: usize,
    /// Number of attention heads; divides `d_model`.
    pub n_heads: usize,
    /// Number of hidden channels of the feed-forward layers.
    pub d_ff: usize,
    /// Side of a square patch in pixels.
    pub patch_size: usize,
    /// Side of the square grid that the table of positions is for.
    pub table: usize,
    /// Number of registers between class token and patches. Default: 0
    #[config(default = 0)]
    pub n_registers: usize,
    /// Whether feed-forward layers are gated by SiLU, as in DINOv2's giant. Default: false
    #[config(default = false)]
    pub gated: bool,
    /// Whether SigLIP's pooling is there; without it there is no summary. Default: true
    #[config(default = true)]
    pub pooled: bool,
    /// The activation of plain feed-forward layers. Default: `Exact`
    #[config(default = "Gelu::Exact")]
    pub gelu: Gelu,
    /// How the table of positions is resized. Default: `BicubicAntialiased`
    #[config(default = "Positions::BicubicAntialiased")]
    pub positions: Positions,
    /// Epsilon of every norm. Default: 1e-6
    #[config(default = 1e-6)]
    pub norm_eps: f64,
    /// Statistics that pixels are normalised with. Default: ImageNet
    #[config(default = "PixelStatistics::IMAGENET")]
    pub pixels: PixelStatistics,
}

impl VitConfig {
    /// Sizes with what the original code of the family has: Meta's DINOv2, MAE, transformers' SigLIP, OpenAI's CLIP.
    /// `sizes` are channels, layers, heads and hidden channels.
    pub fn of(family: Family, sizes: [usize; 4], patch_size: usize, table: usize) -> Self {
        let [d_model, n_layers, n_heads, d_ff] = sizes;
        let config = Self::new(family, d_model, n_layers, n_heads, d_ff, patch_size, table);
        match family {
            Family::Dinov2 => config.with_positions(Positions::BicubicOffset),
            Family::Mae => config.with_positions(Positions::Bicubic),
            Family::Siglip => config
                .with_positions(Positions::Bicubic)
                .with_gelu(Gelu::Tanh)
                .with_pixels(PixelStatistics::HALF),
            Family::Clip => config
                .with_positions(Positions::Bicubic)
                .with_gelu(Gelu::Quick)
                .with_norm_eps(1e-5)
                .with_pixels(PixelStatistics::CLIP),
        }
    }

    /// Whether networks of both configurations have the same tensors, whatever they compute from them.
    pub fn same_tensors(&self, other: &Self) -> bool {
        let tensors = |config: &Self| Self {
            n_heads: 1,
            gelu: Gelu::Exact,
            positions: Positions::Bicubic,
            norm_eps: 1e-6,
            pixels: PixelStatistics::HALF,
            ..config.clone()
        };
        tensors(self) == tensors(other)
    }

    /// The fields in which configurations differ with both values, each with the words behind it; `None` if there is
    /// none.
    pub fn differences(&self, behind: &str, other: &Self, behind_other: &str) -> Option<String> {
        let value = |config| serde_json::to_value(config).expect("plain fields always serialise");
        json_differences(&value(self), behind, &value(other), behind_other)
    }

    /// Number of tokens before the patches: the class token and the registers.
    pub fn n_prefix(&self) -> usize {
        usize::from(self.family.has_class_token()) + self.n_registers
    }

    /// Number of rows of the table of positions: one for the class token, where there is one, and one for each patch.
    pub fn n_positions(&self) -> usize {
        usize::from(self.family.has_class_token()) + self.table * self.table
    }

    /// Whether images have a summary: the class token or what is pooled.
    pub fn has_summary(&self) -> bool {
        self.family.has_class_token() || self.pooled
    }

    /// Initialises a network. Its weights are random; [`VitFile`](crate::VitFile) reads published ones.
    ///
    /// # Panics
    ///
    /// If there can be no such network; [`problem`](Checked::problem) says so beforehand.
    pub fn init(&self, device: &Device) -> Vit {
        Vit::new(self, device)
    }
}

/// `n_heads` divides `d_model`, and registers, gates and pooling are those of the family.
impl Checked for VitConfig {
    fn problem(&self) -> Option<String> {
        let pixels = check_statistics(&self.pixels, "pixels.mean", "pixels.std");
        let name = self.family.name();
        let only = |is: bool, what: &str| (!is).then(|| format!("{what}, which {name} does not"));
        let is_dinov2 = self.family == Family::Dinov2;
        first([
            outside("n_layers", self.n_layers, LAYERS),
            outside("d_ff", self.d_ff, CHANNELS),
            outside("patch_size", self.patch_size, PATCH),
            outside("table", self.table, GRID),
            outside("n_registers", self.n_registers, 0..=4096),
            outside("norm_eps", self.norm_eps, 0.0..=0.5),
            heads(self.n_heads, self.d_model, 1),
            only(
                is_dinov2 || self.n_registers == 0,
                "n_registers says that it has registers",
            ),
            only(
                is_dinov2 || !self.gated,
                "gated says that it has gated layers",
            ),
            pixels.err(),
        ])
    }
}
