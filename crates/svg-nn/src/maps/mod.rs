//! Convolutional blocks on maps of channels, `[batch, channels, height, width]`.
//!
//! Encoders and decoders of one widespread layout consist of these blocks: residual blocks of two normed
//! convolutions, attention over all positions, and halved or doubled sizes between levels. Fields are named as
//! checkpoints of that layout name their tensors, so [`load_exact`](crate::load_exact) fills them without a table.
//!
//! - [`ResnetBlock`], [`AttentionBlock`], [`Upsample`], [`Downsample`]: the blocks
//! - [`Mid`], [`UpLevel`], [`DownLevel`]: stages of one resolution
//! - [`conv3x3`], [`conv1x1`], [`apply`], [`group_norm`], [`norm_swish`]: what stands at the ends of a network of
//!   such stages
//! - [`Tiling`], [`blend`]: large maps, piece by piece

mod attention;
mod conv;
mod downsample;
mod norm;
mod resnet;
mod stage;
mod tile;
mod upsample;

pub use attention::AttentionBlock;
pub use conv::{apply, conv1x1, conv3x3};
pub use downsample::Downsample;
pub use norm::{group_norm, norm_swish};
pub use resnet::ResnetBlock;
pub use stage::{DownLevel, LevelSizes, Mid, UpLevel};
pub use tile::{Tiling, blend};
pub use upsample::Upsample;
