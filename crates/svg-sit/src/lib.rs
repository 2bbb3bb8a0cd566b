//! The velocity network of SVG (arXiv 2510.15301), a SiT on tokens: latents, time and label to velocity.
//!
//! A transformer with adaptive norms, as in DiT (Peebles and Xie, arXiv 2212.09748) and SiT (Ma et al.,
//! arXiv 2401.08740). SVG gives it tokens of 392 channels on a grid of 16 x 16, so that its first layer
//! is linear and nothing is cut into patches or put together again, and normalises queries and keys.
//! Time 0 is noise and time 1 is data; the time enters as it is, not times a thousand.
//!
//! The one design decision: **the network maps tensors to tensors.** [`Sit::forward`] takes samples,
//! times and labels and gives velocities. It drops no label, knows no guidance and computes no loss. It
//! implements [`Velocity`](svg_roles::Velocity), from which samplers and trainers make fields.
//!
//! ```
//! use burn::prelude::*;
//! use svg_flow::{Euler, TimeShift, integrate, unwatched};
//! use svg_roles::{Condition, Velocity};
//! use svg_sit::SitConfig;
//!
//! let device = Device::default();
//! let sit = SitConfig::new(8, 4, 4, 32, 2, 4, 128).with_n_classes(10).init(&device);
//! let noise = Tensor::ones([2, 16, 8], &device);
//! let classes = Condition::classes(&[3, 7], &device);
//! let field = |x: Tensor<3>, t: Tensor<1>| sit.velocity(x, t, &classes);
//! let times = TimeShift::new(0.15).grid(5);
//! let solution = integrate(&field, &Euler, &times, noise.clone(), &mut unwatched);
//!
//! // Nothing is learned yet: the velocity is zero, and noise stays where it is.
//! solution.x.into_data().assert_eq(&noise.into_data(), true);
//! ```
//!
//! - [`SitConfig`]: sizes, those with a name, and those that a checkpoint shows
//! - [`Sit`]: the network, of [`TimeEmbedder`], [`LabelEmbedder`], [`Block`] and [`FinalLayer`]
//! - [`sincos_2d`]: where a token is
//! - [`SitConfig::forward_macs`], [`SitConfig::training_memory`]: what it costs
//! - [`load`], [`checkpoint_tensors`]: the published checkpoint's names to the network and back
//!
//! The same network on patches of latents is DiT, SiT and REPA's SiT, and LightningDiT shares its embedders:
//!
//! - [`DitConfig`]: sizes on patches; DiT's and SiT's names and those of diffusers to the network and back
//! - [`Dit`]: a network that predicts noise; [`Repa`], [`Projector`]: one that is reversed in time and trained with projectors
//! - [`LightningDit`], [`LightningConfig`]: with gated feed-forward layers and turned queries and keys
//! - [`PublishedFile`], [`Published`], [`System`]: files of these systems

mod block;
mod config;
mod cost;
mod diffusers;
mod dit;
mod dit_config;
mod dit_weights;
mod final_layer;
mod init;
mod label;
mod layout;
mod lightning;
mod model;
mod modulate;
mod position;
mod published;
mod repa;
mod rows;
mod time;
mod velocity;
mod weights;

pub use block::Block;
pub use config::SitConfig;
pub use cost::TrainingMemory;
pub use dit::Dit;
pub use dit_config::DitConfig;
pub use final_layer::FinalLayer;
pub use label::LabelEmbedder;
pub use lightning::{
    LightningAttention, LightningBlock, LightningConfig, LightningDit, LightningFinal,
};
pub use model::Sit;
pub use position::sincos_2d;
pub use published::{Published, PublishedError, PublishedFile, System};
pub use repa::{Projector, Repa, RepaConfig, RepaOutput};
pub use time::TimeEmbedder;
pub use weights::{checkpoint_tensors, load};
