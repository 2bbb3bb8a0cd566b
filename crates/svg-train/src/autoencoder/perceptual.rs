//! Trait for perceptual distances.

use burn::prelude::*;
use svg_eval::Lpips;

/// A perceptual distance between images.
pub trait Perceptual: Send + Sync {
    /// The distance of each image from its reference, differentiable in `images` alone.
    ///
    /// # Shapes
    ///
    /// - images, reference: `[batch, 3, height, width]` in `[-1, 1]`
    /// - output: `[batch]`
    fn distance(&self, images: Tensor<4>, reference: Tensor<4>) -> Tensor<1>;

    /// The same distance on another device.
    fn to_device(&self, device: &Device) -> Box<dyn Perceptual>;

    /// The distances, and the gradient of their sum at the images; all on the plain device.
    ///
    /// # Shapes
    ///
    /// - images, reference: `[batch, 3, height, width]` in `[-1, 1]`, on the plain device
    /// - output: `[batch]` and `[batch, 3, height, width]`
    fn differentiate(&self, images: Tensor<4>, reference: Tensor<4>) -> (Tensor<1>, Tensor<4>) {
        let leaf = Tensor::from_inner(images).require_grad();
        let distance = self.distance(leaf.clone(), reference);
        let gradients = distance.clone().sum().backward();
        let gradient = leaf.grad(&gradients);
        (
            distance.inner(),
            gradient.expect("the distance depends on the images"),
        )
    }
}

impl Perceptual for Lpips {
    fn distance(&self, images: Tensor<4>, reference: Tensor<4>) -> Tensor<1> {
        self.forward(images, reference)
    }

    fn to_device(&self, device: &Device) -> Box<dyn Perceptual> {
        Box::new(Module::to_device(self.clone(), device))
    }
}
