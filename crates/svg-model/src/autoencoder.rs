//! The whole autoencoder.

use burn::prelude::*;
use svg_decoder::Decoder;

use crate::{FeatureEncoder, Grid, LatentSpace, LatentStatistics, SvgEncoder};

/// A frozen encoder, a residual encoder beside it, and a decoder of both.
#[derive(Module, Debug)]
pub struct SvgAutoencoder<E: FeatureEncoder> {
    /// Images to features.
    pub encoder: SvgEncoder<E>,
    /// Features to images.
    pub decoder: Decoder,
    #[module(skip)]
    latents: Option<LatentStatistics>,
}

impl<E: FeatureEncoder> SvgAutoencoder<E> {
    pub(crate) fn new(encoder: SvgEncoder<E>, decoder: Decoder) -> Self {
        Self {
            encoder,
            decoder,
            latents: None,
        }
    }

    /// The same autoencoder as the space of features that are normalised by these statistics.
    ///
    /// # Panics
    ///
    /// If they are of another number of channels.
    pub fn with_latent_statistics(mut self, statistics: LatentStatistics) -> Self {
        let (found, expected) = (statistics.channels(), self.encoder.channels());
        assert!(
            found == expected,
            "latent statistics of {found} channels for features of {expected}"
        );
        self.latents = Some(statistics);
        self
    }

    /// The statistics that features are normalised by, if there are any.
    pub fn latent_statistics(&self) -> Option<&LatentStatistics> {
        self.latents.as_ref()
    }

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

/// Features, normalised by the latent statistics. Until those are given, latents are the features
/// themselves.
impl<E: FeatureEncoder> LatentSpace for SvgAutoencoder<E> {
    fn encode(&self, images: Tensor<4>) -> Tensor<3> {
        let features = self.encoder.features(images);
        match &self.latents {
            Some(statistics) => statistics.normalise(features),
            None => features,
        }
    }

    fn decode(&self, latents: Tensor<3>) -> Tensor<4> {
        let Grid { rows, columns, .. } = self.grid();
        let features = match &self.latents {
            Some(statistics) => statistics.denormalise(latents),
            None => latents,
        };
        self.decoder.forward(features, [rows, columns])
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
pub(crate) mod tests {
    use super::*;
    use crate::{Alignment, AutoencoderConfig, LatentAccumulator};
    use burn::tensor::Distribution;
    use svg_decoder::DecoderConfig;
    use svg_dino::{Dino, DinoConfig};
    use svg_residual::{Moments, ResidualConfig, Statistics};

    /// Features of 24 channels on 2 x 2 tokens.
    pub(crate) fn autoencoder(alignment: Alignment) -> SvgAutoencoder<Dino> {
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
    fn latents_are_normalised_features_and_are_decoded_as_those() {
        let plain = autoencoder(Alignment::Frozen);
        let mut all = LatentAccumulator::new();
        all.push(plain.encode(images(4)));
        let statistics = all.statistics().unwrap();
        let space = plain.clone().with_latent_statistics(statistics.clone());
        let images = images(2);
        let latents = space.encode(images.clone());
        let expected = statistics.normalise(plain.encode(images.clone()));
        latents.to_data().assert_eq(&expected.into_data(), true);
        let difference = space.decode(latents) - plain.reconstruct(images);
        assert!(difference.abs().max().into_scalar::<f32>() < 1e-4);
    }

    #[test]
    #[should_panic(expected = "latent statistics of 2 channels for features of 24")]
    fn statistics_of_other_channels_panic() {
        autoencoder(Alignment::Frozen).with_latent_statistics(LatentStatistics {
            mean: vec![0.0; 2],
            std: vec![1.0; 2],
        });
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
