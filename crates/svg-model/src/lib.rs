//! A trained latent diffusion model: images to latents and back, noise to images, and the folder that
//! keeps it.
//!
//! A [`Bundle`] is a folder of named parts: an encoder, a space, the statistics that make features latents,
//! and a flow. Each part has a kind, and a [`Registry`] opens kinds as the roles of [`svg_roles`]; kinds of
//! your own stand beside the standard ones. A [`Generator`] samples from any [`Velocity`] network in any
//! [`LatentSpace`].
//!
//! The one design decision: **what is stored knows what it belongs to.** The manifest names every file by its
//! SHA-256, the encoder by a fingerprint of its weights, and the features by a fingerprint of everything that
//! they depend on. Opening checks all of it, so that features of another encoder, a flow of other statistics
//! or half a download are errors and never a grey picture.
//!
//! ```
//! use std::ops::ControlFlow;
//! use std::sync::Arc;
//!
//! use burn::prelude::*;
//! use svg_flow::Progress;
//! use svg_model::{Bundle, Generator, NewFlow, NewPart, OpenOptions, Registry, Sampling};
//! use svg_model::{LatentStatistics, StoredLatentStatistics, FLOW, SPACE};
//! use svg_roles::{Condition, Draw, Geometry, LatentSpace, Velocity};
//! use svg_sit::{SitConfig, checkpoint_tensors};
//!
//! /// A space of one's own: every pixel is a token.
//! #[derive(Debug)]
//! struct Pixels;
//!
//! impl LatentSpace for Pixels {
//!     fn encode(&self, images: Tensor<4>, _: Draw) -> Tensor<3> {
//!         images.flatten::<3>(2, 3).swap_dims(1, 2)
//!     }
//!     fn decode(&self, latents: Tensor<3>, [rows, columns]: [usize; 2]) -> Tensor<4> {
//!         let [batch, _, channels] = latents.dims();
//!         latents.swap_dims(1, 2).reshape([batch, channels, rows, columns])
//!     }
//!     fn geometry(&self) -> Geometry {
//!         Geometry::of_patches([4, 4], 1, 3)
//!     }
//! }
//!
//! let device = Device::default();
//! let folder = tempfile::tempdir().unwrap();
//! let registry = Registry::standard().with_space("pixels", |_, _| Ok(Arc::new(Pixels)));
//!
//! // A bundle of that space, with statistics and a flow that nobody has trained.
//! let mut space = NewPart::new("pixels", &());
//! space.part.geometry = Some(Pixels.geometry());
//! let mut bundle = Bundle::create(&folder.path().join("bundle"), [(SPACE, space)], false).unwrap();
//! bundle
//!     .set_latent_statistics(&StoredLatentStatistics {
//!         statistics: LatentStatistics { mean: vec![0.0; 3], std: vec![0.5; 3] },
//!         features: bundle.features_fingerprint(),
//!         tokens: 0,
//!         source: "an example".to_string(),
//!     })
//!     .unwrap();
//! let config = SitConfig::new(3, 4, 4, 32, 1, 2, 64).with_n_classes(2);
//! let network = config.init(&device);
//! let flow = NewFlow {
//!     kind: "sit",
//!     config: &config,
//!     spec: network.spec(),
//!     tensors: checkpoint_tensors(&network),
//!     classes: vec![],
//!     provenance: Default::default(),
//! };
//! let flow = bundle.flow_part(flow).unwrap();
//! bundle.set_part(FLOW, flow).unwrap();
//!
//! // It opens as roles, and samples.
//! let generator = registry.generator(&bundle, &OpenOptions::default(), &device).unwrap();
//! let numbers = [0, 1];
//! let classes = Condition::classes(&[0, 1], &device);
//! let watch = &mut |_: &Progress| ControlFlow::Continue(());
//! let noise = generator.noise(7, &numbers);
//! let sampled = generator.latents(noise, &classes, &numbers, &Sampling::svg(), watch).unwrap();
//! assert_eq!(generator.images(sampled.latents).dims(), [2, 3, 4, 4]);
//! ```
//!
//! - [`Bundle`], [`Manifest`], [`Part`], [`NewPart`], [`NewFlow`]: the folder on disk
//! - [`Registry`], [`OpenOptions`], [`Opening`]: kinds to roles
//! - [`Normalised`], [`LatentStatistics`], [`Accumulator`]: features to latents
//! - [`Generator`], [`Conditioned`], [`Sampling`], [`SolverKind`], [`Sampled`]: noise to latents and images
//! - [`Denoised`]: a network that predicts noise, with condition and guidance
//! - [`noise`], [`gaussian`], [`uniform`], [`Interpolation`]: random numbers that are a function of where they
//!   are used, and paths between two of them
//! - [`SvgEncoder`], [`SvgAutoencoder`], [`Alignment`], [`mod@svg`]: SVG's own space
//! - [`mod@kl_vae`]: KL autoencoders such as SD-VAE as spaces
//! - [`Checkpoint`], [`FlowCheckpoint`]: the published checkpoint layouts, read and written
//!
//! [`Velocity`]: svg_roles::Velocity
//! [`LatentSpace`]: svg_roles::LatentSpace

mod bundle;
mod conditioned;
mod denoised;
mod error;
mod flow_checkpoint;
mod generator;
mod interpolation;
pub mod kinds;
pub mod kl_vae;
mod latent_statistics;
mod noise;
mod normalised;
mod pixels;
mod registry;
mod sampling;
pub mod svg;

pub use bundle::{
    Bundle, ENCODER, FLOW, FORMAT, FileEntry, LATENTS, Manifest, NewFile, NewFlow, NewPart, Part,
    Provenance, SPACE,
};
pub use conditioned::Conditioned;
pub use denoised::Denoised;
pub use error::ModelError;
pub use flow_checkpoint::{FLOW_KEY, FlowCheckpoint};
pub use generator::{Generator, Sampled};
pub use interpolation::Interpolation;
pub use latent_statistics::{LatentStatistics, StoredLatentStatistics};
pub use noise::{gaussian, noise, uniform};
pub use normalised::Normalised;
pub use pixels::Pixels;
pub use registry::{OpenOptions, Opening, Registry, dinov3};
pub use sampling::{Sampling, SolverKind};
pub use svg::{
    Alignment, AutoencoderConfig, CONFIG_KEY, Checkpoint, CheckpointOptions, NewEncoder, NewSpace,
    StoredStatistics, SvgAutoencoder, SvgEncoder, autoencoder_tensors, load_autoencoder,
};

pub use svg_residual::Accumulator;

use svg_nn::StoredTensor;

/// The same tensor under another name.
pub(crate) fn renamed(mut tensor: StoredTensor, name: String) -> StoredTensor {
    tensor.name = name;
    tensor
}

#[cfg(test)]
mod tests;
