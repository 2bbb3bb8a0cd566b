//! What can go wrong with files of vision transformers.

use std::path::PathBuf;

use svg_nn::LoadError;
use svg_store::printable_path;

/// Why a file could not become a [`Vit`](crate::Vit), or the other way round.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VitError {
    /// The file cannot be read or written, or its tensors are not those of the network.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The file holds tensors, but no network of these families.
    #[error(
        "{} holds no DINOv2, MAE, SigLIP or CLIP: {reason}. They are known by pos_embed and patch_embed.proj.weight \
         (timm, Meta), embeddings.patch_embeddings.projection.weight or embeddings.patch_embedding.weight (Hugging \
         Face), or ln_pre.weight (OpenAI). It holds {contents}",
        printable_path(path)
    )]
    NotVit {
        /// The file.
        path: PathBuf,
        /// What is missing.
        reason: String,
        /// What it holds instead, in one line.
        contents: String,
    },
    /// The architecture cannot be told from the tensors, or is told in two ways.
    #[error("{}: {reason}", printable_path(path))]
    Architecture {
        /// The file.
        path: PathBuf,
        /// What is contradictory or undecidable, and what to do.
        reason: String,
    },
    /// `config.json` or `preprocessor_config.json` beside the weights cannot be used.
    #[error("{}: {reason}", printable_path(path))]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The family has no files in a layout, or the weights have something that those cannot hold.
    #[error("{reason}, which files in {layout} names cannot hold")]
    Unwritable {
        /// The name of the layout.
        layout: &'static str,
        /// What.
        reason: String,
    },
    /// Weights cannot be read back from the device.
    #[error("weights cannot be read back from the device: {reason}")]
    Device {
        /// The device's reason.
        reason: String,
    },
}
