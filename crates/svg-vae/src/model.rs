//! The autoencoder, and its latent space.

use burn::nn::conv::Conv2d;
use burn::prelude::*;
use burn::tensor::{TensorData, assert_shape};
use svg_nn::Checked;
use svg_nn::maps::{Tiling, apply, blend, conv1x1};
use svg_roles::{Draw, Geometry, LatentSpace};

use crate::{Decoder, Encoder, KlVaeConfig, Posterior};

/// A variational autoencoder of the layout of latent diffusion (Rombach et al., 2022, arXiv 2112.10752).
///
/// As a [`LatentSpace`] its latents are `scale (z - shift)` with the numbers of [`KlVaeConfig`], where `z` is the mean
/// or a sample of the [`Posterior`].
#[derive(Module, Debug)]
pub struct KlVae {
    /// Images to moments.
    pub encoder: Encoder,
    /// One pixel by one, on the moments.
    pub quant_conv: Option<Conv2d>,
    /// One pixel by one, on the latents.
    pub post_quant_conv: Option<Conv2d>,
    /// Latents to images.
    pub decoder: Decoder,
    #[module(skip)]
    config: KlVaeConfig,
}

impl KlVae {
    pub(crate) fn new(config: &KlVaeConfig, device: &Device) -> Self {
        if let Some(problem) = config.problem() {
            panic!("{problem}");
        }
        let z = config.latent_channels;
        Self {
            encoder: Encoder::new(config, device),
            quant_conv: config.quant_conv.then(|| conv1x1(2 * z, 2 * z, device)),
            post_quant_conv: config.post_quant_conv.then(|| conv1x1(z, z, device)),
            decoder: Decoder::new(config, device),
            config: config.clone(),
        }
    }

    /// The configuration that the network was made from.
    pub fn config(&self) -> &KlVaeConfig {
        &self.config
    }

    /// The distribution of the latents of images, before they are scaled.
    ///
    /// # Shapes
    ///
    /// - images: `[batch, 3, height, width]` in [-1, 1]
    pub fn posterior(&self, images: Tensor<4>) -> Posterior {
        let moments = self.encoder.forward(images);
        Posterior::of(match &self.quant_conv {
            Some(conv) => apply(conv, moments),
            None => moments,
        })
    }

    /// Decodes latents that are not scaled to images, in about [-1, 1] and not clamped.
    ///
    /// # Shapes
    ///
    /// - z: `[batch, latent_channels, rows, columns]`
    /// - output: `[batch, 3, rows * d, columns * d]`, where `d` is [`KlVaeConfig::downsampling`]
    pub fn decode_map(&self, z: Tensor<4>) -> Tensor<4> {
        self.decoder.forward(self.decoder_input(z))
    }

    /// The input of the decoder, of the shape of `z`: [`decode_map`](Self::decode_map) but for the decoder.
    pub fn decoder_input(&self, z: Tensor<4>) -> Tensor<4> {
        match &self.post_quant_conv {
            Some(conv) => apply(conv, z),
            None => z,
        }
    }

    /// `scale (z - shift)`
    fn scaled(&self, z: Tensor<3>) -> Tensor<3> {
        let KlVaeConfig { shift, scale, .. } = &self.config;
        let z = match shift.iter().all(|shift| *shift == 0.0) {
            true => z,
            false => {
                let shift = row(shift, &z);
                z - shift
            }
        };
        let scale = row(scale, &z);
        z * scale
    }

    /// `latents / scale + shift`, as `[batch, latent_channels, rows, columns]`
    fn unscaled(&self, latents: Tensor<3>, [rows, columns]: [usize; 2]) -> Tensor<4> {
        let KlVaeConfig { shift, scale, .. } = &self.config;
        let channels = self.config.latent_channels;
        assert_shape!(latents, [_, rows * columns, channels]);
        let [batch, ..] = latents.dims();
        let (scale, shift) = (row(scale, &latents), row(shift, &latents));
        let z = latents / scale + shift;
        z.swap_dims(1, 2) // [batch, channels, tokens]
            .reshape([batch, channels, rows, columns])
    }
}

/// One number or one for each channel, to go with tokens.
fn row(numbers: &[f64], tokens: &Tensor<3>) -> Tensor<3> {
    let values: Vec<f32> = numbers.iter().map(|number| *number as f32).collect();
    let shape = [1, 1, values.len()];
    Tensor::from_data(TensorData::new(values, shape), &tokens.device())
}

/// `[batch, channels, rows, columns]` to `[batch, rows * columns, channels]`.
fn tokens(map: Tensor<4>) -> Tensor<3> {
    map.flatten::<3>(2, 3).swap_dims(1, 2)
}

impl LatentSpace for KlVae {
    /// Images whose sides are no multiples of [`KlVaeConfig::downsampling`] lose what is left over.
    fn encode(&self, images: Tensor<4>, draw: Draw) -> Tensor<3> {
        let posterior = self.posterior(images);
        let z = match draw {
            Draw::Mode => posterior.mean,
            Draw::Sample(noise) => {
                let [batch, channels, rows, columns] = posterior.mean.dims();
                assert_shape!(noise, [batch, rows * columns, channels]);
                let noise = noise
                    .swap_dims(1, 2)
                    .reshape([batch, channels, rows, columns]);
                posterior.sample(noise)
            }
        };
        self.scaled(tokens(z))
    }

    fn decode(&self, latents: Tensor<3>, grid: [usize; 2]) -> Tensor<4> {
        self.decode_map(self.unscaled(latents, grid))
    }

    /// Tiles overlap by half. Norms take their statistics from a tile, so tones may drift from tile to tile.
    fn decode_tiled(&self, latents: Tensor<3>, grid: [usize; 2], tile: usize) -> Tensor<4> {
        let tiling = Tiling::new(tile, (tile / 2).max(1));
        let (z, upsampling) = (self.unscaled(latents, grid), self.config.downsampling());
        blend(z, tiling, upsampling, &|part| self.decode_map(part))
    }

    fn geometry(&self) -> Geometry {
        self.config.geometry()
    }
}
