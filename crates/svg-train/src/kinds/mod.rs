//! The networks that configurations name: the one place of this crate that knows them.
//!
//! - [`FlowKind`]: velocity networks, for [`flow`](crate::flow)
//! - [`AutoencoderKind`], [`Svg`], [`Generator`]: autoencoders, for [`autoencoder`](crate::autoencoder)
//! - [`EncoderKind`]: encoders, for [`pretrain`](crate::pretrain)

mod dinov3;
mod sit;
mod svg;

pub use dinov3::{EncoderKind, train as pretrain};
pub use sit::{FlowKind, train as train_flow};
pub use svg::{AutoencoderKind, Generator, Svg, train as train_autoencoder};
