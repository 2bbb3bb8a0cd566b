//! Gradients of parameters, found without a graph.

use burn::module::ParamId;
use burn::nn::{LayerNorm, Linear};
use burn::prelude::*;
use burn::tensor::DType;

use crate::kernel::column_sums;

/// Gradients by the identity of their parameter, in f32 whatever the parameter's type.
///
/// An optimiser takes them after `GradientsParams::register`, one by one.
#[derive(Clone, Debug, Default)]
pub struct ParameterGradients {
    /// Of biases, factors and terms.
    pub vectors: Vec<(ParamId, Tensor<1>)>,
    /// Of weights and tables.
    pub matrices: Vec<(ParamId, Tensor<2>)>,
}

impl ParameterGradients {
    /// Notes the gradients of a norm's factors and terms.
    pub(crate) fn of_norm(&mut self, norm: &LayerNorm, gamma: Tensor<1>, beta: Tensor<1>) {
        self.vectors.push((norm.gamma.id, gamma));
        if let Some(parameter) = &norm.beta {
            self.vectors.push((parameter.id, beta));
        }
    }
}

/// The gradient at the input of [`linear`](crate::linear), given the one at its result; notes those of weight
/// and bias.
///
/// The products are in the type of the weights, as those of the pass before.
///
/// # Shapes
///
/// - x and output: `[batch, tokens, d_input]`
/// - dy: `[batch, tokens, d_output]`
pub fn linear_backward(
    layer: &Linear,
    x: Tensor<3>,
    dy: Tensor<3>,
    gradients: &mut ParameterGradients,
) -> Tensor<3> {
    let weight = layer.weight.val();
    let ([d_input, d_output], dtype) = (weight.dims(), weight.dtype());
    let [batch, tokens, _] = x.dims();
    let rows = batch * tokens;
    if let Some(bias) = &layer.bias {
        gradients.vectors.push((bias.id, column_sums(dy.clone())));
    }
    let x = x.cast(dtype).reshape([rows, d_input]);
    let dy = dy.cast(dtype).reshape([rows, d_output]);
    let of_weight = x.transpose().matmul(dy.clone()).cast(DType::F32);
    gradients.matrices.push((layer.weight.id, of_weight));
    dy.matmul(weight.transpose())
        .cast(DType::F32)
        .reshape([batch, tokens, d_input])
}
