//! How files of a bundle are written, exchanged and checked.

use std::path::Path;

use svg_nn::save_tensors;
use svg_store::{rename, sha256_file};

use super::Bundle;
use super::manifest::{FORMAT, Manifest};
use super::part::{FileEntry, NewFile, Part};
use crate::ModelError;

impl Bundle {
    /// Puts files and a changed entry into the place of a part's; of its old files those of the same stems
    /// go, or `all` that are not named any more.
    pub(super) fn exchange(
        &mut self,
        name: &str,
        files: Vec<NewFile>,
        change: impl FnOnce(&mut Part),
        all: bool,
    ) -> Result<(), ModelError> {
        let mut manifest = self.manifest.clone();
        manifest.format = FORMAT;
        let part = manifest.parts.entry(name.to_string()).or_default();
        let old = part.files.clone();
        change(part);
        if all {
            part.files.clear();
        }
        for file in files {
            let stem = file.stem.clone();
            let placed = place(&self.folder, file)?;
            part.files.retain(|name, _| !NewFile::replaces(&stem, name));
            part.files.extend([placed]);
        }
        let gone = old.keys().filter(|name| !part.files.contains_key(*name));
        let gone: Vec<_> = gone.cloned().collect();
        manifest.write(&self.folder)?;
        self.manifest = manifest;
        for name in gone {
            // Nothing names it any more: what cannot be removed is only in the way.
            let _ = std::fs::remove_file(self.folder.join(name));
        }
        Ok(())
    }

    pub(super) fn copy_files(&self, folder: &Path) -> Result<(), ModelError> {
        for (name, _) in self.manifest.files() {
            let from = self.folder.join(name);
            std::fs::copy(&from, folder.join(name)).map_err(ModelError::system(&from))?;
        }
        let manifest = Manifest {
            format: FORMAT,
            ..self.manifest.clone()
        };
        manifest.write(folder)
    }
}

/// Writes a file into a folder, whole or not at all, and gives its name and entry.
pub(super) fn place(folder: &Path, file: NewFile) -> Result<(String, FileEntry), ModelError> {
    let NewFile {
        stem,
        tensors,
        metadata,
        hashed,
    } = file;
    if !hashed {
        let name = format!("{stem}.safetensors");
        let path = folder.join(&name);
        save_tensors(&path, &tensors, metadata)?;
        return Ok((name, FileEntry::of(&path)?));
    }
    let written = folder.join(format!(".{stem}-{}", std::process::id()));
    save_tensors(&written, &tensors, metadata)?;
    let entry = FileEntry::of(&written)?;
    let name = format!("{stem}-{}.safetensors", &entry.sha256[..8]);
    rename(&written, &folder.join(&name)).map_err(ModelError::system(folder))?;
    Ok((name, entry))
}

impl FileEntry {
    /// The entry of a file as it is.
    ///
    /// # Errors
    ///
    /// [`ModelError::System`] if it cannot be read.
    pub fn of(path: &Path) -> Result<Self, ModelError> {
        let metadata = std::fs::metadata(path).map_err(ModelError::system(path))?;
        Ok(Self {
            bytes: metadata.len(),
            sha256: sha256_file(path).map_err(ModelError::system(path))?,
        })
    }

    pub(super) fn check(&self, part: &str, path: &Path) -> Result<(), ModelError> {
        let changed = |reason: String| ModelError::Changed {
            path: path.to_path_buf(),
            part: part.to_string(),
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
