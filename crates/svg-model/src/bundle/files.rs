//! How files of a bundle are written, copied, opened and checked.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, ErrorKind, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use svg_store::{PathError, open_file, rename, sha256_file, sha256_open, write_file};

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

/// Every file of a manifest, open, by name; each must be the one that the manifest describes.
pub(super) fn checked(
    folder: &Path,
    manifest: &Manifest,
) -> Result<HashMap<String, File>, ModelError> {
    let mut files = HashMap::new();
    for (part, of) in &manifest.parts {
        for (name, entry) in &of.files {
            files.insert(name.clone(), entry.open(part, &folder.join(name))?);
        }
    }
    Ok(files)
}

/// As [`checked`], of files that this process has just written or checked.
pub(super) fn files_of(
    folder: &Path,
    manifest: &Manifest,
) -> Result<HashMap<String, File>, ModelError> {
    let mut files = HashMap::new();
    for (name, _) in manifest.files() {
        let path = folder.join(name);
        let file = open_file(&path).map_err(PathError::at(&path))?;
        files.insert(name.clone(), file);
    }
    Ok(files)
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

    /// Opens the file of this entry in a part, which must be the one that was written.
    pub(super) fn open(&self, part: &str, path: &Path) -> Result<File, ModelError> {
        let Self { bytes, sha256 } = self;
        let changed = |reason: String| ModelError::Changed {
            path: path.to_path_buf(),
            part: part.to_string(),
            reason,
        };
        let found = match std::fs::metadata(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Err("it is missing".to_string()),
            Err(error) => return Err(PathError::at(path)(error).into()),
            Ok(found) if !found.is_file() => Err("it is no file".to_string()),
            Ok(found) => Ok(found.len()),
        };
        let found = found.map_err(changed)?;
        if found != *bytes {
            let reason = format!("it has {found} bytes where the manifest says {bytes}");
            return Err(changed(reason));
        }
        let file = open_file(path).map_err(PathError::at(path))?;
        let found = sha256_open(&file).map_err(PathError::at(path))?;
        if found != *sha256 {
            let reason = format!("its SHA-256 is {found} where the manifest says {sha256}");
            return Err(changed(reason));
        }
        Ok(file)
    }
}
