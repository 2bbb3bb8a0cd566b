//! Object-safe traits for the parts of a latent diffusion model.
//!
//! A frozen [`Encoder`] maps images to tokens, a [`LatentSpace`] maps images to latents and back, a
//! [`Velocity`] network moves noise to latents under a [`Condition`], and an [`Embedding`] maps images to
//! vectors for probes and distances. Samplers, trainers, caches and commands are written against these
//! traits; networks implement them. None of them requires Burn's `Module`, so each can be used as a trait
//! object such as `Arc<dyn Encoder>`, and your own types can replace the provided ones.
//!
//! Conventions: images are `[batch, 3, height, width]` in [-1, 1], tokens are ordered row by row over the
//! image, and time is 0 at the noise and 1 at the data.
//!
//! ```
//! use burn::prelude::*;
//! use svg_roles::{Draw, Geometry, LatentSpace};
//!
//! /// Mean colours of squares of `side` x `side` pixels.
//! #[derive(Debug)]
//! struct Mosaic {
//!     side: usize,
//! }
//!
//! impl LatentSpace for Mosaic {
//!     fn encode(&self, images: Tensor<4>, _draw: Draw) -> Tensor<3> {
//!         let [batch, colours, height, width] = images.dims();
//!         let (rows, columns) = (height / self.side, width / self.side);
//!         let squares = images.reshape([batch, colours, rows, self.side, columns, self.side]);
//!         let means = squares.mean_dims(&[3, 5]).reshape([batch, colours, rows * columns]);
//!         means.swap_dims(1, 2)
//!     }
//!
//!     fn decode(&self, latents: Tensor<3>, [rows, columns]: [usize; 2]) -> Tensor<4> {
//!         let [batch, _, colours] = latents.dims();
//!         let small = latents.swap_dims(1, 2).reshape([batch, colours, rows, columns]);
//!         let wide = small.repeat_dim(2, 1).reshape([batch, colours, rows, 1, columns, 1]);
//!         let wide = wide.repeat_dim(3, self.side).repeat_dim(5, self.side);
//!         wide.reshape([batch, colours, rows * self.side, columns * self.side])
//!     }
//!
//!     fn geometry(&self) -> Geometry {
//!         Geometry::of_patches([16, 16], self.side, 3)
//!     }
//! }
//!
//! let space: Box<dyn LatentSpace> = Box::new(Mosaic { side: 4 });
//! let images = Tensor::zeros([2, 3, 16, 16], &Device::default());
//! let latents = space.encode(images, Draw::Mode);
//! assert_eq!(latents.dims(), [2, 16, 3]);
//! assert_eq!(space.decode(latents, space.geometry().grid()).dims(), [2, 3, 16, 16]);
//! ```
//!
//! - [`Encoder`], [`Tokens`], [`EncoderSpec`]: frozen features of images
//! - [`LatentSpace`], [`Geometry`], [`Draw`]: between images and a generative model; [`Patchified`]: the same in patches
//! - [`Layered`], [`LayerMean`]: encoders whose blocks can be read, and the mean of some
//! - [`Velocity`], [`VelocitySpec`], [`Condition`]: the network of a flow
//! - [`NoisePredictor`], [`PredictedNoise`]: the network of a diffusion with discrete noise levels
//! - [`Embedding`], [`MeanToken`], [`SummaryToken`]: one vector per image
//! - [`Images`], [`Signed`], [`Unit`]: batches of images with the pixel range in their type
//! - [`PixelStatistics`]: what an encoder normalises its input with
//! - [`Reduce`], [`Rank`]: averaging of gradients over processes

mod condition;
mod embedding;
mod encoder;
mod geometry;
pub mod images;
mod layers;
mod noise_predictor;
mod patchified;
pub mod pixels;
mod reduce;
mod space;
mod velocity;

pub use condition::Condition;
pub use embedding::{Embedding, MeanToken, SummaryToken};
pub use encoder::{Encoder, EncoderSpec, Tokens};
pub use geometry::Geometry;
pub use images::{Images, PixelRange, Signed, Unit};
pub use layers::{LayerMean, Layered};
pub use noise_predictor::{NoisePredictor, PredictedNoise};
pub use patchified::{Patchified, patchify, unpatchify};
pub use pixels::PixelStatistics;
pub use reduce::{Rank, Reduce};
pub use space::{Draw, LatentSpace};
pub use velocity::{Velocity, VelocitySpec};
