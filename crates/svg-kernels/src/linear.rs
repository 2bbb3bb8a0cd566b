//! Linear layers.

use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::backend::ops::{FloatTensorOps, ModuleOps};
use burn::prelude::*;
use burn::tensor::activation::silu;
use burn::tensor::module;

use crate::activation::{Activation, silu_product, silu_product_backward};
use crate::array::{array, contiguous, numbers, present, rewritten};
use crate::exact;
use crate::kernel::exp::add;
use crate::kernel::sums::column_sums;
use crate::operation::{Operation, on_host, optional, run};
use crate::product::{hosted, keeps};

/// Rows of a product, at least. A product with a single row is another routine than one with several, which
/// sums more than 512 channels in another order, and then a sample alone would not be what it is in a batch.
/// With a few rows of padding it is, to the bit.
const ROWS: usize = 8;

/// Numbers for one thread at a time, where rows are as long.
const CHUNK: usize = 16 * 1024;

/// `y = x weight + bias`.
///
/// On Burn's CPU backend in f32 a row of the result is the same to the bit whatever rows are computed with
/// it, and the gradients are products of two matrices. Elsewhere it is Burn's, in f32 also where a card would round
/// ([`allow_tf32`](crate::allow_tf32)).
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
    layer(Source::Given, x, None, weight, bias)
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
    layer(Source::Activated(activation), x, None, weight, bias)
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
    assert_eq!(gate.dims(), up.dims(), "gate and up differ in shape");
    layer(Source::Gated, gate, Some(up), weight, bias)
}

/// `up` is given where the source is gated.
fn layer<const D: usize>(
    source: Source,
    x: Tensor<D>,
    up: Option<Tensor<D>>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
) -> Tensor<D> {
    let [d_input, d_output] = weight.dims();
    assert_shape!(x, [.., d_input]);
    if let Some(bias) = &bias {
        assert_shape!(bias, [d_output]);
    }
    if hosted(&x, &weight, bias.as_ref()) && up.as_ref().is_none_or(on_host) {
        let (x, weight) = (x.into_dispatch(), weight.into_dispatch());
        return run(Linear(source), [x, optional(up), weight, optional(bias)]);
    }
    let x = match source {
        Source::Given => x,
        Source::Activated(activation) => activation.forward(x),
        Source::Gated => silu(x) * up.expect("the source is gated"),
    };
    match exact::is_split(&x) {
        true => module::linear(exact::left(x, D - 1), exact::right(weight, 0), bias),
        false => module::linear(x, weight, bias),
    }
}

/// The inputs are what the source is made of, which may have a second part, the weight, and a bias or none.
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
    fn of(self, x: FlexTensor, up: FlexTensor) -> FlexTensor {
        match self {
            Self::Given => x,
            Self::Activated(activation) => Operation::forward(&activation, [x]),
            Self::Gated => silu_product(x, up),
        }
    }

    /// The gradients at the parts, given the one at what they become.
    fn backward(self, x: FlexTensor, up: FlexTensor, dx: FlexTensor) -> [Option<FlexTensor>; 2] {
        match self {
            Self::Given => [Some(dx), None],
            Self::Activated(activation) => {
                let [dx] = activation.backward([x], dx, [true]);
                [dx, None]
            }
            Self::Gated => silu_product_backward(x, up, dx).map(Some),
        }
    }
}

impl Operation<4> for Linear {
    fn keeps(&self, wanted: [bool; 4]) -> [bool; 4] {
        keeps(!matches!(self.0, Source::Given), wanted)
    }

    fn forward(&self, [x, up, weight, bias]: [FlexTensor; 4]) -> FlexTensor {
        padded(self.0.of(x, up), weight, present(bias))
    }

    fn backward(
        &self,
        [x, up, weight, _]: [FlexTensor; 4],
        dy: FlexTensor,
        [of_x, of_up, of_weight, of_bias]: [bool; 4],
    ) -> [Option<FlexTensor>; 4] {
        let mut shape = dy.layout().shape().clone();
        let dy = rows(dy);
        let d_bias = of_bias.then(|| column_sums(&dy));
        let d_weight = of_weight.then(|| {
            let x = rows(self.0.of(x.clone(), up.clone()));
            Flex::float_matmul(Flex::float_swap_dims(x, 0, 1), dy.clone())
        });
        let [dx, d_up] = match of_x || of_up {
            true => {
                let axes = shape.num_dims();
                shape[axes - 1] = weight.layout().shape()[0];
                let dx = Flex::float_matmul(dy, Flex::float_swap_dims(weight, 0, 1));
                self.0.backward(x, up, Flex::float_reshape(dx, shape))
            }
            false => [None, None],
        };
        [dx, d_up, d_weight, d_bias]
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
