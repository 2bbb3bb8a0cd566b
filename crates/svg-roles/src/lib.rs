//! The roles that the parts of a latent diffusion model play, as object-safe traits.
//!
//! A frozen [`Encoder`] turns images into tokens, a [`LatentSpace`] turns images into latents and back, a
//! [`Velocity`] network moves noise to latents under a [`Condition`], and an [`Embedding`] gives one vector
//! per image to probes and distances. Samplers, trainers, caches and commands are written against these
//! traits; networks implement them. None of them requires Burn's `Module`, so every role can be held as
//! `Arc<dyn Role>`, and a type of your own can take the place of any of ours.
//!
//! Three conventions hold throughout. Images are `[batch, 3, height, width]` in [-1, 1]. Tokens lie row by
//! row over the image. Time is 0 at the noise and 1 at the data.
//!
//! ```
//! use burn::prelude::*;
//! use svg_roles::{Draw, Geometry, LatentSpace};
//!
//! /// Mean colours of squares of `side` pixels.
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
//! - [`LatentSpace`], [`Geometry`], [`Draw`]: between images and a generative model
//! - [`Velocity`], [`VelocitySpec`], [`Condition`]: the network of a flow
//! - [`Embedding`], [`MeanToken`], [`SummaryToken`]: one vector per image
//! - [`Images`], [`Signed`], [`Unit`]: batches of images whose type says what black and white are
//! - [`Reduce`], [`Rank`]: several processes or devices that share one step of training

mod condition;
mod embedding;
mod encoder;
mod geometry;
pub mod images;
mod reduce;
mod space;
mod velocity;

pub use condition::Condition;
pub use embedding::{Embedding, MeanToken, SummaryToken};
pub use encoder::{Encoder, EncoderSpec, Tokens};
pub use geometry::Geometry;
pub use images::{Images, PixelRange, Signed, Unit};
pub use reduce::{Rank, Reduce};
pub use space::{Draw, LatentSpace};
pub use velocity::{Velocity, VelocitySpec};
