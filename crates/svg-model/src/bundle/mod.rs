//! The folder that keeps a model as named parts.

mod exchange;
mod files;
mod latents;
mod manifest;
mod old;
mod open_files;
mod part;

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use svg_nn::TensorFile;
use svg_roles::Geometry;
use svg_store::{Checked, FolderLock};

use self::exchange::{appear, lock};
use self::files::{copy, staged};
pub use self::latents::NewFlow;
pub(crate) use self::latents::misfit;
pub use self::manifest::{FORMAT, Manifest};
use self::open_files::OpenFiles;
pub use self::part::{
    ENCODER, FLOW, FileEntry, LATENTS, NewFile, NewPart, Part, Provenance, SPACE,
};
use crate::{ModelError, svg};

/// A model on disk: a manifest and the files of its parts.
///
/// The parts that this crate's commands know are [`ENCODER`], [`SPACE`], [`LATENTS`] and [`FLOW`]; others
/// are kept. What a part is, its kind says, and a [`Registry`](crate::Registry) opens it.
///
/// Its files stay open, so that it is the bundle that was opened whatever other processes put in its place.
#[derive(Debug)]
pub struct Bundle {
    folder: PathBuf,
    manifest: Manifest,
    /// As it was read: old formats do not say everything.
    found: Manifest,
    files: OpenFiles,
    lock: Option<FolderLock>,
}

impl Bundle {
    /// Writes a bundle. It appears under its name when it is whole, or takes the place of the bundle there in one
    /// moment, while other files of the folder stay.
    ///
    /// # Errors
    ///
    /// [`ModelError::Taken`] and [`ModelError::NothingToReplace`] if the folder exists, is not empty and is not to be
    /// replaced or is no bundle,
    /// [`ModelError::Locked`] if another process changes it, and whatever writing brings.
    pub fn create<'a>(
        folder: &Path,
        parts: impl IntoIterator<Item = (&'a str, NewPart)>,
        replace: bool,
    ) -> Result<Self, ModelError> {
        let manifest = Manifest {
            format: FORMAT,
            parts: Default::default(),
        };
        let parts: Vec<_> = parts.into_iter().collect();
        appear(folder, replace, |aside| staged(aside, manifest, parts))?;
        Self::open(folder)
    }

    /// Opens a bundle and checks every file against the manifest.
    ///
    /// # Errors
    ///
    /// [`ModelError::NotABundle`] and [`ModelError::Manifest`] if the manifest is missing or unusable,
    /// [`ModelError::Changed`] if a file is missing or not the one that was written.
    pub fn open(folder: &Path) -> Result<Self, ModelError> {
        Self::opened(folder, |files| files.check())
    }

    /// As [`open`](Self::open), while hashes of files are still being compared on other threads. No tensors are given
    /// away before that is done for their file; [`check`](Self::check) waits for all.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open), but for a file of which only the hash is another.
    pub fn open_checking(folder: &Path) -> Result<Self, ModelError> {
        Self::opened(folder, |_| Ok(()))
    }

    fn opened(
        folder: &Path,
        check: impl Fn(&OpenFiles) -> Result<(), ModelError>,
    ) -> Result<Self, ModelError> {
        let mut manifest = Manifest::read(folder)?;
        let files = loop {
            let files = OpenFiles::open(folder, &manifest);
            match files.and_then(|files| check(&files).map(|()| files)) {
                Ok(files) => break files,
                Err(error) => {
                    let now = Manifest::read(folder)?;
                    if now == manifest {
                        return Err(error);
                    }
                    // Another process has exchanged it since the manifest was read.
                    manifest = now;
                }
            }
        };
        let mut bundle = Self {
            folder: folder.to_path_buf(),
            found: manifest.clone(),
            manifest,
            files,
            lock: None,
        };
        if bundle.manifest.format < FORMAT {
            let fingerprint = svg::fingerprint(&bundle)?;
            let space = bundle.manifest.parts.entry(SPACE.to_string()).or_default();
            space.fingerprint = Some(fingerprint);
        }
        Ok(bundle)
    }

    /// As [`open`](Self::open), so that no other process can change the bundle until this one is dropped: for work
    /// that takes long and ends in a change.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open), and [`ModelError::Locked`] if another process changes it or is going to.
    pub fn open_to_change(folder: &Path) -> Result<Self, ModelError> {
        Manifest::read(folder)?;
        let lock = lock(folder)?;
        Ok(Self {
            lock: Some(lock),
            ..Self::open(folder)?
        })
    }

    /// Waits until every file is compared with the manifest.
    ///
    /// # Errors
    ///
    /// [`ModelError::Changed`] if one is not the one that was written.
    pub fn check(&self) -> Result<(), ModelError> {
        self.files.check()
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What the folder says of itself.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The part of that name, if there is one.
    pub fn find(&self, name: &str) -> Option<&Part> {
        self.manifest.parts.get(name)
    }

    /// The part of that name.
    ///
    /// # Errors
    ///
    /// [`ModelError::NoFlow`] or [`ModelError::NoLatentStatistics`], which say how to make one, or
    /// [`ModelError::NoPart`].
    pub fn part(&self, name: &str) -> Result<&Part, ModelError> {
        let path = || self.folder.clone();
        self.find(name).ok_or_else(|| match name {
            FLOW => ModelError::NoFlow(path()),
            LATENTS => ModelError::NoLatentStatistics(path()),
            _ => ModelError::NoPart {
                path: path(),
                name: name.to_string(),
            },
        })
    }

    /// Where the file of that stem of a part is, if it has one.
    pub fn file(&self, part: &str, stem: &str) -> Option<PathBuf> {
        let name = self.find(part)?.file(stem)?;
        Some(self.folder.join(name))
    }

    /// The tensors of the file of that stem of a part.
    ///
    /// # Errors
    ///
    /// [`ModelError::Manifest`] if the part lists no such file, [`ModelError::Load`] if it cannot be read,
    /// [`ModelError::Changed`] if it is not the one that was written.
    pub fn tensors(&self, part: &str, stem: &str) -> Result<TensorFile, ModelError> {
        self.open_file(self.file_name(part, stem)?)
    }

    /// What `load` makes of the file of that stem of a part, which may still be compared with the manifest meanwhile:
    /// large weights are on their place when their hash is known.
    ///
    /// # Errors
    ///
    /// As [`tensors`](Self::tensors), and those of `load` if the file is the one that was written.
    pub fn load<T>(
        &self,
        part: &str,
        stem: &str,
        load: impl FnOnce(TensorFile) -> Result<T, ModelError>,
    ) -> Result<T, ModelError> {
        let name = self.file_name(part, stem)?;
        let file = TensorFile::of_safetensors(&self.folder.join(name), self.files.unchecked(name));
        let loaded = file.map_err(ModelError::from).and_then(load);
        self.files.checked(name)?;
        loaded
    }

    fn file_name(&self, part: &str, stem: &str) -> Result<&str, ModelError> {
        let name = self.find(part).and_then(|part| part.file(stem));
        name.ok_or_else(|| self.unusable(part, &format!("it does not list {stem}.safetensors")))
    }

    /// The tensors of the file of that name, as the file was when the bundle was opened.
    ///
    /// # Errors
    ///
    /// [`ModelError::Load`] if it cannot be read, [`ModelError::Changed`] if it is not the one that was written.
    ///
    /// # Panics
    ///
    /// If the manifest lists no such file.
    pub fn open_file(&self, name: &str) -> Result<TensorFile, ModelError> {
        let file = self.files.checked(name)?;
        Ok(TensorFile::of_safetensors(&self.folder.join(name), file)?)
    }

    /// Where the weights are that a part refers to.
    pub fn weights(&self, part: &str) -> Option<PathBuf> {
        // An absolute path replaces the folder.
        let weights = self.find(part)?.weights.as_ref()?;
        Some(self.folder.join(weights))
    }

    /// The hash of everything that the space's features depend on; empty if the space does not say it.
    pub fn features_fingerprint(&self) -> String {
        let space = self.find(SPACE);
        let fingerprint = space.and_then(|space| space.fingerprint.clone());
        fingerprint.unwrap_or_default()
    }

    /// The configuration of a part, every field of which must be known and in its range.
    ///
    /// # Errors
    ///
    /// As [`part`](Self::part), and [`ModelError::Manifest`] with what is missing, not known or outside its range.
    pub fn config<T: DeserializeOwned + Serialize + Checked>(
        &self,
        part: &str,
    ) -> Result<T, ModelError> {
        let config = self.part(part)?.read_config();
        config.map_err(|reason| self.unusable(part, &reason))
    }

    /// How features lie over an image of the size that the bundle was made for.
    ///
    /// # Errors
    ///
    /// [`ModelError::NoPart`] if there is no space, [`ModelError::Manifest`] if it does not say.
    pub fn geometry(&self) -> Result<Geometry, ModelError> {
        let geometry = self.part(SPACE)?.geometry;
        geometry.ok_or_else(|| self.unusable(SPACE, "it says no geometry"))
    }

    /// Why the manifest's entry of a part cannot be used.
    pub fn unusable(&self, part: &str, reason: &str) -> ModelError {
        ModelError::Manifest {
            path: Manifest::path(&self.folder),
            reason: format!("part {part}: {reason}"),
        }
    }

    pub(crate) fn unknown_kind(&self, name: &str, part: &Part, known: String) -> ModelError {
        ModelError::UnknownKind {
            path: self.folder.clone(),
            part: name.to_string(),
            kind: part.kind.clone(),
            known,
        }
    }

    /// Gives the bundle a part, in place of the one of that name.
    ///
    /// # Errors
    ///
    /// As [`exchange`](Self::exchange).
    pub fn set_part(&mut self, name: &str, new: NewPart) -> Result<(), ModelError> {
        self.exchange([(name, new)])
    }

    /// The same bundle in another folder, where it takes the place of a bundle that was there.
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create).
    pub fn copy_to(&self, folder: &Path) -> Result<Self, ModelError> {
        self.copied(folder, &[], vec![])
    }

    /// As [`copy_to`](Self::copy_to), with another part; whole or not at all.
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create).
    pub fn copy_with(&self, folder: &Path, name: &str, new: NewPart) -> Result<Self, ModelError> {
        self.copied(folder, &[name], vec![(name, new)])
    }

    /// As [`copy_to`](Self::copy_to), without a part.
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create).
    pub fn copy_without(&self, folder: &Path, name: &str) -> Result<Self, ModelError> {
        self.copied(folder, &[name], vec![])
    }

    fn copied(
        &self,
        folder: &Path,
        without: &[&str],
        parts: Vec<(&str, NewPart)>,
    ) -> Result<Self, ModelError> {
        let mut manifest = Manifest {
            format: FORMAT,
            ..self.manifest.clone()
        };
        let is_copied = |name: &String| !without.contains(&name.as_str());
        manifest.parts.retain(|name, _| is_copied(name));
        appear(folder, true, |aside| {
            for part in manifest.parts.values_mut() {
                for (name, entry) in std::mem::take(&mut part.files) {
                    let new = entry.name(&name);
                    copy(self.files.checked(&name)?, &aside.join(&new))?;
                    part.renamed(&name, new, entry);
                }
            }
            staged(aside, manifest, parts)
        })?;
        Self::open(folder)
    }
}
