//! The network: image in, tokens out.

use burn::module::Param;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{Initializer, LayerNorm, LayerNormConfig};
use burn::prelude::*;
use svg_nn::{Checked, Precision, layer_norm, patch_tokens};

use crate::block::Block;
use crate::pool::AttentionPool;
use crate::positions::resized;
use crate::{Family, VitConfig};

/// Pixels to patch tokens.
#[derive(Module, Debug)]
pub struct PatchEmbed {
    /// A convolution whose stride is its size, from 3 to `d_model` channels; CLIP's has no bias.
    pub proj: Conv2d,
}

/// A vision transformer with a table of positions: DINOv2, MAE, SigLIP or CLIP.
///
/// Tokens are the class token, the registers and the patches, row by row. Positions are added before the registers join,
/// which have none.
#[derive(Module, Debug)]
pub struct Vit {
    /// Pixels to patch tokens.
    pub patch_embed: PatchEmbed,
    /// `[1, 1, d_model]`; `None` in SigLIP.
    pub cls_token: Option<Param<Tensor<3>>>,
    /// `[1, n_registers, d_model]`; `None` without registers.
    pub register_tokens: Option<Param<Tensor<3>>>,
    /// Positions of the class token, where there is one, and of the patches: `[1, n_positions, d_model]`.
    pub pos_embed: Param<Tensor<3>>,
    /// CLIP's norm before the blocks.
    pub norm_pre: Option<LayerNorm>,
    /// The transformer.
    pub blocks: Vec<Block>,
    /// The norm that every output has gone through.
    pub norm: LayerNorm,
    /// SigLIP's pooling.
    pub attn_pool: Option<AttentionPool>,
    #[module(skip)]
    config: VitConfig,
}

/// What [`Vit`] says of a batch of images: tokens after the final norm.
#[derive(Debug, Clone)]
pub struct VitOutput {
    /// One vector for each image, `[batch, d_model]`: the class token after the final norm, or what SigLIP's head pools
    /// of the patches after it. `None` for SigLIP without a head.
    pub summary: Option<Tensor<2>>,
    /// The registers, `[batch, n_registers, d_model]`; `None` without registers.
    pub registers: Option<Tensor<3>>,
    /// Patch tokens row by row, `[batch, rows * columns, d_model]`.
    pub patches: Tensor<3>,
    /// Rows and columns of the grid of patches.
    pub grid: [usize; 2],
}

impl Vit {
    pub(crate) fn new(config: &VitConfig, device: &Device) -> Self {
        if let Some(problem) = config.problem() {
            panic!("{problem}");
        }
        let VitConfig {
            d_model, family, ..
        } = *config;
        let token = |count: usize| {
            let normal = Initializer::Normal {
                mean: 0.0,
                std: 0.02,
            };
            normal.init([1, count, d_model], device)
        };
        let norm = LayerNormConfig::new(d_model).with_epsilon(config.norm_eps);
        let size = [config.patch_size; 2];
        let registers = config.n_registers;
        Self {
            patch_embed: PatchEmbed {
                proj: Conv2dConfig::new([3, d_model], size)
                    .with_stride(size)
                    .with_bias(family != Family::Clip)
                    .init(device),
            },
            cls_token: family.has_class_token().then(|| token(1)),
            register_tokens: (registers > 0).then(|| token(registers)),
            pos_embed: token(config.n_positions()),
            norm_pre: (family == Family::Clip).then(|| norm.init(device)),
            blocks: (0..config.n_layers)
                .map(|_| Block::new(config, device))
                .collect(),
            norm: norm.init(device),
            attn_pool: (family == Family::Siglip && config.pooled)
                .then(|| AttentionPool::new(config, device)),
            config: config.clone(),
        }
    }

    /// The configuration that the network was made from.
    pub fn config(&self) -> &VitConfig {
        &self.config
    }

    /// The same network with its matrix products in another number type.
    pub fn with_precision(self, precision: Precision) -> Self {
        precision.apply(self)
    }

    /// Encodes images.
    ///
    /// # Shapes
    ///
    /// - images: `[batch, 3, height, width]` in `[-1, 1]`, sides multiples of the patch size
    ///
    /// # Panics
    ///
    /// If there are not three channels or a side is not a positive multiple of the patch size.
    pub fn forward(&self, images: Tensor<4>) -> VitOutput {
        self.forward_normalized(self.normalize(images))
    }

    /// Encodes pixels that are already [normalised](Self::normalize).
    ///
    /// # Panics
    ///
    /// As [`forward`](Self::forward).
    pub fn forward_normalized(&self, pixels: Tensor<4>) -> VitOutput {
        let (embedded, grid) = self.embed(pixels);
        let last = self.run(embedded, |_, _| ());
        self.finish(last, grid)
    }

    /// Encodes images and returns the tokens after the chosen blocks, each through the final norm and, for SigLIP, the
    /// pooling.
    ///
    /// Blocks count from 0; outputs come in the order asked for.
    ///
    /// # Panics
    ///
    /// As [`forward`](Self::forward), and if a block does not exist.
    pub fn forward_blocks(&self, images: Tensor<4>, blocks: &[usize]) -> Vec<VitOutput> {
        let depth = self.blocks.len();
        for block in blocks {
            assert!(*block < depth, "there is no block {block} of {depth}");
        }
        let (embedded, grid) = self.embed(self.normalize(images));
        let mut kept = vec![None; depth];
        self.run(embedded, |block, tokens| {
            if blocks.contains(&block) {
                kept[block] = Some(tokens.clone());
            }
        });
        let output = |block: &usize| kept[*block].clone().map(|tokens| self.finish(tokens, grid));
        blocks.iter().filter_map(output).collect()
    }

    /// All tokens at every stage, without the final norm: what the first block sees, then each block's output,
    /// `[batch, n_prefix + patches, d_model]`. For finding where two implementations part.
    ///
    /// # Panics
    ///
    /// As [`forward`](Self::forward).
    pub fn trace(&self, pixels: Tensor<4>) -> Vec<Tensor<3>> {
        let (embedded, _) = self.embed(pixels);
        let mut stages = vec![embedded.clone()];
        self.run(embedded, |_, tokens| stages.push(tokens.clone()));
        stages
    }

    /// Pixels in `[-1, 1]` to the statistics that the network was trained with.
    ///
    /// # Shapes
    ///
    /// - input and output: `[batch, 3, height, width]`
    pub fn normalize(&self, images: Tensor<4>) -> Tensor<4> {
        self.config.pixels.normalize(images)
    }

    /// All tokens before the blocks, and the grid of patches.
    fn embed(&self, pixels: Tensor<4>) -> (Tensor<3>, [usize; 2]) {
        let (patches, grid) = patch_tokens(&self.patch_embed.proj, pixels); // [batch, patches, d]
        let [batch, _, channels] = patches.dims();
        let (table, side) = (self.pos_embed.val(), self.config.table);
        let of_patches =
            table
                .clone()
                .narrow(1, self.config.n_positions() - side * side, side * side);
        let patches = patches + resized(of_patches, side, grid, self.config.positions);
        let cls = self.cls_token.as_ref();
        let cls = cls.map(|token| token.val() + table.narrow(1, 0, 1));
        let registers = self.register_tokens.as_ref().map(|tokens| tokens.val());
        let shared = [cls, registers].into_iter().flatten().map(|tokens| {
            let [_, count, _] = tokens.dims();
            tokens.expand([batch, count, channels])
        });
        let tokens = Tensor::cat(shared.chain([patches]).collect(), 1);
        let norm = self.norm_pre.as_ref();
        let normed = match norm {
            Some(norm) => layer_norm(norm, self.config.norm_eps, tokens),
            None => tokens,
        };
        (normed, grid)
    }

    /// The blocks one after the other; `after` sees the output of each.
    fn run(&self, embedded: Tensor<3>, mut after: impl FnMut(usize, &Tensor<3>)) -> Tensor<3> {
        let blocks = self.blocks.iter().enumerate();
        blocks.fold(embedded, |tokens, (index, block)| {
            let tokens = block.forward(tokens);
            after(index, &tokens);
            tokens
        })
    }

    fn finish(&self, tokens: Tensor<3>, grid: [usize; 2]) -> VitOutput {
        let tokens = layer_norm(&self.norm, self.config.norm_eps, tokens);
        let (registers, prefix) = (self.config.n_registers, self.config.n_prefix());
        let patches = tokens.clone().narrow(1, prefix, grid[0] * grid[1]);
        let summary = match &self.attn_pool {
            Some(pool) => Some(pool.forward(patches.clone())),
            None => (prefix > 0).then(|| tokens.clone().narrow(1, 0, 1).squeeze_dim(1)),
        };
        VitOutput {
            summary,
            registers: (registers > 0).then(|| tokens.narrow(1, prefix - registers, registers)),
            patches,
            grid,
        }
    }
}
