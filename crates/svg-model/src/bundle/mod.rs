//! The folder that keeps a model as named parts.

mod files;
mod latents;
mod manifest;
mod old;
mod part;

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use svg_nn::TensorFile;
use svg_roles::Geometry;
use svg_store::Checked;

use self::files::{appear, place};
pub use self::latents::NewFlow;
pub(crate) use self::latents::misfit;
pub use self::manifest::{FORMAT, Manifest};
pub use self::part::{
    ENCODER, FLOW, FileEntry, LATENTS, NewFile, NewPart, Part, Provenance, SPACE,
};
use crate::{ModelError, svg};

/// A model on disk: a manifest and the files of its parts.
///
/// The parts that this crate's commands know are [`ENCODER`], [`SPACE`], [`LATENTS`] and [`FLOW`]; others
/// are kept. What a part is, its kind says, and a [`Registry`](crate::Registry) opens it.
#[derive(Debug)]
pub struct Bundle {
    folder: PathBuf,
    manifest: Manifest,
}

impl Bundle {
    /// Writes a bundle. It appears under its name when it is whole.
    ///
    /// # Errors
    ///
    /// [`ModelError::Taken`] if the folder exists, is not empty and is not to be replaced, and whatever
    /// writing brings.
    pub fn create<'a>(
        folder: &Path,
        parts: impl IntoIterator<Item = (&'a str, NewPart)>,
        replace: bool,
    ) -> Result<Self, ModelError> {
        appear(folder, replace, |aside| {
            let mut manifest = Manifest {
                format: FORMAT,
                parts: Default::default(),
            };
            for (name, NewPart { mut part, files }) in parts {
                for file in files {
                    part.files.extend([place(aside, file)?]);
                }
                manifest.parts.insert(name.to_string(), part);
            }
            manifest.write(aside)
        })?;
        Self::open(folder)
    }

    /// Opens a bundle and checks every file against the manifest.
    ///
    /// # Errors
    ///
    /// [`ModelError::NotABundle`] and [`ModelError::Manifest`] if the manifest is missing or unusable,
    /// [`ModelError::Changed`] if a file is missing or not the one that was written.
    pub fn open(folder: &Path) -> Result<Self, ModelError> {
        let manifest = Manifest::read(folder)?;
        for (name, part) in &manifest.parts {
            for (file, entry) in &part.files {
                entry.check(name, &folder.join(file))?;
            }
        }
        let folder = folder.to_path_buf();
        let mut bundle = Self { folder, manifest };
        if bundle.manifest.format < FORMAT {
            let fingerprint = svg::fingerprint(&bundle)?;
            let space = bundle.manifest.parts.entry(SPACE.to_string()).or_default();
            space.fingerprint = Some(fingerprint);
        }
        Ok(bundle)
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
    /// [`ModelError::Manifest`] if the part lists no such file, [`ModelError::Load`] if it cannot be read.
    pub fn tensors(&self, part: &str, stem: &str) -> Result<TensorFile, ModelError> {
        match self.file(part, stem) {
            Some(path) => Ok(TensorFile::open(path)?),
            None => Err(self.unusable(part, &format!("it does not list {stem}.safetensors"))),
        }
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
    /// New files are written first, then the manifest that names them; files that nothing names any more go
    /// last.
    ///
    /// # Errors
    ///
    /// [`ModelError::Load`] or [`ModelError::Write`] if a file cannot be written.
    pub fn set_part(&mut self, name: &str, new: NewPart) -> Result<(), ModelError> {
        let NewPart { mut part, files } = new;
        part.files.clear();
        self.change_part(name, files, |place| *place = part)
    }

    /// The same bundle in another folder, where it takes the place of a bundle that was there.
    ///
    /// # Errors
    ///
    /// [`ModelError::Taken`] if something else is there, and whatever copying brings.
    pub fn copy_to(&self, folder: &Path) -> Result<Self, ModelError> {
        appear(folder, true, |aside| self.copy_files(aside))?;
        Self::open(folder)
    }

    /// As [`copy_to`](Self::copy_to), with another part; whole or not at all.
    ///
    /// # Errors
    ///
    /// As [`copy_to`](Self::copy_to) and [`set_part`](Self::set_part).
    pub fn copy_with(&self, folder: &Path, name: &str, new: NewPart) -> Result<Self, ModelError> {
        appear(folder, true, |aside| {
            self.copy_files(aside)?;
            Self::open(aside)?.set_part(name, new)
        })?;
        Self::open(folder)
    }
}
