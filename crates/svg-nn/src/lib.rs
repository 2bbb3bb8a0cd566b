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
//! weights. So are numbers that are none. [`TensorFile`] opens a safetensors file, a sharded folder or a PyTorch file without
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
//! - [`maps`]: convolutional blocks, for encoders and decoders of maps of channels
//! - [`LayerScale`]: a learned factor per channel
//! - [`patch_tokens`]: patches as tokens
//! - [`linear`], [`layer_norm`]: Burn's layers with this workspace's kernels, and the kernels' own functions,
//!   re-exported from `svg-kernels`
//! - [`draw_parameters`]: all parameters now, so that a seed decides them
//! - [`TensorFile`], [`load_exact`], [`module_tensors`], [`save_tensors`]: bytes to parameters and back
//! - [`rows`]: stored tensors cut and stacked without reading them
//! - [`Networks`]: those of one kind in a file, wherever they lie in it, and which of them to take
//! - [`Names`]: what differs between the names of a module and those of a public file
//! - [`Precision`]: matrix products in a smaller type, everything fragile in f32
//! - [`Checked`], [`outside`], [`CHANNELS`] and other ranges: sizes that a configuration may have

mod attention;
mod averages;
mod collect;
mod contents;
mod draw;
mod dtype;
mod error;
mod file_contents;
mod finite;
mod hub_cache;
mod layer_norm;
mod layer_scale;
mod linear;
mod load;
pub mod maps;
mod mlp;
mod names;
mod networks;
mod parts;
mod patch;
mod precision;
mod rotation;
pub mod rows;
mod save;
mod shards;
mod sizes;
mod swiglu;
mod tensor_file;
#[cfg(test)]
mod tests;
mod weight_folder;
mod wrappers;

pub use attention::{SelfAttention, SelfAttentionConfig};
pub use collect::module_tensors;
pub use contents::contents;
pub use draw::draw_parameters;
pub use error::{LoadError, Mismatch};
pub use finite::{not_finite, unusable};
pub use layer_norm::layer_norm;
pub use layer_scale::{LayerScale, LayerScaleConfig};
pub use linear::linear;
pub use load::load_exact;
pub use mlp::{Mlp, MlpConfig};
pub use names::Names;
pub use networks::{ChoiceError, Network, Networks};
pub use patch::patch_tokens;
pub use precision::Precision;
pub use rotation::Rotation;
pub use save::save_tensors;
pub use sizes::{CHANNELS, CLASSES, GRID, LAYERS, PATCH, SIDE, beyond_memory, heads, is_host};
pub use svg_kernels::{
    Activation, AdamStep, GroupNorm, Taken, adaptive_layer_norm, allow_tf32, blend, checkpointed,
    conv3x3, doubled_conv3x3, gated_sum, has_tf32, matmul, normed_conv3x3, on_host,
    packed_attention, patch_conv, pool3x3, sum_of_squares, window_conv,
};
pub use swiglu::{SwiGluMlp, SwiGluMlpConfig};
pub use tensor_file::{Container, TensorFile};

/// The numbers of a configuration in their ranges.
pub use svg_store::{Checked, below, first, outside};

/// A tensor of a weight file whose type is not known.
pub use svg_store::LeftTensor;

/// A named tensor whose bytes are read when they are asked for: burn's own transport type.
pub use burn::store::burn_pack::Tensor as StoredTensor;
