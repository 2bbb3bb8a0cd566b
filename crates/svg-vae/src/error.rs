//! What can go wrong with files of KL autoencoders.

use std::path::PathBuf;

use svg_nn::LoadError;
use svg_store::printable_path;

/// Why a file could not become a [`KlVae`](crate::KlVae).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KlVaeError {
    /// The file cannot be read, or its tensors are not those of the network.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// It is a file of something else.
    #[error(
        "{} holds no KL autoencoder: {reason}. Files of AutoencoderKL of diffusers, of latent diffusion, VA-VAE and \
         MAR are read",
        printable_path(path)
    )]
    Other {
        /// The file.
        path: PathBuf,
        /// What it is instead, and what to do.
        reason: String,
    },
    /// Its sizes, or how its latents are scaled, cannot be told or contradict each other.
    #[error("{}: {reason}", printable_path(path))]
    Config {
        /// The file.
        path: PathBuf,
        /// Both sides, and what to do.
        reason: String,
    },
}
