//! Operations whose values and derivatives are computed by kernels of this workspace.
//!
//! Burn's autodiff differentiates what is composed of its operations, and it takes operations that bring a
//! derivative of their own. Those of this crate do: on Burn's CPU backend in f32, outside a graph and on one,
//! they run kernels on ordinary memory, and a graph keeps what the derivative needs and
//! no more, which is less than a composition keeps. On every other device and in every other type the
//! same functions are compositions of Burn's operations. A network calls the functions and has one forward,
//! which is fast, and trains by `loss.backward()`.
//!
//! This is the one library of the workspace that names a backend.
//!
//! ```
//! use burn::prelude::*;
//! use svg_kernels::adaptive_layer_norm;
//!
//! let device = Device::flex().autodiff();
//! let x = Tensor::<3>::from_floats([[[1.0, 3.0], [5.0, 2.0]]], &device).require_grad();
//! let [shift, scale] = [0.5, 0.1].map(|v| Tensor::<3>::full([1, 1, 2], v, &device));
//! let gradients = adaptive_layer_norm(x.clone(), shift, scale, 1e-6).sum().backward();
//! // A common term does not change a norm.
//! let sum: f32 = x.grad(&gradients).unwrap().sum().into_scalar();
//! assert!(sum.abs() < 1e-4);
//! ```
//!
//! - [`linear`], [`activated_linear`], [`gated_linear`]: products with a matrix of weights
//! - [`packed_attention`], [`turn_packed`], [`normalise_heads`]: attention from one fused projection
//! - [`adaptive_layer_norm`], [`layer_norm`], [`GroupNorm`]: norms
//! - [`gated_sum`]: a residual branch
//! - [`Activation`]: GELU, exact and approximated
//! - [`conv3x3`], [`doubled_conv3x3`], [`normed_conv3x3`], [`patch_conv`], [`window_conv`]: convolutions
//! - [`pool3x3`]: the largest or the mean of squares
//! - [`matmul`], [`allow_tf32`], [`has_tf32`]: products in f32 on cards that would round them to TF32
//! - [`checkpointed`]: a block that a graph does not keep
//! - [`AdamStep`], [`blend`], [`sum_of_squares`]: what an optimiser does, in one pass over memory

mod activation;
mod adaptive_norm;
mod array;
mod attention;
mod checkpoint;
mod conv;
mod exact;
mod gated_sum;
mod graph;
mod group_norm;
mod head_norm;
mod kernel;
mod layer_norm;
mod linear;
mod operation;
mod pool;
mod product;
mod rows;
#[cfg(test)]
mod tests;
mod update;
mod window_conv;
#[cfg(test)]
mod window_tests;

pub use activation::Activation;
pub use adaptive_norm::adaptive_layer_norm;
pub use attention::{packed_attention, turn, turn_packed};
pub use checkpoint::checkpointed;
pub use conv::{conv3x3, doubled_conv3x3, normed_conv3x3, patch_conv};
pub use exact::{allow_tf32, has_tf32, matmul};
pub use gated_sum::gated_sum;
pub use group_norm::GroupNorm;
pub use head_norm::normalise_heads;
pub use layer_norm::layer_norm;
pub use linear::{activated_linear, gated_linear, linear};
pub use operation::on_host;
pub use pool::{Taken, pool3x3};
pub use update::{AdamStep, blend, sum_of_squares};
pub use window_conv::window_conv;
