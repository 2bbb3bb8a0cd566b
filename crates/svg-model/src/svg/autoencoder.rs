//! The whole autoencoder, and its decoding half.

use burn::prelude::*;
use svg_decoder::{Decoder, Tiling};
use svg_roles::{Draw, Geometry, LatentSpace};

use super::SvgEncoder;

/// A frozen encoder, a residual encoder beside it, and a decoder of both.
#[derive(Clone, Debug)]
pub struct SvgAutoencoder {
    /// Images to features.
    pub encoder: SvgEncoder,
    /// Features to images.
    pub decoder: Decoder,
    pub(super) geometry: Geometry,
}

impl SvgAutoencoder {
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
        let grid = self.geometry.grid_of([height, width]);
        self.decoder.forward(self.encoder.features(images), grid)
    }
}

/// The space of features, raw.
impl LatentSpace for SvgAutoencoder {
    fn encode(&self, images: Tensor<4>, _draw: Draw) -> Tensor<3> {
        self.encoder.features(images)
    }

    fn decode(&self, features: Tensor<3>, grid: [usize; 2]) -> Tensor<4> {
        self.decoder.forward(features, grid)
    }

    fn decode_tiled(&self, features: Tensor<3>, grid: [usize; 2], tile: usize) -> Tensor<4> {
        decode_tiled(&self.decoder, features, grid, tile)
    }

    fn geometry(&self) -> Geometry {
        self.geometry
    }

    fn depends_on_batch(&self) -> bool {
        self.encoder.depends_on_batch()
    }
}

/// A space that was opened with [`OpenOptions::decode_only`](crate::OpenOptions::decode_only), without its encoder.
#[derive(Clone, Debug)]
pub(super) struct Decoding {
    pub decoder: Decoder,
    pub geometry: Geometry,
}

impl LatentSpace for Decoding {
    fn encode(&self, _images: Tensor<4>, _draw: Draw) -> Tensor<3> {
        panic!("this space was opened for decoding only");
    }

    fn decode(&self, features: Tensor<3>, grid: [usize; 2]) -> Tensor<4> {
        self.decoder.forward(features, grid)
    }

    fn decode_tiled(&self, features: Tensor<3>, grid: [usize; 2], tile: usize) -> Tensor<4> {
        decode_tiled(&self.decoder, features, grid, tile)
    }

    fn geometry(&self) -> Geometry {
        self.geometry
    }
}

/// Decodes in tiles that overlap by half.
fn decode_tiled(
    decoder: &Decoder,
    features: Tensor<3>,
    grid: [usize; 2],
    tile: usize,
) -> Tensor<4> {
    let overlap = (tile / 2).max(1);
    decoder.forward_tiled(features, grid, Tiling::new(tile, overlap))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::autoencoder;
    use crate::{Accumulator, Alignment, AutoencoderConfig, LatentStatistics, Normalised};
    use burn::tensor::Distribution;
    use std::sync::Arc;
    use svg_dino::DinoConfig;

    fn images(batch: usize) -> Tensor<4> {
        let device = Device::default();
        Tensor::random([batch, 3, 8, 8], Distribution::Uniform(-1.0, 1.0), &device)
    }

    /// The largest difference between image 0 among `images` and alone.
    fn dependence(autoencoder: &SvgAutoencoder, images: Tensor<4>) -> f32 {
        let all = autoencoder
            .encode(images.clone(), Draw::Mode)
            .narrow(0, 0, 1);
        let one = autoencoder.encode(images.narrow(0, 0, 1), Draw::Mode);
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
    fn the_geometry_is_that_of_the_features() {
        let autoencoder = autoencoder(Alignment::Frozen);
        let geometry = autoencoder.geometry();
        let features = autoencoder.encode(images(2), Draw::Mode);
        assert_eq!(features.dims(), [2, geometry.tokens(), geometry.channels]);
        let images = autoencoder.decode(features, geometry.grid());
        assert_eq!(images.dims(), [2, 3, 8, 8]);
    }

    #[test]
    fn latents_are_normalised_features_and_are_decoded_as_those() {
        let plain = autoencoder(Alignment::Frozen);
        let mut all = Accumulator::new();
        all.push(plain.encode(images(4), Draw::Mode));
        let statistics = LatentStatistics::of(&all).unwrap();
        let space = Normalised::new(Arc::new(plain.clone()), statistics.clone()).unwrap();
        let images = images(2);
        let latents = space.encode(images.clone(), Draw::Mode);
        let expected = statistics.normalise(plain.encode(images.clone(), Draw::Mode));
        latents.to_data().assert_eq(&expected.into_data(), true);
        let grid = space.geometry().grid();
        let difference = space.decode(latents, grid) - plain.reconstruct(images);
        assert!(difference.abs().max().into_scalar::<f32>() < 1e-4);
    }

    #[test]
    fn statistics_of_other_channels_are_refused() {
        let statistics = LatentStatistics {
            mean: vec![0.0; 2],
            std: vec![1.0; 2],
        };
        let space = Arc::new(autoencoder(Alignment::Frozen));
        let error = Normalised::new(space, statistics).unwrap_err().to_string();
        assert!(
            error.contains("2 channels, the bundle's features 24"),
            "{error}"
        );
    }

    #[test]
    #[should_panic(expected = "frozen alignment needs statistics")]
    fn frozen_alignment_without_statistics_panics() {
        let device = Device::default();
        let dino = DinoConfig::new(384, 1, 6, 32).init(&device);
        let autoencoder = AutoencoderConfig::svg().init(Arc::new(dino), &device);
        autoencoder
            .encoder
            .features(Tensor::zeros([1, 3, 256, 256], &device));
    }
}
