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
    /// Of learned tokens, `[1, tokens, channels]`.
    pub tokens: Vec<(ParamId, Tensor<3>)>,
    /// Of convolutions, `[out, in, height, width]`.
    pub kernels: Vec<(ParamId, Tensor<4>)>,
}

impl ParameterGradients {
    /// Adds the gradients of another pass through the same network, such as one of images of another size.
    /// What only one of the passes has touched is kept as it is.
    pub fn add(&mut self, other: Self) {
        add(&mut self.vectors, other.vectors);
        add(&mut self.matrices, other.matrices);
        add(&mut self.tokens, other.tokens);
        add(&mut self.kernels, other.kernels);
    }

    /// Notes the gradients of a norm's factors and terms.
    pub(crate) fn of_norm(&mut self, norm: &LayerNorm, gamma: Tensor<1>, beta: Tensor<1>) {
        self.vectors.push((norm.gamma.id, gamma));
        if let Some(parameter) = &norm.beta {
            self.vectors.push((parameter.id, beta));
        }
    }
}

fn add<const D: usize>(sums: &mut Vec<(ParamId, Tensor<D>)>, others: Vec<(ParamId, Tensor<D>)>) {
    for (id, gradient) in others {
        match sums.iter_mut().find(|(known, _)| *known == id) {
            Some((_, sum)) => *sum = sum.clone() + gradient,
            None => sums.push((id, gradient)),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_passes_add_up_and_what_one_has_not_touched_is_kept() {
        let device = Device::default();
        let [both, first, second] = [(); 3].map(|()| ParamId::new());
        let pass = |own: ParamId, value: f32| ParameterGradients {
            vectors: vec![
                (own, Tensor::full([2], value, &device)),
                (both, Tensor::full([2], value, &device)),
            ],
            ..Default::default()
        };
        let mut sum = pass(first, 1.0);
        sum.add(pass(second, 2.0));
        let vectors = sum.vectors.into_iter();
        let got: Vec<_> = vectors
            .map(|(id, sum)| (id, sum.sum().into_scalar::<f32>()))
            .collect();
        assert_eq!(got, [(first, 2.0), (both, 6.0), (second, 4.0)]);
    }
}
