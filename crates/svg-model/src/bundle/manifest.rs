//! The manifest of a bundle.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::old;
use super::part::{FileEntry, Part};
use crate::ModelError;

/// The version of the folder's format that this crate writes. It reads all before it: 1 had no flow, and 1
/// and 2 knew DINOv3, SVG's autoencoder and SiT alone.
pub const FORMAT: u32 = 3;

/// What a bundle holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of this format: [`FORMAT`], or the one that was read.
    pub format: u32,
    /// The parts by name.
    pub parts: BTreeMap<String, Part>,
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
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let path = folder.to_path_buf();
                return Err(ModelError::NotABundle { path });
            }
            Err(source) => return Err(ModelError::System { path, source }),
        };
        let refuse = |reason: String| ModelError::Manifest {
            path: path.clone(),
            reason,
        };
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        let version: Version =
            serde_json::from_str(&text).map_err(|error| refuse(format!("{error}")))?;
        let manifest = match version.format {
            FORMAT => serde_json::from_str(&text).map_err(|error| error.to_string()),
            1 | 2 => old::read(&text),
            newer => Err(format!(
                "format {newer} is not known to this program, which reads 1 to {FORMAT}; use a newer version"
            )),
        };
        let manifest: Self = manifest.map_err(refuse)?;
        let outside = |name: &&String| Path::new(name).file_name() != Some(name.as_ref());
        match manifest.files().map(|(name, _)| name).find(outside) {
            Some(name) => Err(refuse(format!("{name:?} lies outside the folder"))),
            None => Ok(manifest),
        }
    }

    /// Every file of every part, sorted within a part.
    pub fn files(&self) -> impl Iterator<Item = (&String, &FileEntry)> {
        self.parts.values().flat_map(|part| &part.files)
    }

    /// Writes `manifest.json`, whole or not at all.
    ///
    /// # Errors
    ///
    /// [`ModelError::Write`] if it cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), ModelError> {
        let json = serde_json::to_string_pretty(self).expect("plain fields always serialise");
        Ok(svg_image::write_atomically(Self::path(folder), |file| {
            writeln!(file, "{json}")
        })?)
    }

    /// Where the manifest of a folder is.
    pub fn path(folder: &Path) -> PathBuf {
        folder.join("manifest.json")
    }
}
