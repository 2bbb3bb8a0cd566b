//! Frozen vision transformers beside DINOv3: DINOv2, MAE, SigLIP 2 and CLIP, equal to PyTorch.
//!
//! Four families of encoders are one network with small differences: a class token or pooling by attention, registers,
//! factors on the branches, a norm before the blocks, three GELUs. [`VitConfig`] names them, [`Vit`] is the network, and
//! [`VitFile`] opens what is published: files of timm, of Hugging Face transformers, and of the original repositories.
//!
//! The main design decision: **a file computes what the library computes whose names it has.** Libraries share weights
//! and disagree in small things: how positions are resized for another grid ([`Positions`]), the epsilon of MAE's norms,
//! the GELU of SigLIP. Each is a field of the configuration, set by the layout of the file and by what stands beside it;
//! what neither shows, such as which GELU a CLIP has, is an error that says how to tell it.
//!
//! ```
//! use burn::prelude::*;
//! use svg_vit::{Family, VitConfig};
//!
//! let device = Device::default();
//! // A small network with random weights; `Vit::load(path, &device)` opens published ones.
//! let config = VitConfig::of(Family::Dinov2, [32, 2, 2, 64], 4, 4).with_n_registers(4);
//! let vit = config.init(&device);
//!
//! // Images are in [-1, 1], of any size in whole patches; the network normalises them itself.
//! let images = Tensor::<4>::zeros([1, 3, 16, 24], &device);
//! let output = vit.forward(images);
//! assert_eq!(output.grid, [4, 6]);
//! assert_eq!(output.patches.dims(), [1, 24, 32]);
//! assert_eq!(output.summary.unwrap().dims(), [1, 32]);
//! ```
//!
//! # What to know
//!
//! - **Outputs are normed**, patches of CLIP, too. [`Vit::trace`] gives the raw stages.
//! - **The summary** is the class token, CLIP's without its projection, or what SigLIP's head pools.
//! - **MAE masks nothing here**, and its patches keep their order.
//! - **No weights** are contained or downloaded.

mod beside;
mod block;
mod config;
mod encoder;
mod error;
mod export;
mod file;
mod import;
mod infer;
mod layout;
mod model;
mod naflex;
mod pool;
mod positions;
mod presets;
#[cfg(test)]
mod tests;

pub use block::{Block, FeedForward, Gated};
pub use config::{Family, Gelu, Positions, VitConfig};
pub use error::VitError;
pub use file::VitFile;
pub use layout::Layout;
pub use model::{PatchEmbed, Vit, VitOutput};
pub use pool::AttentionPool;
