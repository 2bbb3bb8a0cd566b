//! The stages of one resolution: the middle, and a level on either way.

use burn::prelude::*;

use super::{AttentionBlock, Downsample, ResnetBlock, Upsample};

/// The stage at the smallest resolution: a residual block, attention, a residual block.
#[derive(Module, Debug)]
pub struct Mid {
    /// The first residual block.
    pub block_1: ResnetBlock,
    /// Between them; present in every network of this layout.
    pub attn_1: AttentionBlock,
    /// The second residual block.
    pub block_2: ResnetBlock,
}

impl Mid {
    /// A stage with PyTorch's default initialisation.
    pub fn new(channels: usize, groups: usize, device: &Device) -> Self {
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

/// Sizes of a level.
#[derive(Clone, Copy, Debug)]
pub struct LevelSizes {
    /// Number of channels of its input.
    pub d_in: usize,
    /// Number of channels of its output.
    pub d_out: usize,
    /// Number of residual blocks.
    pub blocks: usize,
    /// Whether each of them is followed by attention.
    pub attends: bool,
    /// Number of groups of its norms.
    pub groups: usize,
}

impl LevelSizes {
    /// The first block changes the number of channels.
    fn blocks(&self, device: &Device) -> Vec<ResnetBlock> {
        let d_in = |index| if index == 0 { self.d_in } else { self.d_out };
        (0..self.blocks)
            .map(|index| ResnetBlock::new(d_in(index), self.d_out, self.groups, device))
            .collect()
    }

    fn attention(&self, device: &Device) -> Vec<AttentionBlock> {
        let count = if self.attends { self.blocks } else { 0 };
        (0..count)
            .map(|_| AttentionBlock::new(self.d_out, self.groups, device))
            .collect()
    }
}

/// Residual blocks, each followed by its attention if there is any.
fn through(block: &[ResnetBlock], attn: &[AttentionBlock], x: Tensor<4>) -> Tensor<4> {
    block.iter().enumerate().fold(x, |x, (index, block)| {
        let x = block.forward(x);
        match attn.get(index) {
            Some(attn) => attn.forward(x),
            None => x,
        }
    })
}

/// Residual blocks at one resolution, each followed by attention if the level has any, and the way up
/// to the next.
#[derive(Module, Debug)]
pub struct UpLevel {
    /// The residual blocks; the first may change the number of channels.
    pub block: Vec<ResnetBlock>,
    /// One after each residual block, or none at all.
    pub attn: Vec<AttentionBlock>,
    /// To twice the size; `None` at level 0, which has the size of the output.
    pub upsample: Option<Upsample>,
}

impl UpLevel {
    /// A level with PyTorch's default initialisation, of which `enlarges` says whether it ends at twice the size.
    pub fn new(sizes: LevelSizes, enlarges: bool, device: &Device) -> Self {
        Self {
            block: sizes.blocks(device),
            attn: sizes.attention(device),
            upsample: enlarges.then(|| Upsample::new(sizes.d_out, device)),
        }
    }

    /// # Shapes
    ///
    /// - input: `[batch, d_in, height, width]`
    /// - output: `[batch, d_out, height, width]`, or twice the height and width with `upsample`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let x = through(&self.block, &self.attn, x);
        match &self.upsample {
            Some(upsample) => upsample.forward(x),
            None => x,
        }
    }
}

/// Residual blocks at one resolution, each followed by attention if the level has any, and the way down
/// to the next.
#[derive(Module, Debug)]
pub struct DownLevel {
    /// The residual blocks; the first may change the number of channels.
    pub block: Vec<ResnetBlock>,
    /// One after each residual block, or none at all.
    pub attn: Vec<AttentionBlock>,
    /// To half the size; `None` at the last level.
    pub downsample: Option<Downsample>,
}

impl DownLevel {
    /// A level with PyTorch's default initialisation, of which `reduces` says whether it ends at half the size.
    pub fn new(sizes: LevelSizes, reduces: bool, device: &Device) -> Self {
        Self {
            block: sizes.blocks(device),
            attn: sizes.attention(device),
            downsample: reduces.then(|| Downsample::new(sizes.d_out, device)),
        }
    }

    /// # Shapes
    ///
    /// - input: `[batch, d_in, height, width]`
    /// - output: `[batch, d_out, height, width]`, or half the height and width with `downsample`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let x = through(&self.block, &self.attn, x);
        match &self.downsample {
            Some(downsample) => downsample.forward(x),
            None => x,
        }
    }
}
