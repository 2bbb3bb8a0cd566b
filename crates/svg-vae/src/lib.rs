//! KL autoencoders as latent spaces: SD-VAE, VA-VAE, MAR's KL-16 and others of their layout.
//!
//! A latent diffusion model (Rombach et al., 2022, arXiv 2112.10752) lives in the latents of such an autoencoder: a
//! convolutional encoder returns a normal distribution for each cell, and a decoder turns a sample or the mean of it back
//! into pixels. [`KlVae`] is one as a [`LatentSpace`](svg_roles::LatentSpace), whose latents are scaled as the published
//! models that were trained in them expect.
//!
//! The main design decision: **randomness and scaling are values.** Whether latents are means or samples, and of which
//! noise, is the [`Draw`](svg_roles::Draw) of a call. The shift and scale of latents are part of [`KlVaeConfig`], since
//! every published network was trained with some, and a file and its `config.json` that contradict each other are an
//! error. Fields are named as in latent diffusion's checkpoints; diffusers' names and shapes are read and written by a
//! table ([`Layout`]).
//!
//! ```
//! use burn::prelude::*;
//! use svg_roles::{Draw, LatentSpace};
//! use svg_vae::KlVaeConfig;
//!
//! let device = Device::default();
//! // A small network with random weights; `KlVaeFile::open(path, &options)?.load(&device)` reads published ones.
//! let vae = KlVaeConfig::small_f4().init(&device);
//!
//! let images = Tensor::<4>::zeros([1, 3, 32, 48], &device);
//! let latents = vae.encode(images, Draw::Mode);
//! assert_eq!(latents.dims(), [1, 8 * 12, 8]);
//! assert_eq!(vae.decode(latents, [8, 12]).dims(), [1, 3, 32, 48]);
//! ```
//!
//! - [`KlVaeConfig`]: sizes and scaling; [`KlVaeConfig::sd`], [`KlVaeConfig::va_vae`], [`KlVaeConfig::mar`] and small
//!   ones
//! - [`KlVae`], [`Encoder`], [`Decoder`], [`Posterior`]: the network, its halves, and the distribution between them
//! - [`KlVaeFile`], [`KlVaeOptions`], [`Layout`]: published files, opened by what they hold
//! - [`tensors_in`], [`metadata`], [`document()`], [`fingerprint()`]: what is written of one
//! - [`KlVaeError`]: error for files

mod config;
mod decoder;
mod document;
mod encoder;
mod error;
mod file;
mod fingerprint;
mod foreign;
mod infer;
mod layout;
mod model;
mod posterior;
#[cfg(test)]
mod tests;

pub use config::KlVaeConfig;
pub use decoder::Decoder;
pub use document::document;
pub use encoder::Encoder;
pub use error::KlVaeError;
pub use file::{CONFIG_KEY, KlVaeFile, KlVaeOptions, metadata, tensors_in};
pub use fingerprint::fingerprint;
pub use layout::Layout;
pub use model::KlVae;
pub use posterior::Posterior;
