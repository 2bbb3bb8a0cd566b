//! The network: features in, image out.

use burn::nn::GroupNorm;
use burn::nn::conv::Conv2d;
use burn::prelude::*;
use burn::tensor::assert_shape;
use svg_nn::Checked;
use svg_nn::maps::{apply, blend, conv3x3, group_norm, norm_swish};

use crate::{DecoderConfig, Level, Mid, Tiling};

/// The decoder of latent diffusion (Rombach et al., 2022, arXiv 2112.10752), which is that of SVG
/// (arXiv 2510.15301, section 3.2) with other input channels.
///
/// `conv_out(swish(norm_out(up_0(... up_last(mid(conv_in(x)))))))`. Everything but attention is
/// convolutional, so any grid will do.
#[derive(Module, Debug)]
pub struct Decoder {
    /// From the channels of the features to those of the last level.
    pub conv_in: Conv2d,
    /// At the resolution of the features.
    pub mid: Mid,
    /// Indexed by level, as in the checkpoint, and executed from the last to the first.
    pub up: Vec<Level>,
    /// Before the last convolution.
    pub norm_out: GroupNorm,
    /// To the channels of an image. Its weight is where the adversarial loss is weighed against the
    /// others.
    pub conv_out: Conv2d,
    #[module(skip)]
    config: DecoderConfig,
}

impl Decoder {
    pub(crate) fn new(config: &DecoderConfig, device: &Device) -> Self {
        if let Some(problem) = config.problem() {
            panic!("{problem}");
        }
        let (levels, groups) = (config.width_multipliers.len(), config.norm_groups);
        let (widest, narrowest) = (config.channels(levels - 1), config.channels(0));
        Self {
            conv_in: conv3x3(config.in_channels, widest, device),
            mid: Mid::new(widest, groups, device),
            up: (0..levels)
                .map(|level| Level::new(config.level(level), level > 0, device))
                .collect(),
            norm_out: group_norm(groups, narrowest, device),
            conv_out: conv3x3(narrowest, config.out_channels, device),
            config: config.clone(),
        }
    }

    /// The configuration that the network was made from.
    pub fn config(&self) -> &DecoderConfig {
        &self.config
    }

    /// Decodes features to images, in about [-1, 1] and not clamped.
    ///
    /// # Shapes
    ///
    /// - features: `[batch, rows * columns, in_channels]`, row by row
    /// - output: `[batch, out_channels, rows * u, columns * u]`, where `u` is
    ///   [`DecoderConfig::upsampling`]
    ///
    /// # Panics
    ///
    /// If the features are not `rows * columns` tokens of `in_channels` channels.
    pub fn forward(&self, features: Tensor<3>, grid: [usize; 2]) -> Tensor<4> {
        self.decode(self.to_map(features, grid))
    }

    /// As [`forward`](Self::forward), with no more than one tile of the grid in memory at a time, the
    /// features and the finished image apart. A grid that fits into one tile is decoded as a whole.
    ///
    /// Neighbouring tiles are blended linearly over their overlap, so no seam is left. The result is not
    /// that of [`forward`](Self::forward), though: norms take their statistics from a tile instead of the
    /// whole grid, attention sees a tile, and a tile has zeros around it where the grid goes on. Tones
    /// may therefore drift from tile to tile; a larger tile drifts less.
    ///
    /// # Shapes
    ///
    /// - as for [`forward`](Self::forward)
    ///
    /// # Panics
    ///
    /// As [`forward`](Self::forward), and if the overlap is not smaller than the tile.
    pub fn forward_tiled(
        &self,
        features: Tensor<3>,
        grid: [usize; 2],
        tiling: Tiling,
    ) -> Tensor<4> {
        let map = self.to_map(features, grid);
        blend(map, tiling, self.config.upsampling(), &|part| {
            self.decode(part)
        })
    }

    /// As [`forward`](Self::forward), with the input of the last convolution, `[batch, width, height, width]`
    /// of the image: what the gradient at its weight is a product with.
    ///
    /// # Panics
    ///
    /// As [`forward`](Self::forward).
    pub fn forward_with_trunk(
        &self,
        features: Tensor<3>,
        grid: [usize; 2],
    ) -> (Tensor<4>, Tensor<4>) {
        let trunk = self.trunk(self.to_map(features, grid));
        (apply(&self.conv_out, trunk.clone()), trunk)
    }

    fn decode(&self, map: Tensor<4>) -> Tensor<4> {
        apply(&self.conv_out, self.trunk(map))
    }

    fn trunk(&self, map: Tensor<4>) -> Tensor<4> {
        let x = self.mid.forward(apply(&self.conv_in, map));
        let levels = self.up.iter().rev();
        norm_swish(&self.norm_out, levels.fold(x, |x, level| level.forward(x)))
    }

    /// Tokens to `[batch, in_channels, rows, columns]`.
    pub(crate) fn to_map(&self, features: Tensor<3>, [rows, columns]: [usize; 2]) -> Tensor<4> {
        let channels = self.config.in_channels;
        assert_shape!(features, [_, rows * columns, channels]);
        let [batch, ..] = features.dims();
        features
            .swap_dims(1, 2) // [batch, channels, tokens]
            .reshape([batch, channels, rows, columns])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Distribution;
    use svg_nn::{load_exact, module_tensors};

    fn config() -> DecoderConfig {
        DecoderConfig::new(5)
            .with_width(8)
            .with_width_multipliers(vec![1, 2, 2])
            .with_n_res_blocks(1)
            .with_resolution(32)
            .with_attention_resolutions(vec![8])
            .with_norm_groups(4)
    }

    fn features(batch: usize, [rows, columns]: [usize; 2], device: &Device) -> Tensor<3> {
        let shape = [batch, rows * columns, 5];
        Tensor::random(shape, Distribution::Normal(0.0, 1.0), device)
    }

    #[test]
    fn names_are_those_of_the_checkpoint() {
        let decoder = DecoderConfig::svg().init(&Default::default());
        let mut want: Vec<String> = Vec::new();
        let mut put = |name: String| {
            want.extend(["weight", "bias"].map(|leaf| format!("{name}.{leaf}")));
        };
        let block = ["norm1", "conv1", "norm2", "conv2"];
        let attn = ["norm", "q", "k", "v", "proj_out"];
        for name in ["conv_in", "norm_out", "conv_out"] {
            put(name.to_string());
        }
        for part in block {
            put(format!("mid.block_1.{part}"));
            put(format!("mid.block_2.{part}"));
        }
        for part in attn {
            put(format!("mid.attn_1.{part}"));
        }
        for index in 0..3 {
            for level in 0..5 {
                for part in block {
                    put(format!("up.{level}.block.{index}.{part}"));
                }
            }
            for part in attn {
                put(format!("up.4.attn.{index}.{part}"));
            }
        }
        for level in [1, 3] {
            put(format!("up.{level}.block.0.nin_shortcut"));
        }
        for level in 1..5 {
            put(format!("up.{level}.upsample.conv"));
        }
        want.sort();
        let tensors = module_tensors(&decoder);
        let got: Vec<_> = tensors.iter().map(|tensor| tensor.name.clone()).collect();
        assert_eq!(got, want);
        let shape = |name: &str| {
            let tensor = tensors.iter().find(|tensor| tensor.name == name);
            tensor.unwrap().shape.to_vec()
        };
        assert_eq!(shape("conv_in.weight"), [512, 392, 3, 3]);
        assert_eq!(shape("up.4.attn.0.q.weight"), [512, 512, 1, 1]);
        assert_eq!(shape("up.3.block.0.nin_shortcut.weight"), [256, 512, 1, 1]);
        assert_eq!(shape("conv_out.weight"), [3, 128, 3, 3]);
    }

    #[test]
    fn what_is_saved_loads_as_the_same_decoder() {
        let device = Device::default();
        let (from, to) = (config().init(&device), config().init(&device));
        let x = features(1, [2, 3], &device);
        let to = load_exact(to, module_tensors(&from), "memory").unwrap();
        let want = from.forward(x.clone(), [2, 3]).into_data();
        to.forward(x, [2, 3]).into_data().assert_eq(&want, true);
    }

    #[test]
    fn any_grid_becomes_an_image_of_its_form() {
        let device = Device::default();
        let decoder = config().init(&device);
        for grid in [[1, 1], [2, 5], [3, 2]] {
            let images = decoder.forward(features(2, grid, &device), grid);
            assert_eq!(images.dims(), [2, 3, 4 * grid[0], 4 * grid[1]]);
        }
    }

    #[test]
    fn the_last_convolution_of_the_trunk_is_the_image() {
        let device = Device::default().autodiff();
        let decoder = config().init(&device);
        let x = features(2, [3, 2], &Device::default());
        let (images, trunk) = decoder.forward_with_trunk(x, [3, 2]);
        assert_eq!(trunk.dims(), [2, 8, 12, 8]);
        let image = apply(&decoder.conv_out, trunk);
        image.into_data().assert_eq(&images.into_data(), true);
    }

    #[test]
    fn features_do_not_see_their_neighbours_in_the_batch() {
        let device = Device::default();
        let decoder = config().init(&device);
        let x = features(3, [2, 3], &device);
        let all = decoder.forward(x.clone(), [2, 3]).narrow(0, 1, 1);
        let one = decoder.forward(x.narrow(0, 1, 1), [2, 3]);
        let difference: f32 = (all - one).abs().max().into_scalar();
        assert!(difference < 1e-5, "{difference}");
    }

    #[test]
    fn a_grid_that_fits_into_one_tile_is_decoded_as_a_whole() {
        let device = Device::default();
        let decoder = config().init(&device);
        let x = features(1, [3, 4], &device);
        let want = decoder.forward(x.clone(), [3, 4]).into_data();
        let tiled = decoder.forward_tiled(x, [3, 4], Tiling::new(4, 1));
        tiled.into_data().assert_eq(&want, true);
    }

    /// The step from each column of pixels to the next, the mean over the column.
    fn steps(images: Tensor<4>) -> Vec<f32> {
        let width = images.dims()[3];
        let steps = images.clone().narrow(3, 1, width - 1) - images.narrow(3, 0, width - 1);
        let steps = steps.abs().mean_dims(&[0, 1, 2]).into_data();
        steps.try_to_vec().unwrap()
    }

    /// Tiles that share nothing leave a seam where they meet, tiles that share half of their cells none.
    #[test]
    fn the_edges_of_blended_tiles_do_not_show() {
        let (device, grid) = (Device::default(), [6, 24]);
        let column = Tensor::<1, Int>::arange(0..144, &device).float() % 24.0;
        let column = column.reshape([1, 144, 1]) - 8.0;
        let (mut whole, mut cut, mut blended) = (0.0, 0.0, [0.0; 3]);
        for _ in 0..6 {
            let decoder = config().init(&device);
            // Slopes, so that the statistics of the tiles differ.
            let slopes = Tensor::random([8, 1, 5], Distribution::Normal(0.0, 0.2), &device);
            let x = column.clone() * slopes;
            let tiled = |overlap| {
                let tiling = Tiling::new(12, overlap);
                steps(decoder.forward_tiled(x.clone(), grid, tiling))
            };
            let edge = |cell: usize| 4 * cell - 1;
            whole += steps(decoder.forward(x.clone(), grid))[edge(12)];
            cut += tiled(0)[edge(12)];
            let steps = tiled(6);
            for (sum, cell) in blended.iter_mut().zip([6, 12, 18]) {
                *sum += steps[edge(cell)];
            }
        }
        assert!(cut > 4.0 * whole, "{cut} of {whole}");
        for step in blended {
            assert!(2.0 * step < cut, "{blended:?} of {cut}");
        }
    }

    #[test]
    #[should_panic(expected = "axis 1 expected 6, got 8")]
    fn another_number_of_tokens_panics() {
        let device = Device::default();
        config()
            .init(&device)
            .forward(features(1, [2, 4], &device), [2, 3]);
    }
}
