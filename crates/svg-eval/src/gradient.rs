//! The distance and its gradient in one pass, without an autodiff graph.
//!
//! A graph of VGG16 keeps every intermediate image, also those that only a gradient of the weights would
//! need. The weights are constants here, so the way back needs the outputs of the ReLUs alone.

use burn::prelude::*;
use burn::tensor::module::{max_pool2d_with_indices, max_pool2d_with_indices_backward};
use burn::tensor::ops::MaxPoolOptions;
use svg_nn::{conv3x3, conv3x3_input_backward};

use crate::lpips::{assert_sizes, normalize, scale};
use crate::vgg::TAPS;
use crate::{Lpips, Vgg16};

/// A convolution that has been passed.
struct Layer {
    weight: Tensor<4>,
    /// After its ReLU.
    output: Tensor<4>,
    /// Where each maximum was, if a pool follows.
    maxima: Option<Tensor<4, Int>>,
    is_tap: bool,
}

impl Lpips {
    /// The distance of each image from its reference, as [`forward`](Self::forward) gives it, and the
    /// gradient of their sum at the images. Graphs behind the images are left alone.
    ///
    /// # Shapes
    ///
    /// - images, reference: `[batch, 3, height, width]` in `[-1, 1]`
    /// - output: `[batch]` and `[batch, 3, height, width]`, on the plain device
    ///
    /// # Panics
    ///
    /// As [`forward`](Self::forward).
    pub fn differentiate(&self, images: Tensor<4>, reference: Tensor<4>) -> (Tensor<1>, Tensor<4>) {
        assert_sizes(&images, &reference);
        let [batch, ..] = images.dims();
        let (images, reference) = (images.without_autodiff(), reference.without_autodiff());
        let constant = self.vgg.forward(normalize(reference));
        let layers = passed(&self.vgg, normalize(images));
        let taps = layers.iter().filter(|layer| layer.is_tap);
        let terms = taps.zip(constant).zip(&self.lin);
        let (distances, gradients): (Vec<_>, Vec<_>) = terms
            .map(|((layer, constant), linear)| {
                layer_distance(layer.output.clone(), constant, linear.val())
            })
            .unzip();
        let distance = distances.into_iter().reduce(|sum, layer| sum + layer);
        let distance = distance.expect("five layers").reshape([batch]);
        (distance, scale(way_back(layers, gradients)))
    }
}

fn passed(vgg: &Vgg16, pixels: Tensor<4>) -> Vec<Layer> {
    let mut layers = Vec::new();
    let mut x = pixels;
    let last = TAPS[TAPS.len() - 1];
    for (index, convolution) in vgg.features.iter().enumerate() {
        let Some(convolution) = convolution else {
            continue;
        };
        let weight = convolution.weight.val();
        let bias = convolution.bias.as_ref().map(|bias| bias.val());
        let output = conv3x3(x, weight.clone(), bias).clamp_min(0.0);
        let is_tap = TAPS.contains(&index);
        let pooled = (is_tap && index != last).then(|| {
            let halve = MaxPoolOptions::new([2, 2]).with_stride([2, 2]);
            max_pool2d_with_indices(output.clone(), halve)
        });
        let maxima = match pooled {
            Some((pooled, maxima)) => {
                x = pooled;
                Some(maxima)
            }
            None => {
                x = output.clone();
                None
            }
        };
        layers.push(Layer {
            weight,
            output,
            maxima,
            is_tap,
        });
    }
    layers
}

/// The gradient at the pixels, given those at the taps.
fn way_back(layers: Vec<Layer>, mut at_taps: Vec<Tensor<4>>) -> Tensor<4> {
    let mut at_output: Option<Tensor<4>> = None;
    for layer in layers.into_iter().rev() {
        let through_pool = match (at_output.take(), layer.maxima) {
            (Some(gradient), Some(maxima)) => Some(max_pool2d_with_indices_backward(
                layer.output.clone(),
                [2, 2],
                [2, 2],
                [0, 0],
                [1, 1],
                false,
                gradient,
                maxima,
            )),
            (gradient, _) => gradient,
        };
        let at_tap = match layer.is_tap {
            true => at_taps.pop(),
            false => None,
        };
        let gradient = match (through_pool, at_tap) {
            (Some(below), Some(own)) => below + own,
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => unreachable!("the last layer is a tap"),
        };
        let gradient = gradient.mask_fill(layer.output.lower_equal_elem(0.0), 0.0);
        at_output = Some(conv3x3_input_backward(layer.weight, gradient));
    }
    at_output.expect("there are layers")
}

/// One layer's part of the distance, `[batch, 1, 1, 1]`, and its gradient at the features.
///
/// With `n = |f| + 1e-10`, `u = f / n` and `c = 2 w (u - v) / positions`, the gradient is
/// `c / n - f (c . f) / (|f| n^2)`.
fn layer_distance(f: Tensor<4>, constant: Tensor<4>, w: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
    let [_, _, rows, columns] = f.dims();
    // The guard of `unit`: below it the length counts as constant.
    let squares = f.clone().square().sum_dim(1);
    let is_constant = squares.clone().lower_elem(1e-20);
    let length = squares.clamp_min(1e-20).sqrt();
    let n = length.clone() + 1e-10;
    let difference = f.clone() / n.clone() - crate::lpips::unit(constant);
    let weighed = difference.clone() * w;
    let distance = (weighed.clone() * difference).sum_dim(1).mean_dims(&[2, 3]);
    let c = weighed * (2.0 / (rows * columns) as f64);
    let along = (c.clone() * f.clone()).sum_dim(1) / (length * n.clone() * n.clone());
    let along = along.mask_fill(is_constant, 0.0);
    (distance, c / n - f * along)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Distribution;
    use svg_nn::module_tensors;

    #[test]
    fn the_gradient_is_that_of_the_graph() {
        let device = Device::default();
        let vgg = module_tensors(&Vgg16::init(&device));
        let lpips = Lpips::from_tensors(vgg, None, "drawn", &device).unwrap();
        let uniform = Distribution::Uniform(-1.0, 1.0);
        let random = || Tensor::<4>::random([2, 3, 33, 48], uniform, &device);
        let (images, reference) = (random(), random());
        let leaf = Tensor::from_inner(images.clone()).require_grad();
        let want = lpips.forward(leaf.clone(), reference.clone());
        let gradients = want.clone().sum().backward();
        let at_images = leaf.grad(&gradients).unwrap();
        let (distance, gradient) = lpips.differentiate(images, reference);
        let off: f32 = (want.inner() - distance).abs().max().into_scalar();
        assert!(off < 1e-6, "{off:e}");
        // In the norm and not pixel by pixel: the two convolve in different ways, and where rounding puts
        // a number on the other side of a ReLU or a pool, a few pixels differ by more.
        let norm = |x: Tensor<4>| x.square().sum().sqrt().into_scalar::<f32>();
        let (scale, off) = (norm(at_images.clone()), norm(at_images - gradient));
        assert!(scale > 0.0 && off < 1e-3 * scale, "{off:e} of {scale:e}");
    }
}
