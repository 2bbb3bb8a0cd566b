//! The network: image in, tokens out.

use burn::module::Param;
use burn::nn::{Initializer, LayerNorm, LayerNormConfig};
use burn::prelude::*;
use svg_nn::{Checked, Precision, layer_norm};

use crate::block::Block;
use crate::patch::PatchEmbed;
use crate::{DinoConfig, rope};

/// A DINOv3 vision transformer (Siméoni et al., "DINOv3", 2025, arXiv 2508.10104).
///
/// Tokens are the class token, the registers and the patches, row by row; there is no absolute position
/// embedding, and any image whose sides are multiples of the patch size will do.
#[derive(Module, Debug)]
pub struct Dino {
    /// Pixels to patch tokens.
    pub patch_embed: PatchEmbed,
    /// `[1, 1, d_model]`
    pub cls_token: Param<Tensor<3>>,
    /// `[1, n_registers, d_model]`; `None` without registers.
    pub register_tokens: Option<Param<Tensor<3>>>,
    /// What a masked patch becomes, `[1, 1, d_model]`.
    pub mask_token: Param<Tensor<3>>,
    /// The transformer.
    pub blocks: Vec<Block>,
    /// The norm that every output has gone through.
    pub norm: LayerNorm,
    #[module(skip)]
    config: DinoConfig,
}

/// What [`Dino`] says of a batch of images: tokens after the final norm.
#[derive(Debug, Clone)]
pub struct DinoOutput {
    /// One summary for each image, `[batch, d_model]`.
    pub cls: Tensor<2>,
    /// The registers, `[batch, n_registers, d_model]`; `None` without registers.
    pub registers: Option<Tensor<3>>,
    /// Patch tokens row by row, `[batch, rows * columns, d_model]`.
    pub patches: Tensor<3>,
    /// Rows and columns of the grid of patches.
    pub grid: [usize; 2],
}

impl Dino {
    pub(crate) fn new(config: &DinoConfig, device: &Device) -> Self {
        if let Some(problem) = config.problem() {
            panic!("{problem}");
        }
        let DinoConfig { d_model, .. } = *config;
        let token = Initializer::Normal {
            mean: 0.0,
            std: 0.02,
        };
        let registers =
            (config.n_registers > 0).then(|| token.init([1, config.n_registers, d_model], device));
        Self {
            patch_embed: PatchEmbed::new(config.patch_size, d_model, device),
            cls_token: token.init([1, 1, d_model], device),
            register_tokens: registers,
            mask_token: Initializer::Zeros.init([1, 1, d_model], device),
            blocks: (0..config.n_layers)
                .map(|_| Block::new(config, device))
                .collect(),
            norm: LayerNormConfig::new(d_model)
                .with_epsilon(config.norm_eps)
                .init(device),
            config: config.clone(),
        }
    }

    /// The configuration that the network was made from.
    pub fn config(&self) -> &DinoConfig {
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
    pub fn forward(&self, images: Tensor<4>) -> DinoOutput {
        self.forward_normalized(self.normalize(images))
    }

    /// Encodes pixels that are already [normalised](Self::normalize).
    ///
    /// # Panics
    ///
    /// As [`forward`](Self::forward).
    pub fn forward_normalized(&self, pixels: Tensor<4>) -> DinoOutput {
        self.encode(pixels, None)
    }

    /// Encodes pixels, some of whose patches are replaced by the mask token.
    ///
    /// # Shapes
    ///
    /// - pixels: as for [`forward_normalized`](Self::forward_normalized)
    /// - mask: `[batch, rows * columns]`, true where a patch is hidden
    ///
    /// # Panics
    ///
    /// As [`forward`](Self::forward), and if the mask is not one entry per patch.
    pub fn forward_masked(&self, pixels: Tensor<4>, mask: Tensor<2, Bool>) -> DinoOutput {
        self.encode(pixels, Some(mask))
    }

    /// Encodes images and returns the tokens after the chosen blocks, each through the final norm.
    ///
    /// Blocks count from 0; outputs come in the order asked for. Dense tasks on the small models
    /// usually take 2, 5, 8 and 11.
    ///
    /// # Panics
    ///
    /// As [`forward`](Self::forward), and if a block does not exist.
    pub fn forward_blocks(&self, images: Tensor<4>, blocks: &[usize]) -> Vec<DinoOutput> {
        let depth = self.blocks.len();
        for block in blocks {
            assert!(*block < depth, "there is no block {block} of {depth}");
        }
        let (embedded, grid) = self.embed(self.normalize(images), None);
        let mut kept = vec![None; depth];
        self.run(embedded, grid, |block, tokens| {
            if blocks.contains(&block) {
                kept[block] = Some(tokens.clone());
            }
        });
        let output = |block: &usize| kept[*block].clone().map(|tokens| self.finish(tokens, grid));
        blocks.iter().filter_map(output).collect()
    }

    /// All tokens at every stage, without the final norm: the embedded tokens, then each block's output,
    /// `[batch, 1 + n_registers + patches, d_model]`. For finding where two implementations part.
    ///
    /// # Panics
    ///
    /// As [`forward`](Self::forward).
    pub fn trace(&self, pixels: Tensor<4>) -> Vec<Tensor<3>> {
        let (embedded, grid) = self.embed(pixels, None);
        let mut stages = vec![embedded.clone()];
        self.run(embedded, grid, |_, tokens| stages.push(tokens.clone()));
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

    fn encode(&self, pixels: Tensor<4>, mask: Option<Tensor<2, Bool>>) -> DinoOutput {
        let (embedded, grid) = self.embed(pixels, mask);
        let last = self.run(embedded, grid, |_, _| ());
        self.finish(last, grid)
    }

    /// All tokens before the blocks, and the grid of patches.
    fn embed(&self, pixels: Tensor<4>, mask: Option<Tensor<2, Bool>>) -> (Tensor<3>, [usize; 2]) {
        let (mut patches, grid) = self.patch_embed.forward(pixels); // [batch, patches, d]
        let shape @ [batch, count, _] = patches.dims();
        if let Some(mask) = mask {
            assert_shape!(mask, [batch, count]);
            let mask = mask.unsqueeze_dim::<3>(2).expand(shape);
            patches = patches.mask_where(mask, self.mask_token.val().expand(shape));
        }
        let registers = self.register_tokens.as_ref().map(|tokens| tokens.val());
        let prefix = [Some(self.cls_token.val()), registers];
        let shared = prefix.into_iter().flatten().map(|tokens| {
            let [_, count, channels] = tokens.dims();
            tokens.expand([batch, count, channels])
        });
        (Tensor::cat(shared.chain([patches]).collect(), 1), grid)
    }

    /// The blocks one after the other; `after` sees the output of each.
    fn run(
        &self,
        embedded: Tensor<3>,
        [rows, columns]: [usize; 2],
        mut after: impl FnMut(usize, &Tensor<3>),
    ) -> Tensor<3> {
        let rotation = rope::rotation(&self.config, rows, columns, &embedded.device());
        let blocks = self.blocks.iter().enumerate();
        blocks.fold(embedded, |tokens, (index, block)| {
            let tokens = block.forward(tokens, &rotation);
            after(index, &tokens);
            tokens
        })
    }

    fn finish(&self, tokens: Tensor<3>, grid: [usize; 2]) -> DinoOutput {
        let tokens = layer_norm(&self.norm, self.config.norm_eps, tokens);
        let (registers, prefix) = (self.config.n_registers, self.config.n_prefix());
        DinoOutput {
            cls: tokens.clone().narrow(1, 0, 1).squeeze_dim(1),
            registers: (registers > 0).then(|| tokens.clone().narrow(1, 1, registers)),
            patches: tokens.narrow(1, prefix, grid[0] * grid[1]),
            grid,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tiny() -> Dino {
        let config = DinoConfig::new(16, 2, 2, 32)
            .with_patch_size(4)
            .with_layer_scale(1.0);
        config.init(&Default::default())
    }

    fn images(batch: usize) -> Tensor<4> {
        let count = batch * 3 * 8 * 12;
        let wave = Tensor::<1, Int>::arange(0..count as i64, &Default::default()).float();
        (wave * 0.37).sin().reshape([batch, 3, 8, 12])
    }

    #[test]
    fn the_output_is_sorted_by_kind_of_token() {
        let output = tiny().forward(images(2));
        assert_eq!(output.grid, [2, 3]);
        assert_eq!(output.cls.dims(), [2, 16]);
        assert_eq!(output.registers.unwrap().dims(), [2, 4, 16]);
        assert_eq!(output.patches.dims(), [2, 6, 16]);
    }

    #[test]
    fn an_image_does_not_see_its_neighbours() {
        let dino = tiny();
        let all = dino.forward(images(3)).patches;
        let one = dino.forward(images(3).narrow(0, 1, 1)).patches;
        let difference: f32 = (all.narrow(0, 1, 1) - one).abs().max().into_scalar();
        assert!(difference < 1e-6, "{difference}");
    }

    #[test]
    fn the_last_block_is_the_output() {
        let dino = tiny();
        let blocks = dino.forward_blocks(images(1), &[1, 0]);
        let last = dino.forward(images(1)).patches.into_data();
        blocks[0].patches.to_data().assert_eq(&last, true);
        assert!(blocks[1].patches.to_data() != last);
    }

    #[test]
    fn masking_everything_hides_the_pixels() {
        let dino = tiny();
        let mask = Tensor::<2, Int>::ones([1, 6], &Default::default()).bool();
        let dark = dino.forward_masked(images(1), mask.clone()).patches;
        let light = dino.forward_masked(images(1) + 1.0, mask).patches;
        dark.into_data().assert_eq(&light.into_data(), true);
    }

    #[test]
    fn normalisation_maps_the_mean_to_zero() {
        let dino = tiny();
        let mean = Tensor::<1>::from_floats([0.485, 0.456, 0.406], &Default::default());
        let images = mean.reshape([1, 3, 1, 1]) * 2.0 - 1.0;
        let zero: f32 = dino.normalize(images).abs().max().into_scalar();
        assert!(zero < 1e-6, "{zero}");
    }

    #[test]
    #[should_panic(expected = "sides that are multiples of 4, got 3 channels and 8 by 10 pixels")]
    fn a_side_that_is_no_multiple_panics() {
        tiny().forward(Tensor::zeros([1, 3, 8, 10], &Default::default()));
    }

    #[test]
    #[should_panic(expected = "there is no block 2 of 2")]
    fn a_block_that_does_not_exist_panics() {
        tiny().forward_blocks(images(1), &[2]);
    }
}
