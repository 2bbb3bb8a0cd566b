//! The network that encodes images into residuals.

use burn::module::Param;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{Dropout, DropoutConfig, Initializer, LayerNorm, LayerNormConfig};
use burn::prelude::*;
use svg_nn::{Checked, layer_norm, patch_tokens};

use crate::position::resample;
use crate::{Block, Head, ResidualConfig};

/// Epsilon of every norm, as in torchvision's vision transformers.
pub(crate) const NORM_EPS: f64 = 1e-6;

/// ImageNet's per-channel mean of pixels in `[0, 1]`.
const PIXEL_MEAN: [f32; 3] = [0.485, 0.456, 0.406];

/// ImageNet's per-channel standard deviation of pixels in `[0, 1]`.
const PIXEL_STD: [f32; 3] = [0.229, 0.224, 0.225];

/// The small vision transformer beside the frozen encoder (arXiv 2510.15301, section 3.2), with the
/// architecture and names of torchvision's `VisionTransformer`.
#[derive(Module, Debug)]
pub struct ResidualEncoder {
    /// Class token, discarded before the head, `[1, 1, d_model]`.
    pub class_token: Param<Tensor<3>>,
    /// Patch embedding, a convolution whose stride equals its kernel size.
    pub conv_proj: Conv2d,
    /// Positions, blocks and the final norm.
    pub encoder: Encoder,
    /// Head from tokens to residual channels.
    pub heads: Head,
    /// Replaces the residual of [masked](Self::mask) samples, `[1, channels, 1]`; `None` if `mask_ratio`
    /// is 0.
    pub mask_token: Option<Param<Tensor<3>>>,
    #[module(skip)]
    config: ResidualConfig,
}

/// The transformer, a separate level in torchvision's names.
#[derive(Module, Debug)]
pub struct Encoder {
    /// Positions of the class token and of the patches of a native image, row by row,
    /// `[1, 1 + side * side, d_model]`.
    pub pos_embedding: Param<Tensor<3>>,
    /// Dropout of the embedded tokens.
    pub dropout: Dropout,
    /// The blocks.
    pub layers: Vec<Block>,
    /// The final norm.
    pub ln: LayerNorm,
}

impl ResidualEncoder {
    pub(crate) fn new(config: &ResidualConfig, device: &Device) -> Self {
        if let Some(problem) = config.problem() {
            panic!("{problem}");
        }
        let (patch, d_model) = (config.patch_size, config.d_model);
        let normal = |std| Initializer::Normal { mean: 0.0, std };
        // torchvision truncates this normal at an absolute 2, which is 55 deviations for patches of
        // 16 pixels and therefore never happens.
        let (fan_in, size) = (3 * patch * patch, [patch, patch]);
        let mut conv_proj = Conv2dConfig::new([3, d_model], size)
            .with_stride(size)
            .with_initializer(normal((fan_in as f64).powf(-0.5)))
            .init(device);
        conv_proj.bias = Some(Initializer::Zeros.init([d_model], device));
        let positions = 1 + config.side().pow(2);
        let layers = (0..config.n_layers).map(|_| Block::new(config, device));
        Self {
            class_token: Initializer::Zeros.init([1, 1, d_model], device),
            conv_proj,
            encoder: Encoder {
                pos_embedding: normal(0.02).init([1, positions, d_model], device),
                dropout: DropoutConfig::new(config.dropout).init(),
                layers: layers.collect(),
                ln: LayerNormConfig::new(d_model)
                    .with_epsilon(NORM_EPS)
                    .init(device),
            },
            heads: Head::new(d_model, config.channels, device),
            mask_token: (config.mask_ratio > 0.0)
                .then(|| normal(0.02).init([1, config.channels, 1], device)),
            config: config.clone(),
        }
    }

    /// Configuration of the network.
    pub fn config(&self) -> &ResidualConfig {
        &self.config
    }

    /// Encodes images into residuals, neither [masked](Self::mask) nor [aligned](crate::align).
    ///
    /// For sizes other than `image_size` the positions are interpolated bicubically; at the native size they
    /// are the learned ones, bit for bit. On an autodiff device dropout is active, unless the network is
    /// frozen.
    ///
    /// # Shapes
    ///
    /// - images: `[batch, 3, height, width]` in `[-1, 1]`, sides multiples of the patch size
    /// - output: `[batch, tokens, channels]`, one token for each patch, row by row
    ///
    /// # Panics
    ///
    /// If there are not three channels or a side is not a positive multiple of the patch size.
    pub fn forward(&self, images: Tensor<4>) -> Tensor<3> {
        self.forward_normalized(self.normalize(images))
    }

    /// Encodes pixels that are already [normalised](Self::normalize).
    ///
    /// # Panics
    ///
    /// As [`forward`](Self::forward).
    pub fn forward_normalized(&self, pixels: Tensor<4>) -> Tensor<3> {
        let (patches, grid) = patch_tokens(&self.conv_proj, pixels);
        let [batch, count, width] = patches.dims();
        let class = self.class_token.val().expand([batch, 1, width]);
        let tokens = Tensor::cat(vec![class, patches], 1); // [batch, 1 + patches, d_model]
        let tokens = self.encoder.forward(tokens + self.positions(grid));
        self.heads.forward(tokens.narrow(1, 1, count)) // [batch, patches, channels]
    }

    /// Normalises pixels in `[-1, 1]` with the mean and standard deviation of ImageNet per channel.
    ///
    /// # Shapes
    ///
    /// - input and output: `[batch, 3, height, width]`
    pub fn normalize(&self, images: Tensor<4>) -> Tensor<4> {
        let device = images.device();
        let per_channel = |values| Tensor::<1>::from_floats(values, &device).reshape([1, 3, 1, 1]);
        let unit = (images + 1.0) * 0.5;
        (unit - per_channel(PIXEL_MEAN)) / per_channel(PIXEL_STD)
    }

    /// Positions of the class token and of a grid, `[1, 1 + rows * columns, d_model]`.
    fn positions(&self, grid: [usize; 2]) -> Tensor<3> {
        let learned = self.encoder.pos_embedding.val();
        let side = self.config.side();
        if grid == [side, side] {
            return learned;
        }
        let class = learned.clone().narrow(1, 0, 1);
        let patches = learned.narrow(1, 1, side * side);
        Tensor::cat(vec![class, resample(patches, side, grid)], 1)
    }
}

impl Encoder {
    /// Applies dropout, the blocks and the final norm.
    ///
    /// # Shapes
    ///
    /// - embedded and output: `[batch, tokens, d_model]`
    pub fn forward(&self, embedded: Tensor<3>) -> Tensor<3> {
        let tokens = self.dropout.forward(embedded);
        let layers = self.layers.iter();
        let tokens = layers.fold(tokens, |tokens, layer| layer.forward(tokens));
        layer_norm(&self.ln, NORM_EPS, tokens)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::tiny;
    use crate::{Moments, Statistics, align};
    use burn::tensor::{Distribution, Tolerance};

    fn encoder() -> ResidualEncoder {
        tiny().init(&Default::default())
    }

    fn images(shape: [usize; 4], device: &Device) -> Tensor<4> {
        Tensor::random(shape, Distribution::Uniform(-1.0, 1.0), device)
    }

    fn largest(tensor: Tensor<3>) -> f32 {
        tensor.abs().max().into_scalar()
    }

    #[test]
    fn output_has_one_token_per_patch_of_any_grid() {
        let device = Default::default();
        for (height, width) in [(8, 8), (12, 20), (4, 4)] {
            let residual = encoder().forward(images([2, 3, height, width], &device));
            assert_eq!(residual.dims(), [2, height / 4 * (width / 4), 8]);
        }
    }

    #[test]
    fn the_native_grid_uses_the_learned_positions() {
        let encoder = encoder();
        let learned = encoder.encoder.pos_embedding.val();
        let native = encoder.positions([2, 2]).into_data();
        native.assert_eq(&learned.clone().into_data(), true);
        let class = encoder.positions([3, 5]).narrow(1, 0, 1).into_data();
        class.assert_eq(&learned.narrow(1, 0, 1).into_data(), true);
    }

    #[test]
    fn images_are_independent_with_fixed_statistics() {
        let (encoder, device) = (encoder(), Default::default());
        let batch = images([3, 3, 8, 8], &device);
        let one = batch.clone().narrow(0, 1, 1);
        let statistics = Statistics {
            semantic: Moments {
                mean: 0.1,
                std: 0.6,
            },
            residual: Moments {
                mean: -0.2,
                std: 0.3,
            },
        };
        let aligned = |images| align(encoder.forward(images), &statistics);
        let difference = aligned(batch).narrow(0, 1, 1) - aligned(one);
        assert!(largest(difference) < 1e-6);
    }

    #[test]
    fn images_depend_on_each_other_with_batch_statistics() {
        let (encoder, device) = (encoder(), Default::default());
        let batch = images([3, 3, 8, 8], &device) * 5.0;
        let one = batch.clone().narrow(0, 1, 1);
        let semantic = Tensor::random([3, 4, 6], Distribution::Normal(0.0, 1.0), &device);
        let aligned = |images, semantic| {
            let residual = encoder.forward(images);
            align(residual.clone(), &Statistics::of(semantic, residual))
        };
        let alone = aligned(one, semantic.clone().narrow(0, 1, 1));
        let difference = aligned(batch, semantic).narrow(0, 1, 1) - alone;
        assert!(largest(difference) > 1e-3);
    }

    #[test]
    fn dropout_is_active_in_training_but_not_in_inference() {
        let device = Device::default().autodiff();
        let encoder = tiny().with_dropout(0.3).init(&device);
        let pixels = images([1, 3, 8, 8], &device);
        let once = || encoder.forward(pixels.clone()).into_data();
        assert!(once() != once());
        let (still, pixels) = (encoder.valid(), pixels.clone().inner());
        let once = || still.forward(pixels.clone()).into_data();
        once().assert_eq(&once(), true);
    }

    #[test]
    fn gradients_reach_both_ends_and_interpolated_positions() {
        let device = Device::default().autodiff();
        let encoder = tiny().with_mask_ratio(0.0).init(&device);
        let residual = encoder.forward(images([2, 3, 12, 8], &device));
        let grads = residual.powf_scalar(2.0).sum().backward();
        let of_positions = encoder.encoder.pos_embedding.val().grad(&grads);
        assert!(
            of_positions.is_some(),
            "no gradient through the interpolation"
        );
        assert!(encoder.class_token.val().grad(&grads).is_some());
        assert!(encoder.conv_proj.weight.val().grad(&grads).is_some());
        assert!(encoder.heads.out.weight.val().grad(&grads).is_some());
    }

    #[test]
    fn normalisation_maps_the_mean_to_zero() {
        let mean = Tensor::<1>::from_floats(PIXEL_MEAN, &Default::default());
        let images = mean.reshape([1, 3, 1, 1]) * 2.0 - 1.0;
        let zero: f32 = encoder().normalize(images).abs().max().into_scalar();
        assert!(zero < 1e-6, "{zero}");
    }

    #[test]
    fn bf16_weights_change_the_output_little() {
        let (encoder, device) = (encoder(), Default::default());
        let images = images([1, 3, 8, 8], &device);
        let expected = encoder.forward(images.clone()).into_data();
        let encoder = svg_nn::Precision::Bf16.apply(encoder);
        let out = encoder.forward(images).into_data();
        out.assert_approx_eq::<f32>(&expected, Tolerance::absolute(5e-2));
    }

    #[test]
    #[should_panic(expected = "sides that are multiples of 4, got 3 channels and 8 by 10 pixels")]
    fn sides_that_are_not_multiples_of_the_patch_panic() {
        encoder().forward(Tensor::zeros([1, 3, 8, 10], &Default::default()));
    }
}
