//! The features of SVG as a latent space, and the parts that they are in a bundle.
//!
//! Everything in this crate that knows the residual encoder, the decoder and how they are joined to a frozen
//! encoder lies in this module; the rest of the crate knows it by the name of its [kind](crate::Part::kind).

mod autoencoder;
mod checkpoint;
mod config;
mod encoder;
mod fingerprint;
mod part;
mod statistics;

pub use autoencoder::SvgAutoencoder;
pub use checkpoint::{
    CONFIG_KEY, Checkpoint, CheckpointOptions, autoencoder_tensors, load_autoencoder,
};
pub use config::{Alignment, AutoencoderConfig};
pub use encoder::{SvgEncoder, join};
pub(crate) use fingerprint::fingerprint;
pub(crate) use part::open;
pub use part::{
    AUTOENCODER, NewEncoder, NewSpace, STATISTICS, TRAINING, alignment_statistics, autoencoder,
    set_alignment_statistics, space_config,
};
pub use statistics::StoredStatistics;
