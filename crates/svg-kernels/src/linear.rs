//! Linear layers.

use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::backend::ops::{FloatTensorOps, ModuleOps};
use burn::prelude::*;
use burn::tensor::activation::silu;
use burn::tensor::module;

use crate::activation::{Activation, silu_product, silu_product_backward};
use crate::array::{array, contiguous, numbers, rewritten};
use crate::kernel::exp::add;
use crate::kernel::sums::column_sums;
use crate::operation::{Operation, on_host, run};
use crate::product::{hosted, keeps, product};

/// Rows of a product, at least. A product with a single row is another routine than one with several, which
/// sums more than 512 channels in another order, and then a sample alone would not be what it is in a batch.
/// With a few rows of padding it is, to the bit.
const ROWS: usize = 8;

/// Numbers for one thread at a time, where rows are as long.
const CHUNK: usize = 16 * 1024;

/// `y = x weight + bias`.
///
/// On Burn's CPU backend in f32 a row of the result is the same to the bit whatever rows are computed with
/// it, and the gradients are products of two matrices. Elsewhere it is Burn's.
///
/// # Shapes
///
/// - x: `[.., d_input]`
/// - weight: `[d_input, d_output]`
/// - bias: `[d_output]`
/// - output: `[.., d_output]`
///
/// # Panics
///
/// If the shapes do not fit each other.
pub fn linear<const D: usize>(
    x: Tensor<D>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
) -> Tensor<D> {
    assert_fits(&x, &weight, bias.as_ref());
    match hosted(&x, &weight, bias.as_ref()) {
        true => product(Linear(Source::Given), x, weight, bias),
        false => module::linear(x, weight, bias),
    }
}

/// `y = activation(x) weight + bias`. Of the way to `weight`, a graph keeps `x`; the activation is computed
/// again.
///
/// # Shapes
///
/// - as [`linear`]
///
/// # Panics
///
/// As [`linear`].
pub fn activated_linear<const D: usize>(
    activation: Activation,
    x: Tensor<D>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
) -> Tensor<D> {
    assert_fits(&x, &weight, bias.as_ref());
    match hosted(&x, &weight, bias.as_ref()) {
        true => product(Linear(Source::Activated(activation)), x, weight, bias),
        false => module::linear(activation.forward(x), weight, bias),
    }
}

/// `y = (silu(gate) * up) weight + bias` (Shazeer, "GLU Variants Improve Transformer", 2020). A graph keeps
/// `gate` and `up`; their product is computed again.
///
/// # Shapes
///
/// - gate, up: as `x` of [`linear`]
///
/// # Panics
///
/// As [`linear`].
pub fn gated_linear<const D: usize>(
    gate: Tensor<D>,
    up: Tensor<D>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
) -> Tensor<D> {
    assert_fits(&gate, &weight, bias.as_ref());
    assert_eq!(gate.dims(), up.dims(), "gate and up differ in shape");
    match hosted(&gate, &weight, bias.as_ref()) && on_host(&up) {
        true => {
            let [gate, up] = [gate, up].map(Tensor::into_dispatch);
            let weight = weight.into_dispatch();
            let layer = Linear(Source::Gated);
            Tensor::from_dispatch(match bias {
                Some(bias) => run(layer, [gate, up, weight, bias.into_dispatch()]),
                None => run(layer, [gate, up, weight]),
            })
        }
        false => module::linear(silu(gate) * up, weight, bias),
    }
}

fn assert_fits<const D: usize>(x: &Tensor<D>, weight: &Tensor<2>, bias: Option<&Tensor<1>>) {
    let [d_input, d_output] = weight.dims();
    assert_shape!(x, [.., d_input]);
    if let Some(bias) = bias {
        assert_shape!(bias, [d_output]);
    }
}

/// The inputs are those of the source, the weight, and the bias if there is one.
#[derive(Clone, Copy, Debug)]
struct Linear(Source);

/// What the weight multiplies.
#[derive(Clone, Copy, Debug)]
enum Source {
    Given,
    Activated(Activation),
    Gated,
}

impl Source {
    fn inputs(self) -> usize {
        match self {
            Self::Given | Self::Activated(_) => 1,
            Self::Gated => 2,
        }
    }

    fn of(self, inputs: impl IntoIterator<Item = FlexTensor>) -> FlexTensor {
        let mut inputs = inputs.into_iter();
        let mut next = || inputs.next().expect("as many as `inputs` says");
        match self {
            Self::Given => next(),
            Self::Activated(activation) => activation.of(next()),
            Self::Gated => silu_product(next(), next()),
        }
    }

    /// The gradients at the inputs, given the one at what they become.
    fn backward(self, inputs: Vec<FlexTensor>, dx: FlexTensor) -> Vec<FlexTensor> {
        let mut inputs = inputs.into_iter();
        let mut next = || inputs.next().expect("as many as `inputs` says");
        match self {
            Self::Given => vec![dx],
            Self::Activated(activation) => vec![activation.backward(next(), dx)],
            Self::Gated => silu_product_backward(next(), next(), dx).into(),
        }
    }
}

impl<const N: usize> Operation<N> for Linear {
    fn keeps(&self, wanted: [bool; N]) -> [bool; N] {
        let again = !matches!(self.0, Source::Given);
        keeps(self.0.inputs(), again, wanted)
    }

    fn forward(&self, inputs: [FlexTensor; N]) -> FlexTensor {
        let mut inputs = inputs.into_iter();
        let x = self.0.of(inputs.by_ref().take(self.0.inputs()));
        let weight = inputs.next().expect("the weight follows the source");
        padded(x, weight, inputs.next())
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
        let inputs: Vec<_> = kept.by_ref().take(source).flatten().collect();
        let mut shape = dy.layout().shape().clone();
        let axes = shape.num_dims();
        let dy = rows(dy);
        if wanted.get(source + 1) == Some(&true) {
            found[source + 1] = Some(column_sums(&dy));
        }
        if wanted[source] {
            let x = rows(self.0.of(inputs.clone()));
            let x = Flex::float_swap_dims(x, 0, 1);
            found[source] = Some(Flex::float_matmul(x, dy.clone()));
        }
        if let Some(weight) = kept.next().flatten() {
            shape[axes - 1] = weight.layout().shape()[0];
            let dx = Flex::float_matmul(dy, Flex::float_swap_dims(weight, 0, 1));
            let dx = self.0.backward(inputs, Flex::float_reshape(dx, shape));
            for (found, gradient) in found.iter_mut().zip(dx) {
                *found = Some(gradient);
            }
        }
        found
    }
}

/// `[.., width]` as `[rows, width]`.
fn rows(tensor: FlexTensor) -> FlexTensor {
    let shape = tensor.layout().shape();
    let width = shape[shape.num_dims() - 1];
    let rows = shape.num_elements() / width;
    Flex::float_reshape(tensor, Shape::new([rows, width]))
}

/// The sum with a row, on all threads as Burn's is not.
fn with_bias(y: FlexTensor, bias: Option<FlexTensor>) -> FlexTensor {
    let Some(bias) = bias.map(contiguous) else {
        return y;
    };
    let bias = numbers(&bias);
    let rows = rewritten(y, CHUNK.div_ceil(bias.len()) * bias.len(), |_, rows| {
        rows.chunks_exact_mut(bias.len())
            .for_each(|row| add(row, bias));
    });
    rows.0
}

fn padded(x: FlexTensor, weight: FlexTensor, bias: Option<FlexTensor>) -> FlexTensor {
    let mut shape = x.layout().shape().clone();
    let axes = shape.num_dims();
    let [d_input, d_output] = weight.layout().shape().dims();
    let rows = shape.num_elements() / d_input;
    if !(1..ROWS).contains(&rows) {
        return with_bias(Flex::linear(x, weight, None), bias);
    }
    let x = contiguous(x);
    let mut padded = numbers(&x).to_vec();
    padded.resize(ROWS * d_input, 0.0);
    let y = Flex::linear(array(padded, [ROWS, d_input]), weight, None);
    let y = with_bias(y, bias);
    shape[axes - 1] = d_output;
    let y = numbers(&y)[..rows * d_output].to_vec();
    FlexTensor::from_data(TensorData::new(y, shape))
}
