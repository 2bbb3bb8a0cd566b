//! The convolutional decoder of SVG, VA-VAE and latent diffusion: features to pixels, whole or in tiles.
//!
//! SVG ("Latent Diffusion Model without Variational Autoencoder", arXiv 2510.15301, section 3.2) keeps
//! the decoder of latent diffusion (Rombach et al., 2022, arXiv 2112.10752) and widens its first
//! convolution to the 392 channels of its features. So one [`Decoder`] is the decoder of SVG, of VA-VAE
//! and of every autoencoder of that layout; [`DecoderConfig`] says which.
//!
//! The one design decision: **fields are named as the checkpoint names its tensors.** A file needs its
//! prefix `decoder.` cut off and nothing else, and [`svg_nn::load_exact`] fills the module.
//!
//! ```
//! use burn::prelude::*;
//! use svg_decoder::{DecoderConfig, Tiling};
//!
//! let device = Device::default();
//! // A small network with random weights; `DecoderConfig::svg()` is the released one.
//! let config = DecoderConfig::new(12)
//!     .with_width(16)
//!     .with_width_multipliers(vec![1, 2])
//!     .with_norm_groups(8);
//! let decoder = config.init(&device);
//!
//! // A grid of 4 by 6 cells, row by row; each cell becomes a square of `upsampling` pixels.
//! let features = Tensor::<3>::ones([1, 24, 12], &device);
//! let images = decoder.forward(features.clone(), [4, 6]);
//! assert_eq!(config.upsampling(), 2);
//! assert_eq!(images.dims(), [1, 3, 8, 12]);
//!
//! // Larger grids fit into memory piece by piece.
//! let tiled = decoder.forward_tiled(features, [4, 6], Tiling::new(4, 2));
//! assert_eq!(tiled.dims(), images.dims());
//! ```
//!
//! - [`DecoderConfig`]: sizes, and where attention goes; [`DecoderConfig::svg`] and
//!   [`DecoderConfig::va_vae`]
//! - [`Decoder`]: features to images, in about [-1, 1] and not clamped
//! - [`Tiling`]: large grids in overlapping tiles
//! - [`Mid`], [`Level`], [`ResnetBlock`], [`AttentionBlock`], [`Upsample`]: its parts, which are those of
//!   [`svg_nn::maps`]

mod config;
mod cost;
mod model;

pub use config::DecoderConfig;
pub use model::Decoder;
pub use svg_nn::maps::{AttentionBlock, Mid, ResnetBlock, Tiling, UpLevel as Level, Upsample};
