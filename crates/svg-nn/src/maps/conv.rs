//! The convolutions that the blocks are made of.

use burn::nn::PaddingConfig2d;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::prelude::*;
use burn::tensor::module::linear;

/// Three by three with a border of zeros: the size of the map is kept.
pub fn conv3x3(d_in: usize, d_out: usize, device: &Device) -> Conv2d {
    Conv2dConfig::new([d_in, d_out], [3, 3])
        .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
        .init(device)
}

/// One by one: a linear layer for every pixel.
pub fn conv1x1(d_in: usize, d_out: usize, device: &Device) -> Conv2d {
    Conv2dConfig::new([d_in, d_out], [1, 1]).init(device)
}

/// A one by one convolution, applied to `[batch, tokens, channels]` as the matrix product that it is.
pub(super) fn pointwise(conv: &Conv2d, tokens: Tensor<3>) -> Tensor<3> {
    let weight = conv.weight.val().flatten::<2>(1, 3).transpose(); // [channels in, channels out]
    linear(tokens, weight, conv.bias.as_ref().map(|bias| bias.val()))
}

/// Applies either kind of convolution.
///
/// # Shapes
///
/// - input: `[batch, channels in, height, width]`
/// - output: `[batch, channels out, height, width]`
pub fn apply(layer: &Conv2d, x: Tensor<4>) -> Tensor<4> {
    let (weight, bias) = parameters(layer);
    match layer.kernel_size {
        [3, 3] => svg_kernels::conv3x3(x, weight, bias),
        _ => svg_kernels::patch_conv(x, weight, bias),
    }
}

/// Filters and bias of the layer.
pub(super) fn parameters(layer: &Conv2d) -> (Tensor<4>, Option<Tensor<1>>) {
    let bias = layer.bias.as_ref().map(|bias| bias.val());
    (layer.weight.val(), bias)
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
