//! What a command writes, compared with what it reads before anything is written.

mod check;

use std::borrow::Borrow;
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use svg_image::ImageSet;
use svg_model::Manifest;
use svg_nn::TensorFile;
use svg_store::{FolderLock, check_takes_files, printable_path};

/// The places that a command writes to and those that it reads, by the options that name them.
///
/// Files are compared by what they are on disk, so that neither a link nor another spelling of a path hides that two
/// are the same.
#[derive(Default)]
pub struct Outputs<'a> {
    files: Vec<Place>,
    folders: Vec<Place>,
    exchanged: Vec<Place>,
    inputs: Vec<Place>,
    /// Folders in which pictures are looked for.
    searched: Vec<Place>,
    sets: Vec<(&'static str, &'a ImageSet)>,
}

struct Place {
    option: &'static str,
    path: PathBuf,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.option, printable_path(&self.path))
    }
}

/// Places that an option names.
fn places(
    option: &'static str,
    paths: impl IntoIterator<Item: Borrow<PathBuf>>,
) -> impl Iterator<Item = Place> {
    paths.into_iter().map(move |path| Place {
        option,
        path: path.borrow().clone(),
    })
}

impl<'a> Outputs<'a> {
    /// A file to write, which takes the place of one that is there.
    pub fn file(
        mut self,
        option: &'static str,
        paths: impl IntoIterator<Item: Borrow<PathBuf>>,
    ) -> Self {
        self.files.extend(places(option, paths));
        self
    }

    /// A folder to write files into, pictures perhaps.
    pub fn folder(
        mut self,
        option: &'static str,
        paths: impl IntoIterator<Item: Borrow<PathBuf>>,
    ) -> Self {
        self.folders.extend(places(option, paths));
        self
    }

    /// A folder that is exchanged as a whole if it is there.
    pub fn exchanged(
        mut self,
        option: &'static str,
        paths: impl IntoIterator<Item: Borrow<PathBuf>>,
    ) -> Self {
        self.exchanged.extend(places(option, paths));
        self
    }

    /// Weights or another file that is read, or a folder of weights, with what stands beside them.
    pub fn reads(
        mut self,
        option: &'static str,
        paths: impl IntoIterator<Item: Borrow<PathBuf>>,
    ) -> Self {
        for place in places(option, paths) {
            self.inputs
                .extend(places(option, TensorFile::files(&place.path)));
        }
        self
    }

    /// A bundle that is read, with the weights that it refers to.
    pub fn bundle(
        mut self,
        option: &'static str,
        folders: impl IntoIterator<Item: Borrow<PathBuf>>,
    ) -> Self {
        for Place { path: folder, .. } in places(option, folders) {
            let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
            let entries = entries.map(|entry| entry.path());
            self.inputs.extend(places(option, entries));
            let parts = Manifest::read(&folder).map(|manifest| manifest.parts);
            let parts = parts.unwrap_or_default().into_values();
            let weights = parts.filter_map(|part| Some(folder.join(part.weights?)));
            self = self.reads(option, weights);
        }
        self
    }

    /// Pictures that are read.
    pub fn pictures(
        mut self,
        option: &'static str,
        sets: impl IntoIterator<Item = &'a ImageSet>,
    ) -> Self {
        for set in sets {
            self = self.searched(option, set.folders());
            self.sets.push((option, set));
        }
        self
    }

    /// Folders in which pictures are looked for, at this start and at later ones.
    pub fn searched(
        mut self,
        option: &'static str,
        paths: impl IntoIterator<Item: Borrow<PathBuf>>,
    ) -> Self {
        self.searched.extend(places(option, paths));
        self
    }
}

/// Makes a folder for results, if it is not there, and sees whether it takes files.
pub fn make_folder(path: &Path, option: &str) -> Result<()> {
    let failed = || format!("{option} {} cannot be made", printable_path(path));
    std::fs::create_dir_all(path).with_context(failed)?;
    let failed = || format!("{option} {} takes no files", printable_path(path));
    check_takes_files(path).with_context(failed)
}

/// [`make_folder`] for files of one command: another that would write into the folder is refused until the lock is
/// dropped.
pub fn hold_folder(path: &Path, option: &str) -> Result<FolderLock> {
    make_folder(path, option)?;
    Ok(FolderLock::acquire(path, "writes into")?)
}

#[cfg(test)]
mod tests;
