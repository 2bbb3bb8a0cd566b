//! Convolutions of any size.

use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::backend::ops::{ActivationOps, FloatTensorOps, ModuleOps};
use burn::prelude::*;
use burn::tensor::activation::relu;
use burn::tensor::ops::ConvOptions;

use crate::array::{array, contiguous, dims, numbers, present};
use crate::conv::composed;
use crate::kernel::window::{self, Sizes, Window};
use crate::operation::{Operation, optional, run};
use crate::product::hosted;

/// A convolution with filters of any size, and `max(y, 0)` of it if it is `rectified`:
///
/// ```text
/// y[o, r, c] = bias[o] + sum over i, a, b of
///     weight[o, i, a, b] x[i, stride r + a - padding, stride c + b - padding]
/// ```
///
/// On Burn's CPU backend in f32 the sum is computed as it stands, in the order of the weights, whatever the batch and
/// the number of threads; its gradients are Burn's. Elsewhere it is Burn's `conv2d` and `relu`. For filters of three
/// by three with many channels that keep the size, [`conv3x3`](crate::conv3x3) needs fewer products.
///
/// # Shapes
///
/// - x: `[batch, in, height, width]`
/// - weight: `[out, in, rows, columns]`
/// - bias: `[out]`
/// - stride and padding: of rows and of columns; zeros are added on both sides
/// - output: `[batch, out, (height + 2 padding - rows) / stride + 1, ...]`
///
/// # Panics
///
/// If the shapes do not fit each other, or the filter is larger than the image with its border.
pub fn window_conv(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    stride: [usize; 2],
    padding: [usize; 2],
    rectified: bool,
) -> Tensor<4> {
    let ([_, inputs, ..], [outputs, _, rows, columns]) = (x.dims(), weight.dims());
    assert_shape!(weight, [outputs, inputs, rows, columns]);
    if let Some(bias) = &bias {
        assert_shape!(bias, [outputs]);
    }
    let conv = WindowConv {
        stride,
        padding,
        rectified,
    };
    if hosted(&x, &weight, bias.as_ref()) {
        let (x, weight) = (x.into_dispatch(), weight.into_dispatch());
        return run(conv, [x, weight, optional(bias)]);
    }
    let y = composed(x, weight, bias, conv.options());
    if rectified { relu(y) } else { y }
}

/// The inputs are the image, the weight, and the bias if there is one.
#[derive(Clone, Copy, Debug)]
struct WindowConv {
    stride: [usize; 2],
    padding: [usize; 2],
    rectified: bool,
}

impl WindowConv {
    fn options(self) -> ConvOptions<2> {
        ConvOptions::new(self.stride, self.padding, [1, 1], 1)
    }
}

impl Operation<3> for WindowConv {
    fn keeps(&self, [of_x, of_weight, of_bias]: [bool; 3]) -> [bool; 3] {
        // Burn takes the sizes of both from both; rectified, the value is computed again to know where it is positive.
        let again = self.rectified && of_bias;
        let operands = of_x || of_weight || again;
        [operands, operands, self.rectified]
    }

    fn forward(&self, [x, weight, bias]: [FlexTensor; 3]) -> FlexTensor {
        let (x, weight) = (contiguous(x), contiguous(weight));
        let bias = present(bias).map(contiguous);
        let ([batch, inputs, height, width], [outputs, _, rows, columns]) =
            (dims(&x), dims(&weight));
        let sizes = Sizes {
            batch,
            inputs,
            outputs,
            image: [height, width],
            window: Window {
                filter: [rows, columns],
                stride: self.stride,
                padding: self.padding,
            },
        };
        let [rows, columns] = sizes.output();
        let bias = bias.as_ref().map(numbers);
        let y = window::convolve(sizes, numbers(&x), numbers(&weight), bias, self.rectified);
        array(y, [batch, outputs, rows, columns])
    }

    fn backward(
        &self,
        [x, weight, bias]: [FlexTensor; 3],
        dy: FlexTensor,
        [of_x, of_weight, of_bias]: [bool; 3],
    ) -> [Option<FlexTensor>; 3] {
        let dy = match self.rectified {
            true => {
                let y = self.forward([x.clone(), weight.clone(), bias.clone()]);
                Flex::relu_backward(y, dy)
            }
            false => dy,
        };
        let d_bias = of_bias.then(|| {
            let [batch, outputs, rows, columns] = dims(&dy);
            let flat = Shape::new([batch, outputs, rows * columns]);
            let sums = Flex::float_sum_dim(Flex::float_reshape(dy.clone(), flat), 2);
            let sums = Flex::float_sum_dim(sums, 0);
            Flex::float_reshape(sums, Shape::new([outputs]))
        });
        let d_weight = of_weight.then(|| {
            Flex::conv2d_weight_backward(x.clone(), weight.clone(), dy.clone(), self.options())
        });
        let dx = of_x.then(|| Flex::conv2d_x_backward(x, weight, dy, self.options()));
        [dx, d_weight, d_bias]
    }
}
