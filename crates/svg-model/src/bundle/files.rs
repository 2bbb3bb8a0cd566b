//! How files of a bundle and whole bundles are written, exchanged and checked.

use std::io::ErrorKind;
use std::path::Path;

use svg_store::{NewFolder, PathError, rename, sha256_file};

use super::Bundle;
use super::manifest::{FORMAT, Manifest};
use super::part::{FileEntry, NewFile, Part};
use crate::ModelError;

impl Bundle {
    /// Changes the entry of a part and exchanges some of its files, as [`set_part`](Self::set_part) does; its
    /// other files stay.
    ///
    /// # Errors
    ///
    /// As [`set_part`](Self::set_part).
    pub fn change_part(
        &mut self,
        name: &str,
        files: Vec<NewFile>,
        change: impl FnOnce(&mut Part),
    ) -> Result<(), ModelError> {
        let mut manifest = self.manifest.clone();
        manifest.format = FORMAT;
        let part = manifest.parts.entry(name.to_string()).or_default();
        let old = part.files.clone();
        change(part);
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
            std::fs::copy(&from, folder.join(name)).map_err(PathError::at(&from))?;
        }
        let manifest = Manifest {
            format: FORMAT,
            ..self.manifest.clone()
        };
        manifest.write(folder)
    }
}

/// Fills a folder under another name beside it, and then gives it its own. A bundle that was there goes
/// last, if it may be replaced; anything else that was there is [`ModelError::Taken`].
pub(super) fn appear(
    folder: &Path,
    replace: bool,
    fill: impl FnOnce(&Path) -> Result<(), ModelError>,
) -> Result<(), ModelError> {
    let occupied = std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
    if occupied && !(replace && Manifest::path(folder).is_file()) {
        return Err(ModelError::Taken(folder.to_path_buf()));
    }
    let new = NewFolder::beside(folder).map_err(PathError::at(folder))?;
    fill(new.path())?;
    Ok(new.replace().map_err(PathError::at(folder))?)
}

/// Writes a file into a folder, whole or not at all, and gives its name and entry.
pub(super) fn place(folder: &Path, file: NewFile) -> Result<(String, FileEntry), ModelError> {
    let written = folder.join(format!(".{}-{}", file.stem, std::process::id()));
    file.save(&written)?;
    let entry = FileEntry::of(&written)?;
    let name = match file.hashed {
        true => format!("{}-{}.safetensors", file.stem, &entry.sha256[..8]),
        false => format!("{}.safetensors", file.stem),
    };
    rename(&written, &folder.join(&name)).map_err(PathError::at(folder))?;
    Ok((name, entry))
}

impl FileEntry {
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

    pub(super) fn check(&self, part: &str, path: &Path) -> Result<(), ModelError> {
        let Self { bytes, sha256 } = self;
        let reason = match Self::of(path) {
            Err(error) if error.source.kind() == ErrorKind::NotFound => "it is missing".to_string(),
            Err(error) => return Err(error.into()),
            Ok(found) if found.bytes != *bytes => {
                let found = found.bytes;
                format!("it has {found} bytes where the manifest says {bytes}")
            }
            Ok(found) if found.sha256 != *sha256 => {
                let found = found.sha256;
                format!("its SHA-256 is {found} where the manifest says {sha256}")
            }
            Ok(_) => return Ok(()),
        };
        Err(ModelError::Changed {
            path: path.to_path_buf(),
            part: part.to_string(),
            reason,
        })
    }
}
