//! The two kinds of stage: the middle, and a level of one resolution.

use burn::prelude::*;

use crate::{AttentionBlock, DecoderConfig, ResnetBlock, Upsample};

/// The stage at the resolution of the features: a residual block, attention, a residual block.
#[derive(Module, Debug)]
pub struct Mid {
    /// The first residual block.
    pub block_1: ResnetBlock,
    /// Between them; present in every decoder of this layout.
    pub attn_1: AttentionBlock,
    /// The second residual block.
    pub block_2: ResnetBlock,
}

impl Mid {
    pub(crate) fn new(channels: usize, groups: usize, device: &Device) -> Self {
        Self {
            block_1: ResnetBlock::new(channels, channels, groups, device),
            attn_1: AttentionBlock::new(channels, groups, device),
            block_2: ResnetBlock::new(channels, channels, groups, device),
        }
    }

    /// # Shapes
    ///
    /// - input and output: `[batch, channels, rows, columns]`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let x = self.attn_1.forward(self.block_1.forward(x));
        self.block_2.forward(x)
    }
}

/// Residual blocks at one resolution, each followed by attention if the level has any, and the way up
/// to the next.
#[derive(Module, Debug)]
pub struct Level {
    /// The residual blocks; the first may change the number of channels.
    pub block: Vec<ResnetBlock>,
    /// One after each residual block, or none at all.
    pub attn: Vec<AttentionBlock>,
    /// To twice the size; `None` at level 0, which has the size of the image.
    pub upsample: Option<Upsample>,
}

impl Level {
    /// `level` counts from the image; the level above it, if there is one, feeds this.
    pub(crate) fn new(config: &DecoderConfig, level: usize, device: &Device) -> Self {
        let channels = config.channels(level);
        let last = config.width_multipliers.len() - 1;
        let d_in = config.channels(last.min(level + 1));
        let (groups, count) = (config.norm_groups, config.n_res_blocks + 1);
        let block = |index| match index {
            0 => ResnetBlock::new(d_in, channels, groups, device),
            _ => ResnetBlock::new(channels, channels, groups, device),
        };
        let n_attn = if config.attends(level) { count } else { 0 };
        Self {
            block: (0..count).map(block).collect(),
            attn: (0..n_attn)
                .map(|_| AttentionBlock::new(channels, groups, device))
                .collect(),
            upsample: (level > 0).then(|| Upsample::new(channels, device)),
        }
    }

    /// # Shapes
    ///
    /// - input: `[batch, d_in, height, width]`
    /// - output: `[batch, channels, height, width]`, or twice the height and width with `upsample`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let mut x = x;
        for (index, block) in self.block.iter().enumerate() {
            x = block.forward(x);
            if let Some(attn) = self.attn.get(index) {
                x = attn.forward(x);
            }
        }
        match &self.upsample {
            Some(upsample) => upsample.forward(x),
            None => x,
        }
    }
}
