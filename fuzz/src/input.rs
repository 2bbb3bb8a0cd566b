//! One input of a target: a file of the seeds, changed, in its place.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use svg_store::{Random, sha256};

use crate::{container, document, mutation};

/// The first word of the keys of all random numbers here.
const PURPOSE: u64 = u64::from_le_bytes(*b"mutation");
/// Largest file that is a seed.
const LARGEST: u64 = 4 << 20;

/// A file that is changed, and what a reader is then given.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seed {
    /// The file or folder that is opened.
    pub place: PathBuf,
    /// The file in it that is changed; empty if `place` is that file.
    pub file: PathBuf,
}

impl Seed {
    /// A file that is opened as it is.
    pub fn file(path: PathBuf) -> Self {
        Self {
            place: path,
            file: PathBuf::new(),
        }
    }

    /// Every file of a folder and below, of which one is changed.
    pub fn folder(place: &Path) -> Result<Vec<Self>> {
        let mut files = Vec::new();
        gather(place, &mut files)?;
        let seed = |file: PathBuf| Self {
            place: place.to_path_buf(),
            file: file.strip_prefix(place).unwrap_or(&file).to_path_buf(),
        };
        Ok(files.into_iter().map(seed).collect())
    }

    /// Every file of a folder and below by itself, if its ending is one of these.
    pub fn files(folder: &Path, endings: &[&str]) -> Result<Vec<Self>> {
        let mut files = Vec::new();
        gather(folder, &mut files)?;
        let wanted = |file: &PathBuf| {
            let ending = file.extension().and_then(|ending| ending.to_str());
            ending.is_some_and(|ending| endings.contains(&ending))
        };
        files.retain(wanted);
        Ok(files.into_iter().map(Self::file).collect())
    }

    /// The file that is changed, where the place or a copy of it is.
    fn path_in(&self, place: &Path) -> PathBuf {
        match self.file.as_os_str().is_empty() {
            true => place.to_path_buf(),
            false => place.join(&self.file),
        }
    }
}

/// Files of a folder and below that are small enough, but for locks.
fn gather(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    for entry in entries {
        let entry = entry?;
        let path = entry.path();
        if path.is_dir() {
            gather(&path, files)?;
        } else if entry.file_name() != ".lock" && entry.metadata()?.len() <= LARGEST {
            files.push(path);
        }
    }
    files.sort();
    Ok(())
}

/// The seeds of a target with their bytes.
pub struct Seeds(Vec<(Seed, Vec<u8>)>);

/// A changed file.
pub struct Changed {
    /// Of which seed, by number.
    pub seed: usize,
    pub bytes: Vec<u8>,
}

impl Seeds {
    pub fn read(mut seeds: Vec<Seed>, target: &str) -> Result<Self> {
        ensure!(!seeds.is_empty(), "{target} has no seeds");
        // The number of an input leads to the same seed on every file system.
        seeds.sort();
        let read = |seed: Seed| {
            let path = seed.path_in(&seed.place);
            let bytes = fs::read(&path).with_context(|| path.display().to_string())?;
            Ok((seed, bytes))
        };
        Ok(Self(seeds.into_iter().map(read).collect::<Result<_>>()?))
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn seed(&self, number: usize) -> &Seed {
        &self.0[number].0
    }

    pub fn bytes(&self, number: usize) -> &[u8] {
        &self.0[number].1
    }

    /// Input `number` of a target: a function of these seeds, the names and the two numbers.
    pub fn input(&self, target: &str, seed: u64, number: u64) -> Changed {
        let name = sha256(target);
        let name = u64::from_str_radix(&name[..16], 16).unwrap_or(0);
        let mut random = Random::keyed([PURPOSE, name, seed, number]);
        let chosen = random.below(self.len() as u64) as usize;
        let other = random.below(self.len() as u64) as usize;
        let bytes = changed(self.bytes(chosen), self.bytes(other), &mut random);
        Changed {
            seed: chosen,
            bytes,
        }
    }
}

/// A document or a file of tensors is changed as such in two of three inputs, and by its bytes in the third; sums are
/// put right in half of the inputs.
fn changed(bytes: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    let as_such =
        match random.below(3) {
            0 => None,
            1 => document::mutated(bytes, random)
                .or_else(|| container::with_other_header(bytes, random)),
            _ => document::mutated(bytes, random)
                .or_else(|| container::with_other_shape(bytes, random)),
        };
    let mut out = as_such.unwrap_or_else(|| mutation::mutated(bytes.to_vec(), other, random));
    if random.below(2) == 0 {
        container::repair(&mut out);
    }
    out
}

/// A copy of a target's seeds in a folder of one's own, where inputs take the place of their files.
pub struct Bench {
    folder: PathBuf,
    /// The copy of each place.
    places: BTreeMap<PathBuf, PathBuf>,
}

/// An input in its place.
pub struct Input {
    /// The file or folder that is opened.
    pub place: PathBuf,
    /// The file that was changed.
    pub file: PathBuf,
    /// The name of that file within the place; empty if it is the place.
    pub name: PathBuf,
    /// Whether the bytes are those of the seed after all; for JSON, whether the values are.
    pub same: bool,
}

impl Bench {
    /// Copies every place once, under a number and its own name.
    pub fn new(seeds: &Seeds, folder: &Path) -> Result<Self> {
        let mut places = BTreeMap::new();
        for number in 0..seeds.len() {
            let place = &seeds.seed(number).place;
            if !places.contains_key(place) {
                let to = folder.join(number.to_string()).join(name(place)?);
                copy(place, &to)?;
                places.insert(place.clone(), to);
            }
        }
        Ok(Self {
            folder: folder.to_path_buf(),
            places,
        })
    }

    /// Puts an input into its place, calls `check`, and puts the seed back. `anew` is for what `check` changes:
    /// everything then happens to another copy.
    pub fn with<T>(
        &self,
        seeds: &Seeds,
        changed: &Changed,
        anew: bool,
        check: impl FnOnce(&Input) -> T,
    ) -> Result<T> {
        let (seed, original) = (seeds.seed(changed.seed), seeds.bytes(changed.seed));
        let mut place = self.places[&seed.place].clone();
        let once = self.folder.join("once");
        if anew {
            let _ = fs::remove_dir_all(&once);
            let copied = once.join(name(&place)?);
            copy(&place, &copied)?;
            place = copied;
        }
        let input = Input {
            file: seed.path_in(&place),
            name: seed.file.clone(),
            same: same(original, &changed.bytes),
            place,
        };
        replace(&input.file, &changed.bytes)?;
        let checked = check(&input);
        if !anew {
            replace(&input.file, original)?;
        }
        Ok(checked)
    }
}

fn name(place: &Path) -> Result<&OsStr> {
    place.file_name().context("a place has a name")
}

/// A new file in place of one that may be mapped.
fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let _ = fs::remove_file(path);
    fs::write(path, bytes).with_context(|| path.display().to_string())
}

fn same(original: &[u8], changed: &[u8]) -> bool {
    let value = |bytes| serde_json::from_slice::<serde_json::Value>(bytes).ok();
    original == changed || value(original).is_some_and(|original| value(changed) == Some(original))
}

/// Copies a file, or a folder with everything below.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    let failed = || format!("{} to {}", from.display(), to.display());
    if from.is_dir() {
        fs::create_dir_all(to).with_context(failed)?;
        for entry in fs::read_dir(from).with_context(failed)? {
            let entry = entry?;
            copy(&entry.path(), &to.join(entry.file_name()))?;
        }
        return Ok(());
    }
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent).with_context(failed)?;
    }
    fs::copy(from, to).with_context(failed)?;
    Ok(())
}
