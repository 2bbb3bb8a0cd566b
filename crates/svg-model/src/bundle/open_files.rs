//! The open files of a bundle, and whether they are those that were written.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use svg_store::{PathError, open_file, sha256_open};

use super::manifest::Manifest;
use super::part::FileEntry;
use crate::ModelError;

/// Every file of a manifest by name, open. Hashes are compared on other threads.
#[derive(Debug)]
pub(super) struct OpenFiles(BTreeMap<String, OpenFile>);

/// One file. Nobody may seek in it before its hash is compared.
#[derive(Debug)]
pub(super) struct OpenFile {
    file: File,
    path: PathBuf,
    part: String,
    check: Mutex<Check>,
}

#[derive(Debug)]
enum Check {
    Running(JoinHandle<io::Result<String>>, String),
    /// With what is wrong, if something is.
    Done(Result<(), String>),
}

impl OpenFiles {
    /// Opens every file of a manifest, each of which must have its size, and begins to compare their hashes.
    pub fn open(folder: &Path, manifest: &Manifest) -> Result<Self, ModelError> {
        let mut files = BTreeMap::new();
        for (part, of) in &manifest.parts {
            for (name, entry) in &of.files {
                files.insert(
                    name.clone(),
                    OpenFile::open(part, &folder.join(name), entry)?,
                );
            }
        }
        Ok(Self(files))
    }

    /// As [`open`](Self::open), of files that this process has just written or checked.
    pub fn trusted(folder: &Path, manifest: &Manifest) -> Result<Self, ModelError> {
        let mut files = BTreeMap::new();
        for (part, of) in &manifest.parts {
            for name in of.files.keys() {
                let path = folder.join(name);
                let file = open_file(&path).map_err(PathError::at(&path))?;
                files.insert(
                    name.clone(),
                    OpenFile {
                        file,
                        path,
                        part: part.clone(),
                        check: Mutex::new(Check::Done(Ok(()))),
                    },
                );
            }
        }
        Ok(Self(files))
    }

    /// The file of that name, whose hash may not be compared yet.
    ///
    /// # Panics
    ///
    /// If the manifest has no such file.
    pub fn unchecked(&self, name: &str) -> &File {
        &self.named(name).file
    }

    /// The file of that name, which is the one that was written.
    ///
    /// # Panics
    ///
    /// If the manifest has no such file.
    pub fn checked(&self, name: &str) -> Result<&File, ModelError> {
        let found = self.named(name);
        found.check()?;
        Ok(&found.file)
    }

    /// Waits until all hashes are compared.
    pub fn check(&self) -> Result<(), ModelError> {
        self.0.values().try_for_each(OpenFile::check)
    }

    fn named(&self, name: &str) -> &OpenFile {
        self.0.get(name).expect("a file of the manifest")
    }
}

impl OpenFile {
    /// Opens the file of an entry, which must have its size, and begins to compare its hash.
    pub fn open(part: &str, path: &Path, entry: &FileEntry) -> Result<Self, ModelError> {
        let FileEntry { bytes, sha256 } = entry;
        let found = match std::fs::metadata(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Err("it is missing".to_string()),
            Err(error) => return Err(PathError::at(path)(error).into()),
            Ok(found) if !found.is_file() => Err("it is no file".to_string()),
            Ok(found) if found.len() != *bytes => Err(format!(
                "it has {} bytes where the manifest says {bytes}",
                found.len()
            )),
            Ok(_) => Ok(()),
        };
        found.map_err(|reason| changed(path, part, reason))?;
        let file = open_file(path).map_err(PathError::at(path))?;
        let other = file.try_clone().map_err(PathError::at(path))?;
        let hash = thread::spawn(move || sha256_open(&other));
        Ok(Self {
            file,
            path: path.to_path_buf(),
            part: part.to_string(),
            check: Mutex::new(Check::Running(hash, sha256.clone())),
        })
    }

    /// Waits until the hash is compared.
    pub fn check(&self) -> Result<(), ModelError> {
        let mut check = self.check.lock().unwrap_or_else(PoisonError::into_inner);
        // What stands there if the thread panicked.
        let unfinished = Check::Done(Err("its SHA-256 could not be computed".to_string()));
        *check = match std::mem::replace(&mut *check, unfinished) {
            Check::Running(hash, expected) => Check::Done(match hash.join() {
                Ok(Ok(found)) if found == expected => Ok(()),
                Ok(Ok(found)) => Err(format!(
                    "its SHA-256 is {found} where the manifest says {expected}"
                )),
                Ok(Err(error)) => Err(format!("it cannot be read: {error}")),
                Err(_) => Err("its SHA-256 could not be computed".to_string()),
            }),
            done => done,
        };
        match &*check {
            Check::Done(Err(reason)) => Err(changed(&self.path, &self.part, reason.clone())),
            _ => Ok(()),
        }
    }
}

fn changed(path: &Path, part: &str, reason: String) -> ModelError {
    ModelError::Changed {
        path: path.to_path_buf(),
        part: part.to_string(),
        reason,
    }
}
