//! Convolutions that keep the size of an image.

use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::backend::ops::{FloatTensorOps, ModuleOps};
use burn::prelude::*;
use burn::tensor::module::{conv2d, interpolate};
use burn::tensor::ops::{ConvOptions, InterpolateMode, InterpolateOptions};

use crate::array::{array, contiguous, dims, numbers};
use crate::group_norm::GroupNorm;
use crate::kernel::sums::column_sums;
use crate::kernel::winograd::{self, Sizes};
use crate::kernel::{double, norm};
use crate::operation::{Operation, on_host, run};
use crate::product::{hosted, keeps, product};

/// A convolution with filters of three by three, stride one and a border of zeros, which keeps the size:
///
/// ```text
/// y[o, r, c] = bias[o] + sum over i, a, b of weight[o, i, a, b] x[i, r + a - 1, c + b - 1]
/// ```
///
/// On Burn's CPU backend in f32 it is Winograd's minimal filtering (Lavin and Gray, arXiv 1509.09308), whose
/// results differ from the sum above by rounding, and so are its gradients; elsewhere it is Burn's `conv2d`.
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
    assert_fits(&x, &weight, bias.as_ref());
    match hosted(&x, &weight, bias.as_ref()) {
        true => product(Conv3x3(Source::Given), x, weight, bias),
        false => conv2d(x, weight, bias, by_three()),
    }
}

/// [`conv3x3`] of an image twice as high and wide, each of whose squares of two by two pixels is a pixel of
/// `x`. A graph keeps `x` and not the large image.
///
/// # Shapes
///
/// - as [`conv3x3`], output: `[batch, out, 2 height, 2 width]`
///
/// # Panics
///
/// As [`conv3x3`].
pub fn doubled_conv3x3(x: Tensor<4>, weight: Tensor<4>, bias: Option<Tensor<1>>) -> Tensor<4> {
    assert_fits(&x, &weight, bias.as_ref());
    if hosted(&x, &weight, bias.as_ref()) {
        return product(Conv3x3(Source::Doubled), x, weight, bias);
    }
    let nearest = InterpolateOptions::new(InterpolateMode::Nearest)
        .with_align_corners(false)
        .with_scale_factor([2.0, 2.0]);
    conv2d(interpolate(x, nearest), weight, bias, by_three())
}

/// [`conv3x3`] of a norm of `x`. A graph keeps `x`; the norm is computed again.
///
/// # Shapes
///
/// - gamma, beta: `[in]`
/// - as [`conv3x3`]
///
/// # Panics
///
/// As [`conv3x3`] and [`GroupNorm::forward`].
pub fn normed_conv3x3(
    norm: GroupNorm,
    x: Tensor<4>,
    [gamma, beta]: [Tensor<1>; 2],
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
) -> Tensor<4> {
    norm.assert_fits(&x, &gamma, &beta);
    assert_fits(&x, &weight, bias.as_ref());
    if !(hosted(&x, &weight, bias.as_ref()) && on_host(&gamma) && on_host(&beta)) {
        return conv2d(norm.forward(x, gamma, beta), weight, bias, by_three());
    }
    let convolution = Conv3x3(Source::Normed(norm));
    let (x, weight) = (x.into_dispatch(), weight.into_dispatch());
    let [gamma, beta] = [gamma, beta].map(Tensor::into_dispatch);
    Tensor::from_dispatch(match bias {
        Some(bias) => run(convolution, [x, gamma, beta, weight, bias.into_dispatch()]),
        None => run(convolution, [x, gamma, beta, weight]),
    })
}

/// A convolution whose stride is the size of its filters: a linear layer for each patch, or for each pixel.
///
/// The value is Burn's everywhere; on a graph of Burn's CPU backend in f32 the gradients are products of two
/// matrices.
///
/// # Shapes
///
/// - x: `[batch, in, rows * size, columns * size]`
/// - weight: `[out, in, size, size]`
/// - bias: `[out]`
/// - output: `[batch, out, rows, columns]`
///
/// # Panics
///
/// If the shapes do not fit each other.
pub fn patch_conv(x: Tensor<4>, weight: Tensor<4>, bias: Option<Tensor<1>>) -> Tensor<4> {
    let ([_, inputs, height, width], [outputs, _, size, _]) = (x.dims(), weight.dims());
    assert_shape!(weight, [outputs, inputs, size, size]);
    assert!(
        height.is_multiple_of(size) && width.is_multiple_of(size),
        "{height} by {width} pixels are not patches of {size}"
    );
    if !hosted(&x, &weight, bias.as_ref()) {
        return conv2d(x, weight, bias, by_patch(size));
    }
    product(PatchConv { size }, x, weight, bias)
}

fn assert_fits(x: &Tensor<4>, weight: &Tensor<4>, bias: Option<&Tensor<1>>) {
    let ([_, inputs, ..], [outputs, ..]) = (x.dims(), weight.dims());
    assert_shape!(weight, [outputs, inputs, 3, 3]);
    if let Some(bias) = bias {
        assert_shape!(bias, [outputs]);
    }
}

fn by_three() -> ConvOptions<2> {
    ConvOptions::new([1, 1], [1, 1], [1, 1], 1)
}

fn by_patch(size: usize) -> ConvOptions<2> {
    ConvOptions::new([size, size], [0, 0], [1, 1], 1)
}

/// The inputs are those of the source, the weight, and the bias if there is one.
#[derive(Clone, Copy, Debug)]
struct Conv3x3(Source);

/// What is convolved.
#[derive(Clone, Copy, Debug)]
enum Source {
    Given,
    Doubled,
    /// The inputs are the image, factors and terms.
    Normed(GroupNorm),
}

impl Source {
    fn inputs(self) -> usize {
        match self {
            Self::Given | Self::Doubled => 1,
            Self::Normed(_) => 3,
        }
    }

    fn of(self, inputs: &[FlexTensor]) -> FlexTensor {
        match (self, inputs) {
            (Self::Given, [x]) => x.clone(),
            (Self::Doubled, [x]) => double::forward(x.clone()),
            (Self::Normed(norm), [x, gamma, beta]) => norm.of(x.clone(), gamma, beta),
            _ => unreachable!("as many as `inputs` says"),
        }
    }

    /// The gradients at the inputs, given the one at what they become.
    fn backward(self, inputs: Vec<FlexTensor>, dx: FlexTensor) -> Vec<FlexTensor> {
        match (self, inputs.as_slice()) {
            (Self::Given, _) => vec![dx],
            (Self::Doubled, _) => vec![double::backward(dx)],
            (Self::Normed(norm), [x, gamma, beta]) => {
                norm.gradients(x.clone(), gamma, beta, dx).into()
            }
            _ => unreachable!("as many as `inputs` says"),
        }
    }
}

impl<const N: usize> Operation<N> for Conv3x3 {
    fn keeps(&self, wanted: [bool; N]) -> [bool; N] {
        let again = matches!(self.0, Source::Normed(_));
        keeps(self.0.inputs(), again, wanted)
    }

    fn forward(&self, inputs: [FlexTensor; N]) -> FlexTensor {
        let mut inputs = inputs.into_iter();
        let source: Vec<_> = inputs
            .by_ref()
            .take(self.0.inputs())
            .map(contiguous)
            .collect();
        let weight = contiguous(inputs.next().expect("the weight follows the source"));
        let bias = inputs.next().map(contiguous);
        let x = match (self.0, source.len()) {
            // Nobody else needs it.
            (Source::Normed(norm), 3) => {
                let [x, gamma, beta] = <[_; 3]>::try_from(source).expect("three");
                norm.of(x, &gamma, &beta)
            }
            (source_of, _) => source_of.of(&source),
        };
        let [outputs, ..]: [usize; 4] = dims(&weight);
        let sizes = sizes(&x, outputs);
        let y = winograd::forward(
            sizes,
            numbers(&x),
            numbers(&weight),
            bias.as_ref().map(numbers),
        );
        array(y, [sizes.batch, outputs, sizes.height, sizes.width])
    }

    fn backward(
        &self,
        kept: [Option<FlexTensor>; N],
        dy: FlexTensor,
        wanted: [bool; N],
    ) -> [Option<FlexTensor>; N] {
        let source = self.0.inputs();
        let mut found = [const { None }; N];
        let mut kept = kept.into_iter();
        let inputs: Vec<_> = kept
            .by_ref()
            .take(source)
            .flatten()
            .map(contiguous)
            .collect();
        let weight = kept.next().flatten().map(contiguous);
        let dy = contiguous(dy);
        let [batch, outputs, height, width] = dims(&dy);
        if let Some(weight) = weight {
            let [_, channels, ..]: [usize; 4] = dims(&weight);
            let sizes = Sizes {
                batch,
                inputs: channels,
                outputs,
                height,
                width,
            };
            let dx = winograd::input_gradient(sizes, numbers(&weight), numbers(&dy));
            let dx = array(dx, [batch, channels, height, width]);
            for (found, gradient) in found.iter_mut().zip(self.0.backward(inputs.clone(), dx)) {
                *found = Some(gradient);
            }
        }
        if wanted[source] {
            let x = self.0.of(&inputs);
            let sizes = sizes(&x, outputs);
            let gradient = winograd::weight_gradient(sizes, numbers(&x), numbers(&dy));
            found[source] = Some(array(gradient, [outputs, sizes.inputs, 3, 3]));
        }
        if wanted.get(source + 1) == Some(&true) {
            let sums = norm::channel_sums(numbers(&dy), outputs, height * width);
            found[source + 1] = Some(array(sums, [outputs]));
        }
        found
    }
}

fn sizes(x: &FlexTensor, outputs: usize) -> Sizes {
    let [batch, inputs, height, width] = dims(x);
    Sizes {
        batch,
        inputs,
        outputs,
        height,
        width,
    }
}

/// The inputs are the image, the weight, and the bias if there is one.
#[derive(Clone, Copy, Debug)]
struct PatchConv {
    size: usize,
}

impl PatchConv {
    /// `[batch, in, rows * size, columns * size]` as `[batch * rows * columns, in * size * size]`.
    fn patches(self, x: FlexTensor) -> FlexTensor {
        let (size, [batch, inputs, height, width]) = (self.size, dims(&x));
        let (rows, columns) = (height / size, width / size);
        let split = Shape::new([batch, inputs, rows, size, columns, size]);
        let apart = Flex::float_permute(Flex::float_reshape(x, split), &[0, 2, 4, 1, 3, 5]);
        let patch = inputs * size * size;
        Flex::float_reshape(apart, Shape::new([batch * rows * columns, patch]))
    }

    /// The way back of [`patches`](Self::patches).
    fn image(self, patches: FlexTensor, [batch, rows, columns]: [usize; 3]) -> FlexTensor {
        let (size, [_, patch]) = (self.size, dims(&patches));
        let inputs = patch / (size * size);
        let split = Shape::new([batch, rows, columns, inputs, size, size]);
        let joined = Flex::float_permute(Flex::float_reshape(patches, split), &[0, 3, 1, 4, 2, 5]);
        let shape = Shape::new([batch, inputs, rows * size, columns * size]);
        Flex::float_reshape(joined, shape)
    }
}

impl<const N: usize> Operation<N> for PatchConv {
    fn keeps(&self, wanted: [bool; N]) -> [bool; N] {
        keeps(1, false, wanted)
    }

    fn forward(&self, inputs: [FlexTensor; N]) -> FlexTensor {
        let mut inputs = inputs.into_iter();
        let (Some(x), Some(weight)) = (inputs.next(), inputs.next()) else {
            unreachable!("there are at least two");
        };
        Flex::conv2d(x, weight, inputs.next(), by_patch(self.size))
    }

    fn backward(
        &self,
        kept: [Option<FlexTensor>; N],
        dy: FlexTensor,
        wanted: [bool; N],
    ) -> [Option<FlexTensor>; N] {
        let mut found = [const { None }; N];
        let [batch, outputs, rows, columns] = dims(&dy);
        let dy = Flex::float_permute(dy, &[0, 2, 3, 1]);
        let dy = Flex::float_reshape(dy, Shape::new([batch * rows * columns, outputs]));
        if wanted.get(2) == Some(&true) {
            found[2] = Some(column_sums(&dy));
        }
        let mut kept = kept.into_iter();
        let (x, weight) = (kept.next().flatten(), kept.next().flatten());
        if let Some(x) = x {
            let [_, inputs, ..]: [usize; 4] = dims(&x);
            let across = Flex::float_swap_dims(dy.clone(), 0, 1);
            let gradient = Flex::float_matmul(across, self.patches(x));
            let shape = Shape::new([outputs, inputs, self.size, self.size]);
            found[1] = Some(Flex::float_reshape(gradient, shape));
        }
        if let Some(weight) = weight {
            let [_, inputs, ..]: [usize; 4] = dims(&weight);
            let patch = inputs * self.size * self.size;
            let weight = Flex::float_reshape(weight, Shape::new([outputs, patch]));
            let dx = Flex::float_matmul(dy, weight);
            found[0] = Some(self.image(dx, [batch, rows, columns]));
        }
        found
    }
}
