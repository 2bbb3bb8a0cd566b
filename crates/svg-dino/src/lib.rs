//! DINOv3 vision transformers: every released size, every public file, equal to PyTorch.
//!
//! DINOv3 (Siméoni et al., 2025, arXiv 2508.10104) turns an image into tokens that say what is where
//! without ever having seen a label. One [`DinoConfig`] describes the whole family, from ViT-S/16 to the
//! 7B model and the two satellite models; [`Dino`] is the network; [`DinoFile`] opens what is published.
//!
//! The one design decision: **the network knows one set of names, the files' differences stay at the
//! door.** Meta's `.pth`, Hugging Face's safetensors (one file or shards) and timm's files name and cut
//! the same tensors differently. They are renamed, stacked and masked before the network sees them, as
//! ranges of bytes, and loading is exact: a tensor too many or too few is an error that names it. The
//! same tables, read backwards, write any layout from any other.
//!
//! ```
//! use burn::prelude::*;
//! use svg_dino::DinoConfig;
//!
//! let device = Device::default();
//! // A small network with random weights; `Dino::load(path, &device)` opens published ones.
//! let config = DinoConfig::new(32, 2, 2, 64).with_patch_size(4);
//! let dino = config.init(&device);
//!
//! // Images are in [-1, 1], of any size in whole patches; the network normalises them itself.
//! let images = Tensor::<4>::zeros([1, 3, 16, 24], &device);
//! let output = dino.forward(images);
//! assert_eq!(output.grid, [4, 6]);
//! assert_eq!(output.patches.dims(), [1, 24, 32]);
//! assert_eq!(output.cls.dims(), [1, 32]);
//! ```
//!
//! # What to know
//!
//! - **Outputs are normed.** Class token, registers and patches, also of intermediate blocks, have gone
//!   through the final norm, as in Meta's code. [`Dino::trace`] gives the raw stages.
//! - **Two roundings of the position periods are in circulation**: [`RopePeriods`]. Official files store
//!   theirs in bfloat16, and [`DinoFile`] takes what the file says.
//! - **Weights are gated.** They come under Meta's DINOv3 licence from Meta or the Hugging Face hub;
//!   this crate neither contains nor downloads any.
//! - **Smaller number types** are for linear layers only: [`Dino::with_precision`].

mod beside;
mod block;
mod config;
mod cost;
mod encoder;
mod error;
mod export;
mod file;
mod half;
mod hub;
mod import;
mod infer;
mod layout;
mod model;
mod naflex;
mod patch;
mod rope;
mod rows;
mod said;
mod shapes;
mod statistics;
#[cfg(test)]
mod tests;
mod timm;
mod write;

pub use block::{Block, FeedForward};
pub use config::{DinoConfig, FeedForwardKind, RopePeriods};
pub use error::DinoError;
pub use file::DinoFile;
pub use half::Half;
pub use layout::Layout;
pub use model::{Dino, DinoOutput};
pub use patch::PatchEmbed;
pub use rope::rope_periods;

/// Statistics that pixels are normalised with, shared with other encoders.
pub use svg_roles::PixelStatistics;
