//! What can go wrong with DINOv3 files.

use std::path::PathBuf;

use svg_nn::LoadError;
use svg_store::printable_path;

/// Why a file could not become a [`Dino`](crate::Dino), or the other way round.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DinoError {
    /// The file cannot be read or written, or its tensors are not those of the network.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The file holds tensors, but no DINOv3.
    #[error(
        "{} holds no DINOv3 weights: none of its {tensors} tensors is called storage_tokens or \
         rope_embed.periods (official), embeddings.patch_embeddings.weight (Hugging Face), reg_token or \
         blocks.0.gamma_1 (timm). It holds {contents}",
        printable_path(path)
    )]
    NotDino {
        /// The file.
        path: PathBuf,
        /// How many tensors it holds.
        tensors: usize,
        /// What it holds instead, in one line.
        contents: String,
    },
    /// Weights cannot be read back from the device.
    #[error("weights cannot be read back from the device: {reason}")]
    Device {
        /// The device's reason.
        reason: String,
    },
    /// The architecture cannot be told from the tensors, or the file's periods are unknown.
    #[error("{}: {reason}", printable_path(path))]
    Architecture {
        /// The file.
        path: PathBuf,
        /// What is contradictory or undecidable, and what to do.
        reason: String,
    },
    /// A number is beyond the largest of a number type.
    #[error(
        "{tensor} holds {value:e}, which would become infinite in {dtype}, whose largest number is {largest:e}; \
         bf16 has the range of f32"
    )]
    Range {
        /// The tensor that holds the largest number.
        tensor: String,
        /// That number.
        value: f64,
        /// The type.
        dtype: &'static str,
        /// The largest number of the type.
        largest: f64,
    },
    /// The weights have something that no file of the layout can hold.
    #[error("{reason}, which files in {layout} names cannot hold")]
    Unwritable {
        /// The name of the layout.
        layout: &'static str,
        /// The tensor and what it has.
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
}
