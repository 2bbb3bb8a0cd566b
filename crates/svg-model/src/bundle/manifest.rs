//! The manifest of a bundle.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use svg_store::{Checked, PathError, below, json_format, plain_json, read_if_there, write_json};

use super::old;
use super::open_files::OpenFile;
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
    /// or has missing or unknown fields, or sizes outside their ranges.
    pub fn read(folder: &Path) -> Result<Self, ModelError> {
        let path = Self::path(folder);
        let text = read_if_there(&path).map_err(PathError::at(&path))?;
        let text = text.ok_or_else(|| ModelError::NotABundle(folder.to_path_buf()))?;
        let refuse = |reason: String| ModelError::Manifest {
            path: path.clone(),
            reason,
        };
        let manifest = json_format(&text, 1..=FORMAT).and_then(|format| match format {
            FORMAT => plain_json(&text),
            _ => old::read(&text),
        });
        let manifest: Self = manifest.map_err(refuse)?;
        let mut parts = manifest.parts.iter();
        let problem =
            parts.find_map(|(name, part)| below(&format!("parts.{name}"), part.problem()));
        if let Some(problem) = problem {
            return Err(refuse(problem));
        }
        let outside = |name: &&String| Path::new(name).file_name() != Some(name.as_ref());
        if let Some(name) = manifest.files().map(|(name, _)| name).find(outside) {
            return Err(refuse(format!("{name:?} lies outside the folder")));
        }
        Ok(manifest)
    }

    /// The part of a bundle that a file belongs to, by the manifest beside it; `None` if it belongs to none.
    pub(crate) fn owner(path: &Path) -> Option<Part> {
        let (manifest, name) = Self::beside(path)?;
        let mut parts = manifest.parts.into_values();
        parts.find(|part| part.files.contains_key(&name))
    }

    /// Whether a file that belongs to a bundle is the one that was written.
    ///
    /// # Errors
    ///
    /// [`ModelError::Changed`] if it is another.
    pub(crate) fn check_owned(path: &Path) -> Result<(), ModelError> {
        let Some((manifest, name)) = Self::beside(path) else {
            return Ok(());
        };
        for (part, of) in &manifest.parts {
            if let Some(entry) = of.files.get(&name) {
                OpenFile::open(part, path, entry)?.check()?;
            }
        }
        Ok(())
    }

    /// The manifest in the folder of a file, and the name of the file there.
    fn beside(path: &Path) -> Option<(Self, String)> {
        let path = path.canonicalize().ok()?;
        let manifest = Self::read(path.parent()?).ok()?;
        Some((manifest, path.file_name()?.to_str()?.to_string()))
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
        Ok(write_json(Self::path(folder), self)?)
    }

    /// Where the manifest of a folder is.
    pub fn path(folder: &Path) -> PathBuf {
        folder.join("manifest.json")
    }
}
