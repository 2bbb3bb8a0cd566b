//! A perceptual distance for when there is no VGG.

use std::sync::Arc;

use burn::prelude::*;
use svg_roles::Encoder;

use crate::autoencoder::Perceptual;

/// The distance of two images in the frozen encoder's own features.
///
/// `mean over tokens of |f / |f| - g / |g||^2`, for the features f and g of both images; between 0 and 4.
/// It has LPIPS's form with one layer and without learned weights, and is no LPIPS: numbers of the two
/// must not be compared.
#[derive(Clone, Debug)]
pub struct FeatureDistance {
    plain: Arc<dyn Encoder>,
    /// The same weights as constants of an autodiff graph.
    tracked: Arc<dyn Encoder>,
}

impl FeatureDistance {
    /// In the tokens of an encoder, whose weights never learn, on `device`.
    pub fn new(encoder: &dyn Encoder, device: &Device) -> Self {
        let device = device.clone().without_autodiff();
        Self {
            plain: encoder.to_device(&device),
            tracked: encoder.to_device(&device.autodiff()),
        }
    }
}

impl Perceptual for FeatureDistance {
    fn distance(&self, images: Tensor<4>, reference: Tensor<4>) -> Tensor<1> {
        let reference = self.plain.tokens(reference.detach().without_autodiff());
        let reference = unit(reference.patches);
        let difference = match images.is_autodiff() {
            true => unit(self.tracked.tokens(images).patches) - Tensor::from_inner(reference),
            false => unit(self.plain.tokens(images).patches) - reference,
        };
        let [batch, tokens, _] = difference.dims();
        let squares = difference.square().sum_dim(2); // [batch, tokens, 1]
        squares
            .reshape([batch, tokens])
            .mean_dim(1)
            .reshape([batch])
    }

    fn to_device(&self, device: &Device) -> Box<dyn Perceptual> {
        Box::new(Self::new(&*self.plain, device))
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

    fn distance() -> FeatureDistance {
        let device = Device::default();
        let config = DinoConfig::new(16, 1, 2, 32).with_patch_size(4);
        FeatureDistance::new(&config.init(&device), &device)
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
    fn gradients_reach_the_image() {
        let (distance, images) = (distance(), images());
        let leaf = Tensor::from_inner(images.clone()).require_grad();
        let graph = distance.distance(leaf.clone(), images.clone().flip([0]));
        let plain = distance.distance(images.clone(), images.flip([0]));
        let difference = (graph.clone().inner() - plain).abs().max();
        assert!(difference.into_scalar::<f32>() < 1e-5);
        let gradients = graph.sum().backward();
        let at_image = leaf.grad(&gradients).expect("the image learns");
        assert!(at_image.abs().max().into_scalar::<f32>() > 0.0);
    }
}
