//! The networks that configurations name: the one place of this crate that knows them.
//!
//! - [`FlowKind`]: velocity networks, for [`flow`](crate::flow)
//! - [`AutoencoderKind`], [`Svg`], [`Generator`]: autoencoders, for [`autoencoder`](crate::autoencoder)
//! - [`EncoderKind`]: encoders, for [`pretrain`](crate::pretrain)

pub(crate) mod dinov3;
pub(crate) mod sit;
pub(crate) mod svg;

pub use dinov3::EncoderKind;
pub use sit::FlowKind;
pub use svg::{AutoencoderKind, Generator, Svg};
