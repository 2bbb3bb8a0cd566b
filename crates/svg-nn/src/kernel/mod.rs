//! Steps of a network that are worth another form on the CPU than burn's operations have.
//!
//! Each has a form composed of burn's operations, which runs and differentiates everywhere, and a form
//! for burn's CPU backend, which is used where nothing has to be differentiated: there, a tensor's
//! numbers are ordinary memory that can be taken and given back without a copy. On two cores with
//! AVX-512, the CPU forms take a ViT-S+/16 block's gating from 32 to 12 ms and its attention from 31 to
//! 15 ms (8 images of 256 x 256, the bench `layers`); burn 0.22 computes the exponentials there one by
//! one.
//!
//! The layers of convolutional networks are here for the same reason: [`winograd`] for convolutions of
//! three by three and their gradients, [`norm`] for group norm with its activation. The bench
//! `convolution` puts them beside burn's.

#[macro_use]
pub(crate) mod exp;
mod attention_backward;
mod erf;
pub(crate) mod host;
mod matrix;
pub(crate) mod norm;
mod planes;
pub(crate) mod row_norm;
mod scratch;
mod target;
mod tile;
pub(crate) mod update;
pub(crate) mod winograd;

use burn::prelude::*;
use burn::tensor::DType;
use burn::tensor::activation::{self, silu};
use burn::tensor::module::attention;
use burn::tensor::ops::AttentionModuleOptions;

use crate::Rotation;

/// `silu(gate) * up`.
pub(crate) fn silu_product(gate: Tensor<3>, up: Tensor<3>) -> Tensor<3> {
    match on_host(&gate) && on_host(&up) {
        true => host::silu_product(gate, up),
        false => silu(gate) * up,
    }
}

/// `x (1 + erf(x / sqrt 2)) / 2`.
pub(crate) fn gelu(x: Tensor<3>) -> Tensor<3> {
    match on_host(&x) {
        true => host::gelu(x),
        false => activation::gelu(x),
    }
}

/// The gradient of [`gelu`] at `x`, given the one at its result: `Phi(x) + x phi(x)`.
pub(crate) fn gelu_backward(x: Tensor<3>, dy: Tensor<3>) -> Tensor<3> {
    if on_host(&x) && on_host(&dy) {
        return host::gelu_backward(x, dy);
    }
    let (x, dtype) = (x.cast(DType::F32), dy.dtype());
    let below = ((x.clone() * std::f64::consts::FRAC_1_SQRT_2).erf() + 1.0) * 0.5;
    let density = (x.clone().square() * -0.5).exp() * std::f64::consts::TAU.sqrt().recip();
    (dy.cast(DType::F32) * (below + x * density)).cast(dtype)
}

/// `x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2`.
pub(crate) fn gelu_tanh(x: Tensor<3>) -> Tensor<3> {
    match on_host(&x) {
        true => host::gelu_tanh(x),
        false => activation::gelu_approximate(x),
    }
}

/// The gradient of [`gelu_tanh`] at `x`, given the one at its result.
pub(crate) fn gelu_tanh_backward(x: Tensor<3>, dy: Tensor<3>) -> Tensor<3> {
    if on_host(&x) && on_host(&dy) {
        return host::gelu_tanh_backward(x, dy);
    }
    let (x, dtype) = (x.cast(DType::F32), dy.dtype());
    let slope = (2.0 / std::f64::consts::PI).sqrt();
    let square = x.clone().square();
    let twice_u = x.clone() * (square.clone() * 0.044_715 + 1.0) * (2.0 * slope);
    let sigmoid = activation::sigmoid(twice_u);
    let inner = (square * (3.0 * 0.044_715) + 1.0) * (2.0 * slope);
    let slope = sigmoid.clone() * (x * (sigmoid.neg() + 1.0) * inner + 1.0);
    (dy.cast(DType::F32) * slope).cast(dtype)
}

/// The sum over all axes but the last.
pub(crate) fn column_sums<const D: usize>(rows: Tensor<D>) -> Tensor<1> {
    let width = rows.dims()[D - 1];
    if on_host(&rows) {
        return host::column_sums(rows, width);
    }
    let count = rows.shape().num_elements() / width;
    rows.cast(DType::F32)
        .reshape([count, width])
        .sum_dim(0)
        .reshape([width])
}

/// Queries and keys of a packed projection turned, values as they are.
///
/// # Shapes
///
/// - qkv and output: `[batch, tokens, 3, heads, head_dim]`
pub(crate) fn rotate_packed(qkv: Tensor<5>, rotation: &Rotation) -> Tensor<5> {
    if on_host(&qkv) {
        return host::rotate_packed(qkv, rotation);
    }
    let turned = rotation.rotate(qkv.clone().narrow(2, 0, 2));
    Tensor::cat(vec![turned, qkv.narrow(2, 2, 1)], 2)
}

/// The gradient of [`packed_attention`] without rotation, given the one at its result.
///
/// # Shapes
///
/// - qkv and output: `[batch, tokens, 3, heads, head_dim]`
/// - dy: `[batch, tokens, heads * head_dim]`
pub(crate) fn packed_attention_backward(qkv: Tensor<5>, dy: Tensor<3>) -> Tensor<5> {
    if on_host(&qkv) && on_host(&dy) {
        return attention_backward::packed_attention_backward(qkv, dy);
    }
    let [batch, tokens, _, heads, head_dim] = qkv.dims();
    let part = |i| {
        qkv.clone()
            .narrow(2, i, 1)
            .squeeze_dim::<4>(2)
            .swap_dims(1, 2)
    };
    let [q, k, v] = [0, 1, 2].map(part); // [batch, heads, tokens, head_dim]
    let dy = dy.reshape([batch, tokens, heads, head_dim]).swap_dims(1, 2);
    let scale = (head_dim as f64).sqrt().recip();
    let scores = q.clone().matmul(k.clone().swap_dims(2, 3)) * scale;
    let weights = activation::softmax(scores.cast(DType::F32), 3);
    let narrow = |tensor: Tensor<4>| tensor.cast(qkv.dtype());
    let dv = narrow(weights.clone()).swap_dims(2, 3).matmul(dy.clone());
    let dw = dy.matmul(v.swap_dims(2, 3)).cast(DType::F32);
    let mean = (weights.clone() * dw.clone()).sum_dim(3);
    let ds = narrow(weights * (dw - mean) * scale);
    let dq = ds.clone().matmul(k);
    let dk = ds.swap_dims(2, 3).matmul(q);
    let parts = [dq, dk, dv].map(|part| part.swap_dims(1, 2).unsqueeze_dim::<5>(2));
    Tensor::cat(parts.into(), 2)
}

/// Attention of all tokens to all tokens from a packed projection, queries and keys turned first.
///
/// # Shapes
///
/// - qkv: `[batch, tokens, 3, heads, head_dim]`
/// - output: `[batch, tokens, heads * head_dim]`
pub(crate) fn packed_attention(qkv: Tensor<5>, rotation: Option<&Rotation>) -> Tensor<3> {
    if on_host(&qkv) {
        return host::packed_attention(qkv, rotation);
    }
    let [batch, tokens, _, heads, head_dim] = qkv.dims();
    let mut queries_and_keys = qkv.clone().narrow(2, 0, 2);
    if let Some(rotation) = rotation {
        queries_and_keys = rotation.rotate(queries_and_keys);
    }
    let part = |of: Tensor<5>, i| of.narrow(2, i, 1).squeeze_dim::<4>(2).swap_dims(1, 2);
    let out = attention(
        part(queries_and_keys.clone(), 0), // [batch, heads, tokens, head_dim]
        part(queries_and_keys, 1),
        part(qkv, 2),
        None,
        None,
        AttentionModuleOptions::default(),
    );
    out.swap_dims(1, 2)
        .reshape([batch, tokens, heads * head_dim])
}

/// Whether the tensor lives on burn's CPU backend, in f32, outside any autodiff graph.
///
/// Libraries compile no backend, so the backend's type cannot be named here; its printed name can. A
/// name that changes costs speed, never correctness.
pub(crate) fn on_host<const D: usize>(tensor: &Tensor<D>) -> bool {
    tensor.dtype() == DType::F32 && format!("{:?}", tensor.device()).starts_with("Device<Flex(")
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Distribution, Tolerance};

    fn random<const D: usize>(shape: [usize; D]) -> Tensor<D> {
        let device = Device::default();
        Tensor::random(shape, Distribution::Normal(0.0, 2.0), &device)
    }

    #[test]
    fn the_host_form_is_taken_outside_autodiff_only() {
        let device = Device::default();
        assert!(on_host(&Tensor::<1>::zeros([1], &device)));
        assert!(!on_host(&Tensor::<1>::zeros(
            [1],
            &device.clone().autodiff()
        )));
        let half = Tensor::<1>::zeros([1], &device).cast(DType::F16);
        assert!(!on_host(&half));
    }

    #[test]
    fn both_forms_of_the_gate_agree() {
        // More than one chunk of work, and no multiple of a vector.
        let (gate, up) = (random([3, 41, 1001]), random([3, 41, 1001]));
        let expected = (silu(gate.clone()) * up.clone()).into_data();
        let out = silu_product(gate, up).into_data();
        out.assert_approx_eq::<f32>(&expected, Tolerance::relative(1e-6).set_absolute(1e-6));
    }

    #[test]
    fn both_forms_of_gelu_agree() {
        let x = random([3, 41, 1001]);
        let expected = activation::gelu(x.clone()).into_data();
        let out = gelu(x).into_data();
        out.assert_approx_eq::<f32>(&expected, Tolerance::absolute(1e-6));
    }

    #[test]
    fn both_forms_of_the_gradient_of_gelu_agree() {
        let (x, dy) = (random([3, 41, 1001]), random([3, 41, 1001]));
        let [gx, gdy] = [&x, &dy].map(|tensor| Tensor::from_inner(tensor.clone()));
        let expected = gelu_backward(gx, gdy).into_data();
        let out = gelu_backward(x, dy).into_data();
        out.assert_approx_eq::<f32>(&expected, Tolerance::absolute(2e-6));
    }

    #[test]
    fn both_forms_of_a_turn_agree() {
        let qkv = random([2, 5, 3, 3, 16]);
        let angles: Vec<f64> = (0..3 * 8).map(|i| i as f64).collect();
        let turn = |device: &Device| Rotation::from_angles(&angles, 16, 2, device);
        let graph = Tensor::from_inner(qkv.clone());
        let expected = rotate_packed(graph, &turn(&Device::default().autodiff())).into_data();
        let out = rotate_packed(qkv, &turn(&Device::default())).into_data();
        out.assert_approx_eq::<f32>(&expected, Tolerance::absolute(1e-6));
    }

    #[test]
    fn both_forms_of_the_tanh_gelu_and_its_gradient_agree() {
        let (x, dy) = (random([3, 41, 1001]), random([3, 41, 1001]));
        let expected = activation::gelu_approximate(x.clone()).into_data();
        let out = gelu_tanh(x.clone()).into_data();
        out.assert_approx_eq::<f32>(&expected, Tolerance::absolute(1e-6));
        // On a graph, the composed form.
        let tracked = [&x, &dy].map(|tensor| Tensor::from_inner(tensor.clone()));
        let [gx, gdy] = tracked;
        let expected = gelu_tanh_backward(gx, gdy).into_data();
        let out = gelu_tanh_backward(x, dy).into_data();
        out.assert_approx_eq::<f32>(&expected, Tolerance::relative(1e-4).set_absolute(1e-5));
    }

    #[test]
    fn both_forms_of_the_gradient_of_attention_agree() {
        for (tokens, heads, head_dim) in [(37, 3, 16), (5, 1, 8)] {
            let qkv = random([2, tokens, 3, heads, head_dim]);
            let dy = random([2, tokens, heads * head_dim]);
            let (gqkv, gdy) = (
                Tensor::from_inner(qkv.clone()),
                Tensor::from_inner(dy.clone()),
            );
            let expected = packed_attention_backward(gqkv, gdy).into_data();
            let out = packed_attention_backward(qkv, dy).into_data();
            out.assert_approx_eq::<f32>(&expected, Tolerance::relative(1e-4).set_absolute(1e-4));
        }
    }

    #[test]
    fn both_forms_of_attention_agree() {
        let device = Device::default().autodiff();
        for (tokens, heads, head_dim) in [(37, 3, 16), (5, 1, 8), (70, 2, 64)] {
            let qkv = random([2, tokens, 3, heads, head_dim]);
            let angles: Vec<f64> = (0..(tokens - 3) * head_dim / 2).map(|i| i as f64).collect();
            let plain = Rotation::from_angles(&angles, head_dim, 3, &Device::default());
            let tracked = Rotation::from_angles(&angles, head_dim, 3, &device);
            for rotated in [false, true] {
                let graph = Tensor::from_inner(qkv.clone());
                let expected = packed_attention(graph, rotated.then_some(&tracked)).into_data();
                let out = packed_attention(qkv.clone(), rotated.then_some(&plain)).into_data();
                out.assert_approx_eq::<f32>(&expected, Tolerance::absolute(1e-5));
            }
        }
    }

    #[test]
    fn a_tensor_that_someone_else_holds_is_left_alone() {
        let (gate, up) = (random([1, 2, 5]), random([1, 2, 5]));
        let before = gate.to_data();
        silu_product(gate.clone(), up);
        gelu(gate.clone());
        gate.into_data().assert_eq(&before, true);
        let qkv = random([1, 4, 3, 1, 8]);
        let before = qkv.to_data();
        let turn = Rotation::from_angles(&[1.0; 16], 8, 0, &Device::default());
        packed_attention(qkv.clone(), Some(&turn));
        qkv.into_data().assert_eq(&before, true);
    }
}
