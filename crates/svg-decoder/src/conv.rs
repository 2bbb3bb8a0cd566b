//! The two convolutions that the decoder is made of.

use burn::nn::PaddingConfig2d;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::prelude::*;
use burn::tensor::module::{conv2d, linear};
use burn::tensor::ops::ConvOptions;

use crate::DecoderGradients;

/// Three by three with a border of zeros: the size of the image is kept.
pub(crate) fn conv3x3(d_in: usize, d_out: usize, device: &Device) -> Conv2d {
    Conv2dConfig::new([d_in, d_out], [3, 3])
        .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
        .init(device)
}

/// One by one: a linear layer for every pixel.
pub(crate) fn conv1x1(d_in: usize, d_out: usize, device: &Device) -> Conv2d {
    Conv2dConfig::new([d_in, d_out], [1, 1]).init(device)
}

/// A one by one convolution, applied to `[batch, tokens, channels]` as the matrix product that it is.
pub(crate) fn pointwise(conv: &Conv2d, tokens: Tensor<3>) -> Tensor<3> {
    let weight = conv.weight.val().flatten::<2>(1, 3).transpose(); // [channels in, channels out]
    linear(tokens, weight, conv.bias.as_ref().map(|bias| bias.val()))
}

/// Either kind of convolution.
pub(crate) fn apply(layer: &Conv2d, x: Tensor<4>) -> Tensor<4> {
    let bias = layer.bias.as_ref().map(|bias| bias.val());
    product(layer.kernel_size, x, layer.weight.val(), bias)
}

/// Either kind of convolution on the plain device, its parameters taken as constants.
pub(crate) fn conv(layer: &Conv2d, x: Tensor<4>) -> Tensor<4> {
    let weight = layer.weight.val().without_autodiff();
    let bias = layer
        .bias
        .as_ref()
        .map(|bias| bias.val().without_autodiff());
    product(layer.kernel_size, x, weight, bias)
}

fn product(
    kernel: [usize; 2],
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
) -> Tensor<4> {
    match kernel {
        [3, 3] => svg_nn::conv3x3(x, weight, bias),
        _ => conv2d(x, weight, bias, ConvOptions::new([1, 1], [0, 0], [1, 1], 1)),
    }
}

/// The gradient at the input of [`conv`], given the one at its output; those of the parameters are noted.
pub(crate) fn conv_backward(
    layer: &Conv2d,
    x: Tensor<4>,
    gradient: Tensor<4>,
    sink: &mut DecoderGradients,
) -> Tensor<4> {
    let weight = layer.weight.val().without_autodiff();
    let (at_input, of_weight, of_bias) = match layer.kernel_size {
        [3, 3] => {
            let gradients = svg_nn::conv3x3_backward(x, weight, gradient);
            (gradients.x, gradients.weight, gradients.bias)
        }
        _ => pointwise_backward(x, weight, gradient),
    };
    sink.kernel(&layer.weight, of_weight);
    sink.vector(layer.bias.as_ref(), of_bias);
    at_input
}

fn pointwise_backward(
    x: Tensor<4>,
    weight: Tensor<4>,
    gradient: Tensor<4>,
) -> (Tensor<4>, Tensor<4>, Tensor<1>) {
    let (shape, kernel) = (x.dims(), weight.dims());
    let gradient = gradient.flatten::<3>(2, 3); // [batch, channels out, pixels]
    let across = weight.flatten::<2>(1, 3).transpose().unsqueeze::<3>(); // [1, in, out]
    let at_input = across.matmul(gradient.clone()).reshape(shape);
    let x = x.flatten::<3>(2, 3).swap_dims(1, 2); // [batch, pixels, channels in]
    let of_weight = gradient.clone().matmul(x).sum_dim(0).reshape(kernel);
    let of_bias = gradient.sum_dim(2).sum_dim(0).reshape([kernel[0]]);
    (at_input, of_weight, of_bias)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Distribution, Tolerance};

    #[test]
    fn a_pointwise_product_is_the_convolution() {
        let device = Device::default();
        let conv = conv1x1(3, 5, &device);
        let x = Tensor::<4>::random([2, 3, 2, 4], Distribution::Normal(0.0, 1.0), &device);
        let tokens = x.clone().flatten::<3>(2, 3).swap_dims(1, 2);
        let want = conv.forward(x).flatten::<3>(2, 3).swap_dims(1, 2);
        let got = pointwise(&conv, tokens).into_data();
        got.assert_approx_eq::<f32>(&want.into_data(), Tolerance::absolute(1e-5));
    }
}
