//! A perceptual distance where no VGG is at hand.

use burn::prelude::*;
use svg_model::FeatureEncoder;

use crate::autoencoder::Perceptual;

/// The distance of two images in the frozen encoder's own features.
///
/// `mean over tokens of |f / |f| - g / |g||^2`, for the features f and g of both images; between 0 and 4.
/// It has LPIPS's form with one layer and without learned weights, and is no LPIPS: numbers of the two
/// must not be compared.
#[derive(Clone, Debug)]
pub struct FeatureDistance<E> {
    plain: E,
    /// The same weights as constants of an autodiff graph.
    tracked: E,
}

impl<E: FeatureEncoder> FeatureDistance<E> {
    /// On an encoder, whose weights never learn.
    pub fn new(encoder: &E) -> Self {
        let plain = encoder.clone().freeze().valid();
        Self {
            tracked: plain.clone().train().freeze(),
            plain,
        }
    }
}

impl<E: FeatureEncoder> Perceptual for FeatureDistance<E> {
    fn distance(&self, images: Tensor<4>, reference: Tensor<4>) -> Tensor<1> {
        let reference = unit(self.plain.features(reference.detach().without_autodiff()));
        let difference = match images.is_autodiff() {
            true => unit(self.tracked.features(images)) - Tensor::from_inner(reference),
            false => unit(self.plain.features(images)) - reference,
        };
        let [batch, tokens, _] = difference.dims();
        let squares = difference.square().sum_dim(2); // [batch, tokens, 1]
        squares
            .reshape([batch, tokens])
            .mean_dim(1)
            .reshape([batch])
    }
}

/// Tokens of length 1. The guard keeps the gradient at a token of zeros finite.
fn unit(tokens: Tensor<3>) -> Tensor<3> {
    let length = tokens.clone().square().sum_dim(2).clamp_min(1e-12).sqrt();
    tokens / length
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Distribution;
    use svg_dino::DinoConfig;

    fn distance() -> FeatureDistance<svg_dino::Dino> {
        let config = DinoConfig::new(16, 1, 2, 32).with_patch_size(4);
        FeatureDistance::new(&config.init(&Device::default()))
    }

    fn images() -> Tensor<4> {
        let device = Device::default();
        Tensor::random([2, 3, 8, 8], Distribution::Uniform(-1.0, 1.0), &device)
    }

    #[test]
    fn an_image_is_no_distance_from_itself_and_some_from_another() {
        let (distance, images) = (distance(), images());
        let none = distance.distance(images.clone(), images.clone());
        assert!(none.abs().max().into_scalar::<f32>() < 1e-6);
        let some = distance.distance(images.clone(), images.flip([0]));
        assert!(some.min().into_scalar::<f32>() > 1e-3);
    }

    #[test]
    fn the_image_learns_and_the_encoder_does_not() {
        let (distance, images) = (distance(), images());
        let leaf = Tensor::from_inner(images.clone()).require_grad();
        let graph = distance.distance(leaf.clone(), images.clone().flip([0]));
        let plain = distance.distance(images.clone(), images.flip([0]));
        let difference = (graph.clone().inner() - plain).abs().max();
        assert!(difference.into_scalar::<f32>() < 1e-5);
        let gradients = graph.sum().backward();
        let at_image = leaf.grad(&gradients).expect("the image learns");
        assert!(at_image.abs().max().into_scalar::<f32>() > 0.0);
        let weight = &distance.tracked.patch_embed.proj.weight;
        assert!(weight.grad(&gradients).is_none());
    }
}
