//! What is given changed inputs: every reader of the workspace.

mod bundles;
mod caches;
mod documents;
mod npz;
mod pictures;
mod program;
mod runs;
mod selftest;
mod sets;
mod tensors;

use anyhow::{Context as _, Result};

use crate::input::{Input, Seed};
use crate::verdict::Verdict;
use crate::world::World;

/// A reader, and the files that it is given.
pub struct Target {
    pub name: &'static str,
    /// What is read.
    pub about: &'static str,
    /// Its part of all inputs, relative to the others.
    pub share: u64,
    /// The files that are changed.
    pub seeds: fn(&World) -> Result<Vec<Seed>>,
    /// Whether these are files that the program makes, and not those of the repository alone.
    pub made: bool,
    /// Whether reading changes what is beside the input, so that each input needs a copy.
    pub anew: bool,
    pub check: fn(&Input, &World) -> Verdict,
}

/// All targets; the last ones show that faults are found and have no share.
pub fn all() -> Vec<Target> {
    let groups = [
        pictures::targets(),
        sets::targets(),
        npz::targets(),
        tensors::targets(),
        documents::targets(),
        bundles::targets(),
        runs::targets(),
        caches::targets(),
        program::targets(),
        selftest::targets(),
    ];
    groups.into_iter().flatten().collect()
}

/// The target of that name.
pub fn find(name: &str) -> Result<Target> {
    let mut all = all().into_iter();
    all.find(|target| target.name == name)
        .with_context(|| format!("{name} is no target; `svg-fuzz targets` lists them"))
}
