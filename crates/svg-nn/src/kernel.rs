//! Element-wise steps of a transformer block that are worth a single pass over memory.

use burn::prelude::*;
use burn::tensor::DType;
use burn::tensor::activation::silu;

/// `silu(gate) * up`.
pub(crate) fn silu_product(gate: Tensor<3>, up: Tensor<3>) -> Tensor<3> {
    silu(gate) * up
}

/// `u * cos + swap_halves(u) * sin`, in f32.
pub(crate) fn rotate(u: Tensor<5>, cos: Tensor<5>, sin: Tensor<5>) -> Tensor<5> {
    let dtype = u.dtype();
    let [.., head_dim] = u.dims();
    let u = u.cast(DType::F32);
    let left = u.clone().narrow(4, 0, head_dim / 2);
    let right = u.clone().narrow(4, head_dim / 2, head_dim / 2);
    let swapped = Tensor::cat(vec![right, left], 4);
    (u * cos + swapped * sin).cast(dtype)
}
