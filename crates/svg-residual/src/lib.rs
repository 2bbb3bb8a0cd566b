//! The residual encoder of SVG: eight channels of detail beside a frozen encoder, aligned to its statistics.
//!
//! A semantic encoder such as DINOv3 represents the content of an image but loses colours and fine texture.
//! SVG ("Latent Diffusion Model without Variational Autoencoder", arXiv 2510.15301, section 3.2) adds a
//! small vision transformer, trained with the decoder, whose eight channels per patch carry these details.
//! Before both are concatenated, one affine map gives the residual the mean and standard deviation of the
//! semantic features, so that both groups of channels have the same scale.
//!
//! The main design decision: **statistics are a value.** The published code aligns with the statistics
//! of the current batch, also at inference, so that the latent of an image depends on its neighbours.
//! Here [`align`] takes [`Statistics`] as an argument. [`Statistics::of`] the batch is the published
//! behaviour; a [`Running`] average, or the exact moments of a data set from an [`Accumulator`], make images
//! independent of each other. The network draws no random numbers except for dropout: the caller decides
//! which samples are masked.
//!
//! ```
//! use burn::prelude::*;
//! use svg_residual::{ResidualConfig, Statistics, align};
//!
//! let device = Device::default();
//! // A small network with random weights; the defaults are the published size.
//! let config = ResidualConfig::new()
//!     .with_image_size(16)
//!     .with_patch_size(4)
//!     .with_n_layers(1)
//!     .with_n_heads(2)
//!     .with_d_model(16)
//!     .with_d_ff(32);
//! let encoder = config.init(&device);
//!
//! // Images are in [-1, 1]; the network normalises them itself.
//! let images = Tensor::<4>::zeros([2, 3, 16, 16], &device);
//! let residual = encoder.forward(images);
//! assert_eq!(residual.dims(), [2, 16, 8]);
//!
//! // The tokens of a semantic encoder, and the residual aligned to their statistics.
//! let semantic = Tensor::<3>::random([2, 16, 24], burn::tensor::Distribution::Default, &device);
//! let statistics = Statistics::of(semantic, residual.clone());
//! let aligned = align(residual, &statistics);
//! assert_eq!(aligned.dims(), [2, 16, 8]);
//! ```
//!
//! - [`ResidualConfig`], [`ResidualEncoder`]: the network, and its mask token
//! - [`align`], [`Statistics`], [`Moments`]: the affine map and its four parameters
//! - [`Running`], [`Accumulator`]: statistics over many batches, averaged or exact
//! - [`load`], [`checkpoint_tensors`]: weights under torchvision's names

mod accumulator;
mod alignment;
mod block;
mod config;
mod cost;
mod head;
mod mask;
mod model;
mod position;
mod running;
mod statistics;
mod weights;

pub use accumulator::Accumulator;
pub use alignment::align;
pub use block::Block;
pub use config::ResidualConfig;
pub use head::Head;
pub use model::{Encoder, ResidualEncoder};
pub use running::Running;
pub use statistics::{Moments, Statistics};
pub use weights::{checkpoint_tensors, load};
