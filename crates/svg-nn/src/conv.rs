//! The convolution that networks for images are made of, and its gradients.

use burn::prelude::*;
use burn::tensor::TensorData;
use burn::tensor::module::{conv2d, conv2d_weight_backward};
use burn::tensor::ops::ConvOptions;

use crate::kernel::host::numbers;
use crate::kernel::winograd::{self, Sizes};
use crate::kernel::{norm, on_host};

/// The gradients of [`conv3x3`] at its three operands.
#[derive(Clone, Debug)]
pub struct Conv3x3Gradients {
    /// At the input, `[batch, in, height, width]`.
    pub x: Tensor<4>,
    /// At the filters, `[out, in, 3, 3]`.
    pub weight: Tensor<4>,
    /// At the bias, `[out]`.
    pub bias: Tensor<1>,
}

/// A convolution with filters of three by three, stride one and a border of zeros, which keeps the size:
///
/// ```text
/// y[o, r, c] = bias[o] + sum over i, a, b of weight[o, i, a, b] x[i, r + a - 1, c + b - 1]
/// ```
///
/// On burn's CPU backend, outside autodiff, it is Winograd's minimal filtering (Lavin and Gray, arXiv
/// 1509.09308), whose results differ from the sum above by rounding; elsewhere it is burn's `conv2d`.
///
/// # Shapes
///
/// - x: `[batch, in, height, width]`
/// - weight: `[out, in, 3, 3]`
/// - bias: `[out]`
/// - output: `[batch, out, height, width]`
///
/// # Panics
///
/// If the shapes do not fit each other.
pub fn conv3x3(x: Tensor<4>, weight: Tensor<4>, bias: Option<Tensor<1>>) -> Tensor<4> {
    let [_, inputs, ..] = x.dims();
    let [outputs, ..] = weight.dims();
    assert_shape!(weight, [outputs, inputs, 3, 3]);
    if let Some(bias) = &bias {
        assert_shape!(bias, [outputs]);
    }
    if !(on_host(&x) && on_host(&weight) && bias.as_ref().is_none_or(on_host)) {
        return conv2d(x, weight, bias, options());
    }
    let (device, sizes) = (x.device(), sizes(&x, outputs));
    let (x, weight, bias) = (
        x.into_data(),
        weight.into_data(),
        bias.map(Tensor::into_data),
    );
    let bias = bias.as_ref().map(numbers);
    let y = winograd::forward(sizes, numbers(&x), numbers(&weight), bias);
    let shape = [sizes.batch, outputs, sizes.height, sizes.width];
    Tensor::from_data(TensorData::new(y, shape), &device)
}

/// All gradients of [`conv3x3`], given the one at its result.
///
/// # Shapes
///
/// - x: `[batch, in, height, width]`
/// - weight: `[out, in, 3, 3]`
/// - dy: `[batch, out, height, width]`
///
/// # Panics
///
/// If the shapes do not fit each other.
pub fn conv3x3_backward(x: Tensor<4>, weight: Tensor<4>, dy: Tensor<4>) -> Conv3x3Gradients {
    let [_, inputs, ..] = x.dims();
    assert_shape!(weight, [_, inputs, 3, 3]);
    let [batch, outputs, height, width] = dy.dims();
    assert_shape!(x, [batch, inputs, height, width]);
    if !(on_host(&x) && on_host(&weight) && on_host(&dy)) {
        return Conv3x3Gradients {
            weight: conv3x3_weight_backward(x, dy.clone()),
            bias: dy.clone().sum_dims(&[0, 2, 3]).reshape([outputs]),
            x: conv3x3_input_backward(weight, dy),
        };
    }
    let (device, sizes) = (x.device(), sizes(&x, outputs));
    let (x, weight, dy) = (x.into_data(), weight.into_data(), dy.into_data());
    let (x, weight, dy) = (numbers(&x), numbers(&weight), numbers(&dy));
    let of_x = winograd::input_gradient(sizes, weight, dy);
    let of_weight = winograd::weight_gradient(sizes, x, dy);
    let of_bias = norm::channel_sums(dy, outputs, height * width);
    let tensor = |numbers, shape| Tensor::from_data(TensorData::new(numbers, shape), &device);
    Conv3x3Gradients {
        x: tensor(of_x, [batch, inputs, height, width]),
        weight: tensor(of_weight, [outputs, inputs, 3, 3]),
        bias: Tensor::from_data(TensorData::new(of_bias, [outputs]), &device),
    }
}

/// The gradient of [`conv3x3`] at `x` alone: the convolution of `dy` with the filters turned by half, inputs
/// and outputs exchanged.
///
/// # Shapes
///
/// - weight: `[out, in, 3, 3]`
/// - dy: `[batch, out, height, width]`
/// - output: `[batch, in, height, width]`
///
/// # Panics
///
/// If the shapes do not fit each other.
pub fn conv3x3_input_backward(weight: Tensor<4>, dy: Tensor<4>) -> Tensor<4> {
    let [batch, outputs, height, width] = dy.dims();
    let [_, inputs, ..] = weight.dims();
    assert_shape!(weight, [outputs, inputs, 3, 3]);
    if !(on_host(&weight) && on_host(&dy)) {
        let turned = weight.swap_dims(0, 1).flip([2, 3]);
        return conv2d(dy, turned, None, options());
    }
    let device = dy.device();
    let sizes = Sizes {
        batch,
        inputs,
        outputs,
        height,
        width,
    };
    let (weight, dy) = (weight.into_data(), dy.into_data());
    let dx = winograd::input_gradient(sizes, numbers(&weight), numbers(&dy));
    Tensor::from_data(TensorData::new(dx, [batch, inputs, height, width]), &device)
}

/// The gradient of [`conv3x3`] at its filters alone.
///
/// # Shapes
///
/// - x: `[batch, in, height, width]`
/// - dy: `[batch, out, height, width]`
/// - output: `[out, in, 3, 3]`
///
/// # Panics
///
/// If the shapes do not fit each other.
pub fn conv3x3_weight_backward(x: Tensor<4>, dy: Tensor<4>) -> Tensor<4> {
    let [batch, inputs, height, width] = x.dims();
    let [_, outputs, ..] = dy.dims();
    assert_shape!(dy, [batch, outputs, height, width]);
    let device = x.device();
    if !(on_host(&x) && on_host(&dy)) {
        let sized = Tensor::zeros([outputs, inputs, 3, 3], &device);
        return conv2d_weight_backward(x, sized, dy, options());
    }
    let sizes = sizes(&x, outputs);
    let (x, dy) = (x.into_data(), dy.into_data());
    let gradient = winograd::weight_gradient(sizes, numbers(&x), numbers(&dy));
    Tensor::from_data(TensorData::new(gradient, [outputs, inputs, 3, 3]), &device)
}

fn sizes(x: &Tensor<4>, outputs: usize) -> Sizes {
    let [batch, inputs, height, width] = x.dims();
    Sizes {
        batch,
        inputs,
        outputs,
        height,
        width,
    }
}

fn options() -> ConvOptions<2> {
    ConvOptions::new([1, 1], [1, 1], [1, 1], 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Distribution, Tolerance};

    /// Batch, channels in and out, height and width: odd sizes, one pixel, few channels, several bands of
    /// tiles that end within an image, several blocks of channels.
    const CASES: [[usize; 5]; 7] = [
        [1, 1, 1, 1, 1],
        [3, 5, 2, 1, 3],
        [2, 3, 4, 5, 1],
        [2, 17, 140, 5, 7],
        [3, 130, 19, 21, 26],
        [2, 4, 3, 9, 301],
        [1, 12, 20, 40, 40],
    ];

    fn random<const D: usize>(shape: [usize; D]) -> Tensor<D> {
        Tensor::random(shape, Distribution::Normal(0.0, 1.0), &Device::default())
    }

    /// Within 1e-5 of the largest number.
    fn assert_close<const D: usize>(got: Tensor<D>, want: Tensor<D>) {
        let largest = want.clone().abs().max().into_scalar::<f32>();
        let tolerance = Tolerance::absolute(1e-5 * largest.max(1.0));
        got.into_data()
            .assert_approx_eq::<f32>(&want.into_data(), tolerance);
    }

    #[test]
    fn both_forms_of_the_convolution_agree() {
        for [batch, inputs, outputs, height, width] in CASES {
            let x = random([batch, inputs, height, width]);
            let (weight, bias) = (random([outputs, inputs, 3, 3]), random([outputs]));
            for bias in [None, Some(bias)] {
                let want = conv2d(x.clone(), weight.clone(), bias.clone(), options());
                assert_close(conv3x3(x.clone(), weight.clone(), bias), want);
            }
        }
    }

    #[test]
    fn the_gradients_are_those_of_autodiff() {
        let graph = |tensor: &Tensor<4>| Tensor::from_inner(tensor.clone()).require_grad();
        for [batch, inputs, outputs, height, width] in CASES {
            let x = random([batch, inputs, height, width]);
            let weight = random([outputs, inputs, 3, 3]);
            let dy = random([batch, outputs, height, width]);
            let bias = Tensor::<1>::from_inner(random([outputs])).require_grad();
            let (tracked_x, tracked_weight) = (graph(&x), graph(&weight));
            let y = conv3x3(
                tracked_x.clone(),
                tracked_weight.clone(),
                Some(bias.clone()),
            );
            let grads = (y * Tensor::from_inner(dy.clone())).sum().backward();
            let got = conv3x3_backward(x, weight, dy);
            assert_close(got.x, tracked_x.grad(&grads).expect("of the input"));
            assert_close(
                got.weight,
                tracked_weight.grad(&grads).expect("of the filters"),
            );
            assert_close(got.bias, bias.grad(&grads).expect("of the bias"));
        }
    }

    #[test]
    fn both_forms_of_the_gradients_agree() {
        let graph = |tensor: &Tensor<4>| Tensor::<4>::from_inner(tensor.clone());
        let (x, weight) = (random([2, 3, 5, 6]), random([4, 3, 3, 3]));
        let dy = random([2, 4, 5, 6]);
        let want = conv3x3_backward(graph(&x), graph(&weight), graph(&dy));
        let got = conv3x3_backward(x, weight, dy);
        assert_close(got.x, want.x.inner());
        assert_close(got.weight, want.weight.inner());
        assert_close(got.bias, want.bias.inner());
    }

    #[test]
    fn a_tensor_that_someone_else_holds_is_left_alone() {
        let (x, weight) = (random([1, 3, 4, 4]), random([3, 3, 3, 3]));
        let (before, weight_before) = (x.to_data(), weight.to_data());
        conv3x3(x.clone(), weight.clone(), None);
        conv3x3_backward(x.clone(), weight.clone(), x.clone());
        x.into_data().assert_eq(&before, true);
        weight.into_data().assert_eq(&weight_before, true);
    }

    #[test]
    fn a_view_is_read_as_what_it_shows() {
        let x = random([2, 7, 6, 5]);
        let weight = random([3, 4, 3, 3]).swap_dims(2, 3);
        let view = x.narrow(1, 2, 4).swap_dims(2, 3);
        let want = conv2d(view.clone(), weight.clone(), None, options());
        assert_close(conv3x3(view, weight, None), want);
    }

    #[test]
    #[should_panic(expected = "axis 1 expected 3, got 4")]
    fn filters_for_other_channels_are_refused() {
        conv3x3(random([1, 3, 4, 4]), random([2, 4, 3, 3]), None);
    }
}
