//! The whole autoencoder.

use burn::prelude::*;
use svg_decoder::Decoder;

use crate::{FeatureEncoder, Grid, LatentSpace, SvgEncoder};

/// A frozen encoder, a residual encoder beside it, and a decoder of both.
#[derive(Module, Debug)]
pub struct SvgAutoencoder<E: FeatureEncoder> {
    /// Images to features.
    pub encoder: SvgEncoder<E>,
    /// Features to images.
    pub decoder: Decoder,
}

impl<E: FeatureEncoder> SvgAutoencoder<E> {
    /// Images through both halves: what the model keeps of them.
    ///
    /// # Shapes
    ///
    /// - input and output: `[batch, 3, height, width]`; in [-1, 1], the output not clamped
    ///
    /// # Panics
    ///
    /// As [`SvgEncoder::features`].
    pub fn reconstruct(&self, images: Tensor<4>) -> Tensor<4> {
        let [_, _, height, width] = images.dims();
        let grid = self.encoder.grid([height, width]);
        self.decoder.forward(self.encoder.features(images), grid)
    }
}

/// The space of raw features. A flow wants it normalised by statistics of its data set; until those are
/// given, latents are the features themselves.
impl<E: FeatureEncoder> LatentSpace for SvgAutoencoder<E> {
    fn encode(&self, images: Tensor<4>) -> Tensor<3> {
        self.encoder.features(images)
    }

    fn decode(&self, latents: Tensor<3>) -> Tensor<4> {
        let Grid { rows, columns, .. } = self.grid();
        self.decoder.forward(latents, [rows, columns])
    }

    fn grid(&self) -> Grid {
        let residual = self.encoder.residual.as_ref();
        let side = residual.map_or(self.decoder.config().resolution, |residual| {
            residual.config().image_size
        });
        let [rows, columns] = self.encoder.grid([side, side]);
        Grid {
            rows,
            columns,
            channels: self.encoder.channels(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Alignment, AutoencoderConfig};
    use burn::tensor::Distribution;
    use svg_decoder::DecoderConfig;
    use svg_dino::{Dino, DinoConfig};
    use svg_residual::{Moments, ResidualConfig, Statistics};

    fn autoencoder(alignment: Alignment) -> SvgAutoencoder<Dino> {
        let device = Device::default();
        let dino = DinoConfig::new(16, 1, 2, 32).with_patch_size(4);
        let residual = ResidualConfig::new()
            .with_image_size(8)
            .with_patch_size(4)
            .with_d_model(16)
            .with_n_heads(2)
            .with_d_ff(16)
            .with_n_layers(1);
        let decoder = DecoderConfig::new(24)
            .with_width(32)
            .with_width_multipliers(vec![1, 1, 1])
            .with_resolution(8)
            .with_attention_resolutions(vec![]);
        let config = AutoencoderConfig::new(decoder)
            .with_residual(Some(residual))
            .with_alignment(alignment);
        let mut autoencoder = config.init(dino.init(&device), &device);
        let moments = |mean, std| Moments { mean, std };
        autoencoder.encoder = autoencoder.encoder.with_statistics(Statistics {
            semantic: moments(0.1, 0.9),
            residual: moments(-0.2, 0.3),
        });
        autoencoder
    }

    fn images(batch: usize) -> Tensor<4> {
        let device = Device::default();
        Tensor::random([batch, 3, 8, 8], Distribution::Uniform(-1.0, 1.0), &device)
    }

    /// The largest difference between image 0 among `images` and alone.
    fn dependence(autoencoder: &SvgAutoencoder<Dino>, images: Tensor<4>) -> f32 {
        let all = autoencoder.encode(images.clone()).narrow(0, 0, 1);
        let one = autoencoder.encode(images.narrow(0, 0, 1));
        (all - one).abs().max().into_scalar()
    }

    #[test]
    fn frozen_features_of_an_image_are_its_own_and_batch_ones_are_not() {
        let images = images(8);
        for alignment in [Alignment::Frozen, Alignment::None] {
            let autoencoder = autoencoder(alignment);
            for batch in [3, 8] {
                let difference = dependence(&autoencoder, images.clone().narrow(0, 0, batch));
                assert!(difference < 1e-6, "{alignment:?}: {difference}");
            }
        }
        let difference = dependence(&autoencoder(Alignment::Batch), images);
        assert!(difference > 1e-3, "{difference}");
    }

    #[test]
    fn the_grid_is_that_of_the_features() {
        let autoencoder = autoencoder(Alignment::Frozen);
        let Grid {
            rows,
            columns,
            channels,
        } = autoencoder.grid();
        let latents = autoencoder.encode(images(2));
        assert_eq!(latents.dims(), [2, rows * columns, channels]);
        assert_eq!(autoencoder.decode(latents).dims(), [2, 3, 8, 8]);
    }

    #[test]
    fn only_the_trainable_parts_are_seen_as_parameters() {
        let autoencoder = autoencoder(Alignment::Frozen);
        let residual = autoencoder.encoder.residual.as_ref().unwrap().num_params();
        let decoder = autoencoder.decoder.num_params();
        assert_eq!(autoencoder.num_params(), residual + decoder);
    }

    #[test]
    #[should_panic(expected = "frozen alignment needs statistics")]
    fn frozen_alignment_without_statistics_panics() {
        let device = Device::default();
        let dino = DinoConfig::new(384, 1, 6, 32).init(&device);
        let autoencoder = AutoencoderConfig::svg().init(dino, &device);
        autoencoder
            .encoder
            .features(Tensor::zeros([1, 3, 256, 256], &device));
    }
}
