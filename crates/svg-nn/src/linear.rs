//! Burn's linear layer, in the type of its weights.

use burn::nn::Linear;
use burn::prelude::*;

/// The layer in the type of its weights, whatever the type of `x`. The result keeps that type.
///
/// # Shapes
///
/// - x: `[.., d_input]`
/// - output: `[.., d_output]`
///
/// # Panics
///
/// If the last axis of `x` is not `d_input`.
pub fn linear<const D: usize>(layer: &Linear, x: Tensor<D>) -> Tensor<D> {
    let (weight, bias) = parameters(layer);
    svg_kernels::linear(x.cast(weight.dtype()), weight, bias)
}

/// Weight and bias of the layer.
pub(crate) fn parameters(layer: &Linear) -> (Tensor<2>, Option<Tensor<1>>) {
    let bias = layer.bias.as_ref().map(|bias| bias.val());
    (layer.weight.val(), bias)
}
