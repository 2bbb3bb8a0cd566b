//! The layers that vision transformers need and burn-nn lacks, once, and a loader that is exact.
//!
//! Three networks of this workspace are vision transformers: the frozen DINOv3 encoder, the residual
//! encoder and the velocity network. They share one attention, whose queries, keys and values come
//! from a single fused projection as in every public checkpoint, and which may normalise or rotate
//! queries and keys. The rule of admission is that *burn-nn could have it*: no word of images,
//! diffusion or DINO appears in here, and what burn-nn gains one day is deleted here the same day.
//!
//! The one design decision: **loading is exact or it fails.** A tensor that is missing, left over, of
//! another shape or unreadable is an error that lists all of them, never a warning followed by random
//! weights. [`TensorFile`] opens a safetensors file, a sharded folder or a PyTorch file without
//! reading the tensors; [`load_exact`] moves them into a module.
//!
//! ```
//! use burn::prelude::*;
//! use svg_nn::{Rotation, SelfAttentionConfig};
//!
//! let device = Device::default();
//! let attention = SelfAttentionConfig::new(32, 2).init(&device);
//! let tokens = Tensor::<3>::ones([1, 5, 32], &device);
//!
//! // One turn per token, from angles: here the identity, since every angle is zero.
//! let still = Rotation::from_angles(&[0.0; 5 * 8], 16, 0, &device);
//! let plain = attention.forward(tokens.clone());
//! let rotated = attention.forward_rotated(tokens, &still);
//! assert!((plain - rotated).abs().max().into_scalar::<f32>() < 1e-6);
//! ```
//!
//! - [`SelfAttention`]: fused projection, optional query and key normalisation, optional [`Rotation`]
//! - [`Mlp`] and [`SwiGluMlp`]: the two feed-forward layers of vision transformers
//! - [`conv3x3`], [`group_norm_swish`], [`gelu`] and their gradients: the layers of convolutional
//!   networks, with forms of their own on the CPU
//! - [`adaptive_layer_norm`], [`gelu_tanh`], [`linear_backward`], [`layer_norm_backward`],
//!   [`ParameterGradients`], and `record` with `backward` of [`SelfAttention`] and [`Mlp`]: training of
//!   transformers without a graph
//! - [`AdamStep`], [`blend`], [`sum_of_squares`]: what an optimiser does, in one pass over memory
//! - [`LayerScale`]: a learned factor per channel
//! - [`draw_parameters`]: all parameters now, so that a seed decides them
//! - [`Frozen`]: a module that travels with its owner but is never trained or saved
//! - [`TensorFile`], [`load_exact`], [`module_tensors`], [`save_tensors`]: bytes to parameters and back
//! - [`Names`]: what differs between the names of a module and those of a public file
//! - [`Precision`], [`linear`]: matrix products in a smaller type, everything fragile in f32

mod adaptive_norm;
mod attention;
mod collect;
mod conv;
mod draw;
mod error;
mod frozen;
mod gelu;
mod head_norm;
mod kernel;
mod layer_norm;
mod layer_scale;
mod load;
mod mlp;
mod names;
mod norm_swish;
mod parameter_gradients;
mod precision;
mod rotation;
mod save;
mod swiglu;
mod tensor_file;
mod update;

pub use adaptive_norm::{AdaptiveNormGradients, adaptive_layer_norm, adaptive_layer_norm_backward};
pub use attention::{AttentionTape, SelfAttention, SelfAttentionConfig};
pub use collect::module_tensors;
pub use conv::{
    Conv3x3Gradients, conv3x3, conv3x3_backward, conv3x3_input_backward, conv3x3_weight_backward,
};
pub use draw::draw_parameters;
pub use error::{LoadError, Mismatch};
pub use frozen::Frozen;
pub use gelu::{gelu, gelu_backward, gelu_tanh, gelu_tanh_backward};
pub use layer_norm::layer_norm_backward;
pub use layer_scale::{LayerScale, LayerScaleConfig};
pub use load::load_exact;
pub use mlp::{Mlp, MlpConfig, MlpTape};
pub use names::Names;
pub use norm_swish::{
    GroupNormSwishGradients, group_norm, group_norm_backward, group_norm_swish,
    group_norm_swish_backward,
};
pub use parameter_gradients::{ParameterGradients, linear_backward};
pub use precision::{Precision, linear};
pub use rotation::Rotation;
pub use save::save_tensors;
pub use swiglu::{SwiGluMlp, SwiGluMlpConfig};
pub use tensor_file::{Container, TensorFile};
pub use update::{AdamStep, blend, sum_of_squares};

/// A named tensor whose bytes are read when they are asked for: burn's own transport type.
pub use burn::store::burn_pack::Tensor as StoredTensor;
