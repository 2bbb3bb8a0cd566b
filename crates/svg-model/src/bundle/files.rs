//! How files of a bundle are written, named and copied.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use svg_store::{PathError, rename, sha256_file, write_file};

use super::manifest::Manifest;
use super::part::{FileEntry, NewFile, NewPart, Part};
use crate::ModelError;

/// Writes the files of new parts into a folder, and gives the manifest with these parts in place of those of their
/// names.
pub(super) fn staged(
    folder: &Path,
    mut manifest: Manifest,
    parts: Vec<(&str, NewPart)>,
) -> Result<Manifest, ModelError> {
    for (name, NewPart { mut part, files }) in parts {
        let old = manifest.parts.get(name);
        let is_there = |name: &String, entry: &FileEntry| {
            old.is_some_and(|old| old.files.get(name) == Some(entry))
        };
        part.files.retain(|name, entry| is_there(name, entry));
        for file in files {
            let stem = &file.stem;
            part.files.retain(|name, _| !NewFile::replaces(stem, name));
            let plain = format!("{stem}.safetensors");
            let written = folder.join(&plain);
            file.save(&written)?;
            let entry = FileEntry::of(&written)?;
            let name = entry.name(&plain);
            rename(&written, &folder.join(&name)).map_err(PathError::at(folder))?;
            part.renamed(&plain, name, entry);
        }
        manifest.parts.insert(name.to_string(), part);
    }
    Ok(manifest)
}

/// Copies an open file from its beginning, whole or not at all.
pub(super) fn copy(mut from: &File, to: &Path) -> Result<(), ModelError> {
    Ok(write_file(to, |out| {
        from.seek(SeekFrom::Start(0))?;
        io::copy(&mut from, out).map(|_| ())
    })?)
}

impl Part {
    /// Adds a file that was called `name` before and now is `new`.
    pub(super) fn renamed(&mut self, name: &str, new: String, entry: FileEntry) {
        if self.weights.as_deref() == Some(Path::new(name)) {
            self.weights = Some(PathBuf::from(&new));
        }
        self.files.insert(new, entry);
    }
}

impl FileEntry {
    /// The name of a file that is written now: `<stem>-<hash>.safetensors`, where earlier versions left out some
    /// hashes.
    pub(super) fn name(&self, name: &str) -> String {
        let stem = name.strip_suffix(".safetensors").unwrap_or(name);
        let hash = self.sha256.get(..8).unwrap_or(&self.sha256);
        match stem.rsplit_once('-') {
            Some((_, end)) if end == hash => name.to_string(),
            _ => format!("{stem}-{hash}.safetensors"),
        }
    }

    /// The entry of a file as it is.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub fn of(path: &Path) -> Result<Self, PathError> {
        let metadata = std::fs::metadata(path).map_err(PathError::at(path))?;
        Ok(Self {
            bytes: metadata.len(),
            sha256: sha256_file(path).map_err(PathError::at(path))?,
        })
    }
}
