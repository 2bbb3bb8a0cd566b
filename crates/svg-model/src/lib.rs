//! The trained SVG model as one thing: images to features and back, noise to images, and the folder that
//! keeps it.
//!
//! This is the one place where the networks meet. [`SvgEncoder`] joins a frozen encoder's patch tokens
//! with the residual encoder's channels, aligned to the same statistics; [`SvgAutoencoder`] adds the
//! decoder; [`Generator`] leads noise through the velocity network into the decoder. Everything above,
//! training, sampling and the program, sees only these.
//!
//! The one design decision: **what is stored knows what it belongs to.** A [`Bundle`] is a folder whose
//! manifest names every file by its SHA-256 and the encoder by the SHA-256 of its weights, whatever file
//! they come from. Opening checks all of it, so that features of another encoder, a decoder of another
//! run or half a download are errors and never a grey picture.
//!
//! ```
//! use burn::prelude::*;
//! use svg_decoder::DecoderConfig;
//! use svg_dino::DinoConfig;
//! use svg_model::{Alignment, AutoencoderConfig, SvgAutoencoder};
//! use svg_residual::ResidualConfig;
//!
//! let device = Device::default();
//! let encoder = DinoConfig::new(32, 1, 2, 64).with_patch_size(4).init(&device);
//! let residual = ResidualConfig::new().with_image_size(16).with_patch_size(4);
//! let residual = residual.with_d_model(16).with_d_ff(16).with_n_heads(2).with_n_layers(1);
//! let decoder = DecoderConfig::new(32 + 8).with_width(32).with_width_multipliers(vec![1, 1, 1]);
//! let decoder = decoder.with_resolution(16).with_attention_resolutions(vec![]);
//! let config = AutoencoderConfig::new(decoder)
//!     .with_residual(Some(residual))
//!     .with_alignment(Alignment::Batch);
//!
//! let autoencoder: SvgAutoencoder<_> = config.init(encoder, &device);
//! let images = Tensor::<4>::zeros([2, 3, 16, 16], &device); // in [-1, 1]
//! let features = autoencoder.encoder.features(images);
//! assert_eq!(features.dims(), [2, 16, 40]); // DINO's channels first, then the residual's
//! assert_eq!(autoencoder.decoder.forward(features, [4, 4]).dims(), [2, 3, 16, 16]);
//! ```
//!
//! - [`FeatureEncoder`], [`LatentSpace`]: the two roles, and who plays them
//! - [`SvgEncoder`], [`SvgAutoencoder`], [`Alignment`]: the networks together
//! - [`LatentStatistics`], [`LatentAccumulator`]: what features are normalised by to be latents
//! - [`Generator`], [`Sampling`], [`SolverKind`], [`Sampled`]: noise and classes to latents and images
//! - [`noise`], [`gaussian`], [`uniform`], [`Interpolation`]: random numbers that follow from where they
//!   are used, and ways between two of them
//! - [`Bundle`], [`Manifest`]: the folder on disk
//! - [`Checkpoint`], [`FlowCheckpoint`]: the published checkpoint layouts, read and written
//! - [`encoder_fingerprint`]: which encoder is this, whatever its file

mod autoencoder;
mod bundle;
mod bundle_copy;
mod bundle_files;
mod bundle_flow;
mod checkpoint;
mod config;
mod encoder;
mod error;
mod feature;
mod fingerprint;
mod flow_checkpoint;
mod generator;
mod interpolation;
mod latent;
mod latent_accumulator;
mod latent_statistics;
mod manifest;
mod noise;
mod sampling;
mod statistics;

pub use autoencoder::SvgAutoencoder;
pub use bundle::{AUTOENCODER_FILE, Bundle, BundleContents, ENCODER_FILE};
pub use bundle_flow::FlowContents;
pub use checkpoint::{CONFIG_KEY, Checkpoint, autoencoder_tensors, load_autoencoder};
pub use config::{Alignment, AutoencoderConfig};
pub use encoder::SvgEncoder;
pub use error::ModelError;
pub use feature::FeatureEncoder;
pub use fingerprint::encoder_fingerprint;
pub use flow_checkpoint::{FLOW_KEY, FlowCheckpoint};
pub use generator::{Generator, Sampled};
pub use interpolation::Interpolation;
pub use latent::{Grid, LatentSpace};
pub use latent_accumulator::LatentAccumulator;
pub use latent_statistics::{LatentStatistics, StoredLatentStatistics};
pub use manifest::{EncoderReference, FORMAT, FileEntry, FlowEntry, Manifest, Provenance};
pub use noise::{gaussian, noise, uniform};
pub use sampling::{Sampling, SolverKind};
pub use statistics::StoredStatistics;
