//! Images to the moments of latents.

use burn::nn::GroupNorm;
use burn::nn::conv::Conv2d;
use burn::prelude::*;
use svg_nn::maps::{DownLevel, Mid, apply, conv3x3, group_norm, norm_swish};

use crate::KlVaeConfig;

/// The encoder of latent diffusion (Rombach et al., 2022, arXiv 2112.10752):
/// `conv_out(swish(norm_out(mid(down_last(... down_0(conv_in(x)))))))`.
#[derive(Module, Debug)]
pub struct Encoder {
    /// From the channels of an image to those of the first level.
    pub conv_in: Conv2d,
    /// Indexed by level and executed from the first to the last.
    pub down: Vec<DownLevel>,
    /// At the resolution of the latents.
    pub mid: Mid,
    /// Before the last convolution.
    pub norm_out: GroupNorm,
    /// To a mean and a logarithm of a variance for each channel of the latents.
    pub conv_out: Conv2d,
}

impl Encoder {
    pub(crate) fn new(config: &KlVaeConfig, device: &Device) -> Self {
        let (levels, groups) = (config.width_multipliers.len(), config.norm_groups);
        let deepest = config.channels(levels - 1);
        Self {
            conv_in: conv3x3(3, config.width, device),
            down: (0..levels)
                .map(|level| DownLevel::new(config.down(level), level + 1 < levels, device))
                .collect(),
            mid: Mid::new(deepest, groups, device),
            norm_out: group_norm(groups, deepest, device),
            conv_out: conv3x3(deepest, 2 * config.latent_channels, device),
        }
    }

    /// # Shapes
    ///
    /// - images: `[batch, 3, height, width]` in [-1, 1]
    /// - output: `[batch, 2 latent_channels, height / d, width / d]`, where `d` is
    ///   [`KlVaeConfig::downsampling`]; rounded down
    pub fn forward(&self, images: Tensor<4>) -> Tensor<4> {
        let x = apply(&self.conv_in, images);
        let x = self.down.iter().fold(x, |x, level| level.forward(x));
        let x = norm_swish(&self.norm_out, self.mid.forward(x));
        apply(&self.conv_out, x)
    }
}
