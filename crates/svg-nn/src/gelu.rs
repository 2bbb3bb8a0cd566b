//! The activation of vision transformers.

use burn::prelude::*;

use crate::kernel;

/// The exact Gaussian error linear unit, `y = x (1 + erf(x / sqrt 2)) / 2` (arXiv 1606.08415).
///
/// On burn's CPU backend, outside autodiff, it has a form of its own within 3e-7 of the exact one, which
/// writes into `x` if nobody else holds it. Elsewhere it is burn's.
///
/// # Shapes
///
/// - input and output: any
pub fn gelu(x: Tensor<3>) -> Tensor<3> {
    kernel::gelu(x)
}

/// The gradient of [`gelu`] at `x`, given the one at its result, in closed form: `dy (Phi(x) + x phi(x))` with
/// the distribution and the density of the normal law. It is exact on every backend; burn's own, on a graph,
/// is that of the tanh form on backends that have no other.
///
/// # Shapes
///
/// - x, dy and output: any, but the same
pub fn gelu_backward(x: Tensor<3>, dy: Tensor<3>) -> Tensor<3> {
    kernel::gelu_backward(x, dy)
}

/// GELU's tanh approximation, `y = x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2` (arXiv 1606.08415).
///
/// On burn's CPU backend, outside autodiff, it has a form of its own, which writes into `x` if nobody else
/// holds it. Elsewhere it is burn's.
///
/// # Shapes
///
/// - input and output: any
pub fn gelu_tanh(x: Tensor<3>) -> Tensor<3> {
    kernel::gelu_tanh(x)
}

/// The gradient of [`gelu_tanh`] at `x`, given the one at its result, in closed form.
///
/// # Shapes
///
/// - x, dy and output: any, but the same
pub fn gelu_tanh_backward(x: Tensor<3>, dy: Tensor<3>) -> Tensor<3> {
    kernel::gelu_tanh_backward(x, dy)
}
