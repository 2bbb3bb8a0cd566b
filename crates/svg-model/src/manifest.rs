//! The page of a bundle that people read first.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use svg_dino::DinoConfig;
use svg_sit::SitConfig;
use svg_store::{read_if_there, versioned_json, write_json};

use crate::{AutoencoderConfig, ModelError};

/// The version of the folder's format that this crate writes. It reads all before it; 1 had no flow.
pub const FORMAT: u32 = 2;

/// What a bundle holds, what it belongs to and how it came about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of this format: [`FORMAT`].
    pub format: u32,
    /// The encoder that the model was trained with.
    pub encoder: EncoderReference,
    /// Residual encoder, decoder and alignment.
    pub autoencoder: AutoencoderConfig,
    /// How the model came about.
    pub provenance: Provenance,
    /// The velocity network, if there is one.
    #[serde(default)]
    pub flow: Option<FlowEntry>,
    /// Every other file of the folder.
    pub files: BTreeMap<String, FileEntry>,
}

/// Weights that are referred to and not copied.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EncoderReference {
    /// The name of a released architecture, such as `vits16plus`, or what it is instead.
    pub name: String,
    /// The architecture.
    pub config: DinoConfig,
    /// The [fingerprint](crate::encoder_fingerprint) of the weights.
    pub fingerprint: String,
    /// Where the weights were; relative to the bundle if they lie inside it.
    pub path: PathBuf,
}

/// A velocity network whose weights lie in the folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlowEntry {
    /// Its sizes.
    pub config: SitConfig,
    /// The names of its classes, in the order of their labels; empty if they are not known.
    pub classes: Vec<String>,
    /// The [fingerprint](crate::Bundle::features_fingerprint) of the features that it makes.
    pub features: String,
    /// The [fingerprint](crate::LatentStatistics::fingerprint) of the statistics by which they are
    /// normalised; `None` if that is not known.
    pub statistics: Option<String>,
    /// How it came about.
    pub provenance: Provenance,
}

/// How a model came about, for people.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// The program and version that wrote the bundle.
    pub made_by: String,
    /// Imported from this file, or trained on this data.
    pub source: String,
    /// Optimiser steps, if it was trained here.
    pub steps: Option<u64>,
    /// What stood for the eye in training: LPIPS, or features of the encoder.
    pub perceptual: Option<String>,
    /// Anything else a reader should know.
    pub notes: Vec<String>,
}

/// One file of a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256 in hexadecimal.
    pub sha256: String,
}

impl Manifest {
    /// Reads `manifest.json` of a folder.
    ///
    /// # Errors
    ///
    /// [`ModelError::NotABundle`] if there is none, [`ModelError::Manifest`] if it is of another version
    /// or has missing or unknown fields.
    pub fn read(folder: &Path) -> Result<Self, ModelError> {
        let path = Self::path(folder);
        let text = match read_if_there(&path) {
            Ok(Some(text)) => text,
            Ok(None) => {
                let path = folder.to_path_buf();
                return Err(ModelError::NotABundle { path });
            }
            Err(source) => return Err(ModelError::System { path, source }),
        };
        let refuse = |reason: String| ModelError::Manifest {
            path: path.clone(),
            reason,
        };
        let manifest: Self = versioned_json(&text, 1..=FORMAT).map_err(refuse)?;
        let outside = |name: &&String| Path::new(name).file_name() != Some(name.as_ref());
        match manifest.files.keys().find(outside) {
            Some(name) => Err(refuse(format!("{name:?} lies outside the folder"))),
            None => Ok(manifest),
        }
    }

    /// Writes `manifest.json`, whole or not at all.
    ///
    /// # Errors
    ///
    /// [`ModelError::Write`] if it cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), ModelError> {
        Ok(write_json(Self::path(folder), self)?)
    }

    /// Where the manifest of a folder is.
    pub fn path(folder: &Path) -> PathBuf {
        folder.join("manifest.json")
    }
}
