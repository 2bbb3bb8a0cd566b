//! How files of a bundle come and go.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use svg_nn::{StoredTensor, save_tensors};
use svg_store::{rename, sha256_file};

use crate::fingerprint::features_fingerprint;
use crate::manifest::{FORMAT, FileEntry, Manifest};
use crate::{Bundle, ModelError};

/// The starts of the names of what can be exchanged. Each goes on with the hash of its file, so that a new
/// one never takes the place of the one that the manifest still names.
pub(crate) const STATISTICS: &str = "statistics-";
pub(crate) const LATENTS: &str = "latents-";
pub(crate) const FLOW: &str = "flow-";

impl Bundle {
    /// The file of that kind, if there is one.
    pub(crate) fn file(&self, kind: &str) -> Option<PathBuf> {
        let mut names = self.manifest.files.keys();
        let name = names.find(|name| name.starts_with(kind))?;
        Some(self.folder.join(name))
    }

    /// Makes a file that was [placed](place) the one of its kind. The manifest that names it is written
    /// first; the old file goes last.
    pub(crate) fn exchange(
        &mut self,
        kind: &str,
        (name, entry): (String, FileEntry),
        change: impl FnOnce(&mut Manifest),
    ) -> Result<(), ModelError> {
        let new = self.folder.join(&name);
        let old = self.file(kind).filter(|old| *old != new);
        let mut manifest = self.manifest.clone();
        manifest.format = FORMAT;
        manifest.files.retain(|name, _| !name.starts_with(kind));
        manifest.files.insert(name, entry);
        change(&mut manifest);
        manifest.write(&self.folder)?;
        self.features = features_fingerprint(&self.folder, &manifest)?;
        self.manifest = manifest;
        if let Some(old) = old {
            let _ = std::fs::remove_file(old);
        }
        Ok(())
    }
}

/// Writes tensors to a file of that kind, named by its hash.
pub(crate) fn place(
    folder: &Path,
    kind: &str,
    tensors: &[StoredTensor],
    metadata: HashMap<String, String>,
) -> Result<(String, FileEntry), ModelError> {
    let written = folder.join(format!(".{kind}{}", std::process::id()));
    save_tensors(&written, tensors, metadata)?;
    let entry = FileEntry::of(&written)?;
    let name = format!("{kind}{}.safetensors", &entry.sha256[..8]);
    rename(&written, &folder.join(&name)).map_err(ModelError::system(folder))?;
    Ok((name, entry))
}

impl FileEntry {
    pub(crate) fn of(path: &Path) -> Result<Self, ModelError> {
        let metadata = std::fs::metadata(path).map_err(ModelError::system(path))?;
        Ok(Self {
            bytes: metadata.len(),
            sha256: sha256_file(path).map_err(ModelError::system(path))?,
        })
    }

    pub(crate) fn check(&self, path: &Path) -> Result<(), ModelError> {
        let changed = |reason: String| ModelError::Changed {
            path: path.to_path_buf(),
            reason,
        };
        let metadata = match std::fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(changed("it is missing".to_string()));
            }
            Err(source) => return Err(ModelError::system(path)(source)),
        };
        let (found, expected) = (metadata.len(), self.bytes);
        if found != expected {
            return Err(changed(format!(
                "it has {found} bytes where the manifest says {expected}"
            )));
        }
        let found = sha256_file(path).map_err(ModelError::system(path))?;
        match found == self.sha256 {
            true => Ok(()),
            false => Err(changed(format!(
                "its SHA-256 is {found} where the manifest says {}",
                self.sha256
            ))),
        }
    }
}
