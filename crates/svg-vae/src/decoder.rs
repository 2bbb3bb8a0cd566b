//! Latents to images.

use burn::nn::GroupNorm;
use burn::nn::conv::Conv2d;
use burn::prelude::*;
use svg_nn::maps::{Mid, UpLevel, apply, conv3x3, group_norm, norm_swish};

use crate::KlVaeConfig;

/// The decoder of latent diffusion (Rombach et al., 2022, arXiv 2112.10752):
/// `conv_out(swish(norm_out(up_0(... up_last(mid(conv_in(x)))))))`.
#[derive(Module, Debug)]
pub struct Decoder {
    /// From the channels of the latents to those of the last level.
    pub conv_in: Conv2d,
    /// At the resolution of the latents.
    pub mid: Mid,
    /// Indexed by level and executed from the last to the first.
    pub up: Vec<UpLevel>,
    /// Before the last convolution.
    pub norm_out: GroupNorm,
    /// To the channels of an image.
    pub conv_out: Conv2d,
}

impl Decoder {
    pub(crate) fn new(config: &KlVaeConfig, device: &Device) -> Self {
        let (levels, groups) = (config.width_multipliers.len(), config.norm_groups);
        let (deepest, first) = (config.channels(levels - 1), config.channels(0));
        Self {
            conv_in: conv3x3(config.latent_channels, deepest, device),
            mid: Mid::new(deepest, groups, device),
            up: (0..levels)
                .map(|level| UpLevel::new(config.up(level), level > 0, device))
                .collect(),
            norm_out: group_norm(groups, first, device),
            conv_out: conv3x3(first, 3, device),
        }
    }

    /// # Shapes
    ///
    /// - latents: `[batch, latent_channels, rows, columns]`
    /// - output: `[batch, 3, rows * d, columns * d]`, where `d` is [`KlVaeConfig::downsampling`]
    pub fn forward(&self, latents: Tensor<4>) -> Tensor<4> {
        apply(&self.conv_out, self.trunk(latents))
    }

    /// The input of the last convolution, `[batch, channels, rows * d, columns * d]`.
    ///
    /// # Shapes
    ///
    /// - latents: `[batch, latent_channels, rows, columns]`
    pub fn trunk(&self, latents: Tensor<4>) -> Tensor<4> {
        let x = self.mid.forward(apply(&self.conv_in, latents));
        let levels = self.up.iter().rev();
        norm_swish(&self.norm_out, levels.fold(x, |x, level| level.forward(x)))
    }
}
