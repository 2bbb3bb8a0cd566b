//! Convolutions that keep the size of an image.

use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::backend::ops::{FloatTensorOps, ModuleOps};
use burn::prelude::*;
use burn::tensor::module::{conv2d, interpolate};
use burn::tensor::ops::{ConvOptions, InterpolateMode, InterpolateOptions};

use crate::array::{array, contiguous, dims, numbers, present};
use crate::exact;
use crate::group_norm::GroupNorm;
use crate::kernel::sums::column_sums;
use crate::kernel::winograd::{self, Direction, Grid, Sizes};
use crate::kernel::{double, norm};
use crate::operation::{Operation, on_host, optional, run};
use crate::product::{hosted, keeps};

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
    convolution(Source::Given, x, [None, None], weight, bias)
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
    convolution(Source::Doubled, x, [None, None], weight, bias)
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
    affine: [Tensor<1>; 2],
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
) -> Tensor<4> {
    norm.assert_fits(&x, &affine[0], &affine[1]);
    convolution(Source::Normed(norm), x, affine.map(Some), weight, bias)
}

/// Factors and terms are given where the source is normed.
fn convolution(
    source: Source,
    x: Tensor<4>,
    affine: [Option<Tensor<1>>; 2],
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
) -> Tensor<4> {
    let ([_, inputs, ..], [outputs, ..]) = (x.dims(), weight.dims());
    assert_shape!(weight, [outputs, inputs, 3, 3]);
    if let Some(bias) = &bias {
        assert_shape!(bias, [outputs]);
    }
    if hosted(&x, &weight, bias.as_ref()) && affine.iter().flatten().all(on_host) {
        let ([gamma, beta], bias) = (affine.map(optional), optional(bias));
        let (x, weight) = (x.into_dispatch(), weight.into_dispatch());
        return run(Conv3x3(source), [x, gamma, beta, weight, bias]);
    }
    let nearest = InterpolateOptions::new(InterpolateMode::Nearest)
        .with_align_corners(false)
        .with_scale_factor([2.0, 2.0]);
    let x = match (source, affine) {
        (Source::Normed(norm), [Some(gamma), Some(beta)]) => norm.forward(x, gamma, beta),
        (Source::Doubled, _) => interpolate(x, nearest),
        _ => x,
    };
    composed(x, weight, bias, ConvOptions::new([1, 1], [1, 1], [1, 1], 1))
}

/// Burn's convolution, in f32 also where a card would round ([`allow_tf32`](crate::allow_tf32)).
pub(crate) fn composed(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    options: ConvOptions<2>,
) -> Tensor<4> {
    match exact::is_split(&x) {
        true => conv2d(exact::left(x, 1), exact::right(weight, 1), bias, options),
        false => conv2d(x, weight, bias, options),
    }
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
        return composed(x, weight, bias, by_patch(size));
    }
    let (x, weight) = (x.into_dispatch(), weight.into_dispatch());
    run(PatchConv { size }, [x, weight, optional(bias)])
}

fn by_patch(size: usize) -> ConvOptions<2> {
    ConvOptions::new([size, size], [0, 0], [1, 1], 1)
}

/// The inputs are the image, factors and terms or none, the weight, and a bias or none.
#[derive(Clone, Copy, Debug)]
struct Conv3x3(Source);

/// What is convolved.
#[derive(Clone, Copy, Debug)]
enum Source {
    Given,
    Doubled,
    Normed(GroupNorm),
}

impl Source {
    fn of(self, [x, gamma, beta]: [FlexTensor; 3]) -> FlexTensor {
        match self {
            Self::Given => x,
            Self::Doubled => double::forward(x),
            Self::Normed(norm) => Operation::forward(&norm, [x, gamma, beta]),
        }
    }

    /// The gradients at image, factors and terms, given the one at what they become.
    fn backward(
        self,
        [x, gamma, beta]: [FlexTensor; 3],
        dx: FlexTensor,
    ) -> [Option<FlexTensor>; 3] {
        match self {
            Self::Given => [Some(dx), None, None],
            Self::Doubled => [Some(double::backward(dx)), None, None],
            Self::Normed(norm) => norm.backward([x, gamma, beta], dx, [true; 3]),
        }
    }
}

impl Operation<5> for Conv3x3 {
    fn keeps(&self, wanted: [bool; 5]) -> [bool; 5] {
        keeps(matches!(self.0, Source::Normed(_)), wanted)
    }

    fn forward(&self, [x, gamma, beta, weight, bias]: [FlexTensor; 5]) -> FlexTensor {
        let x = contiguous(self.0.of([x, gamma, beta]));
        let (weight, bias) = (contiguous(weight), present(bias).map(contiguous));
        let sizes = sizes(&x, dims::<4>(&weight)[0]);
        let bias = bias.as_ref().map(numbers);
        let (x, weight) = (numbers(&x), numbers(&weight));
        let y = winograd::convolve(sizes, Direction::Forward, x, weight, bias);
        let Grid { height, width } = sizes.grid;
        array(y, [sizes.batch, sizes.outputs, height, width])
    }

    fn backward(
        &self,
        [x, gamma, beta, weight, _]: [FlexTensor; 5],
        dy: FlexTensor,
        [of_x, of_gamma, of_beta, of_weight, of_bias]: [bool; 5],
    ) -> [Option<FlexTensor>; 5] {
        let (source, dy) = ([x, gamma, beta].map(contiguous), contiguous(dy));
        let [_, outputs, height, width] = dims(&dy);
        let d_weight = of_weight.then(|| {
            let x = contiguous(self.0.of(source.clone()));
            let sizes = sizes(&x, outputs);
            let gradient = winograd::weight_gradient(sizes, numbers(&x), numbers(&dy));
            array(gradient, [outputs, sizes.inputs, 3, 3])
        });
        let d_bias = of_bias.then(|| {
            let sums = norm::channel_sums(numbers(&dy), outputs, height * width);
            array(sums, [outputs])
        });
        let [dx, d_gamma, d_beta] = match of_x || of_gamma || of_beta {
            true => {
                let weight = contiguous(weight);
                let [_, inputs, ..] = dims::<4>(&weight);
                let sizes = Sizes {
                    inputs,
                    ..sizes(&dy, outputs)
                };
                let (dy, weight) = (numbers(&dy), numbers(&weight));
                let dx = winograd::convolve(sizes, Direction::Backward, dy, weight, None);
                let dx = array(dx, [sizes.batch, inputs, height, width]);
                self.0.backward(source, dx)
            }
            false => [None, None, None],
        };
        [dx, d_gamma, d_beta, d_weight, d_bias]
    }
}

fn sizes(x: &FlexTensor, outputs: usize) -> Sizes {
    let [batch, inputs, height, width] = dims(x);
    Sizes {
        batch,
        inputs,
        outputs,
        grid: Grid { height, width },
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

impl Operation<3> for PatchConv {
    fn keeps(&self, wanted: [bool; 3]) -> [bool; 3] {
        keeps(false, wanted)
    }

    fn forward(&self, [x, weight, bias]: [FlexTensor; 3]) -> FlexTensor {
        Flex::conv2d(x, weight, present(bias), by_patch(self.size))
    }

    fn backward(
        &self,
        [x, weight, _]: [FlexTensor; 3],
        dy: FlexTensor,
        [of_x, of_weight, of_bias]: [bool; 3],
    ) -> [Option<FlexTensor>; 3] {
        let [batch, outputs, rows, columns] = dims(&dy);
        let dy = Flex::float_permute(dy, &[0, 2, 3, 1]);
        let dy = Flex::float_reshape(dy, Shape::new([batch * rows * columns, outputs]));
        let d_bias = of_bias.then(|| column_sums(&dy));
        let d_weight = of_weight.then(|| {
            let [_, inputs, ..] = dims::<4>(&x);
            let across = Flex::float_swap_dims(dy.clone(), 0, 1);
            let gradient = Flex::float_matmul(across, self.patches(x));
            let shape = Shape::new([outputs, inputs, self.size, self.size]);
            Flex::float_reshape(gradient, shape)
        });
        let dx = of_x.then(|| {
            let patch = weight.layout().shape().num_elements() / outputs;
            let weight = Flex::float_reshape(weight, Shape::new([outputs, patch]));
            self.image(Flex::float_matmul(dy, weight), [batch, rows, columns])
        });
        [dx, d_weight, d_bias]
    }
}
