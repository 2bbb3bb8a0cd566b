//! How parts and whole bundles take the place of others, one process at a time.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use svg_store::{
    FolderLock, NewFolder, PathError, plain_json, read_if_there, remove_unfinished, rename,
    write_json,
};

use super::Bundle;
use super::files::staged;
use super::manifest::{FORMAT, Manifest};
use super::open_files::OpenFiles;
use super::part::{ENCODER, FLOW, LATENTS, NewPart, SPACE};
use crate::{ModelError, svg};

/// The file with the names of those that an exchange brings or takes away, for as long as it lasts.
const JOURNAL: &str = ".exchange.json";

/// The parts, each of which stands on those before it.
const ORDER: [&str; 4] = [ENCODER, SPACE, LATENTS, FLOW];

/// Stems of files that earlier versions wrote as `.<stem>-<process>`.
const STEMS: [&str; 6] = [
    ENCODER,
    LATENTS,
    FLOW,
    svg::AUTOENCODER,
    svg::STATISTICS,
    svg::TRAINING,
];

impl Bundle {
    /// Exchanges parts, all at one moment: readers see the old ones or the new ones.
    ///
    /// New files are written first, then the manifest that names them; files that nothing names any more go last.
    /// Files of the old part that the new part lists stay.
    ///
    /// Parts that other processes have changed since this was opened stay changed, unless one of the new parts stands on
    /// them. Of encoder, space, latents and flow, each stands on those before it; a part that keeps files also stands
    /// on itself, and a part of another name on all.
    ///
    /// # Errors
    ///
    /// [`ModelError::Locked`] if another process changes the bundle, [`ModelError::Exchanged`] if one has changed what
    /// a part stands on, [`ModelError::Load`] or [`ModelError::Write`] if a file cannot be written. The bundle is as
    /// it was then.
    pub fn exchange<'a>(
        &mut self,
        parts: impl IntoIterator<Item = (&'a str, NewPart)>,
    ) -> Result<(), ModelError> {
        let parts: Vec<_> = parts.into_iter().collect();
        let _lock = match &self.lock {
            Some(held) if held.is_in_place() => None,
            _ => Some(lock(&self.folder)?),
        };
        let mut manifest = Manifest::read(&self.folder)?;
        let stood_on = |name: &str| {
            let new = parts.iter().find(|(part, _)| *part == name);
            match new {
                Some((_, new)) => !new.part.files.is_empty(),
                None if name == SPACE && manifest.format < FORMAT => true,
                None => parts.iter().any(|(part, _)| stands_on(part, name)),
            }
        };
        let mut changed = self.changed_parts(&manifest);
        changed.retain(|name| stood_on(name));
        if !changed.is_empty() {
            return Err(self.exchanged(&changed));
        }
        if manifest.format < FORMAT {
            // What old formats do not store, opening has worked out.
            let space = self.find(SPACE).cloned();
            manifest
                .parts
                .extend(space.map(|space| (SPACE.to_string(), space)));
            manifest.format = FORMAT;
        }
        self.manifest = exchange(&self.folder, |aside| staged(aside, manifest, parts))?;
        self.found = self.manifest.clone();
        self.files = OpenFiles::trusted(&self.folder, &self.manifest)?;
        Ok(())
    }

    /// What to say to a reader that misses something: that another process has changed the bundle since it was
    /// opened. `None` if it is as it was.
    pub(crate) fn changed_since(&self) -> Option<ModelError> {
        let changed = self.changed_parts(&Manifest::read(&self.folder).ok()?);
        (!changed.is_empty()).then(|| self.exchanged(&changed))
    }

    fn changed_parts(&self, now: &Manifest) -> Vec<String> {
        let found = &self.found;
        let names: BTreeSet<_> = found.parts.keys().chain(now.parts.keys()).collect();
        let differs = |name: &&String| found.parts.get(*name) != now.parts.get(*name);
        names.into_iter().filter(differs).cloned().collect()
    }

    fn exchanged(&self, changed: &[String]) -> ModelError {
        ModelError::Exchanged {
            path: self.folder.clone(),
            parts: changed.join(", "),
        }
    }
}

fn stands_on(part: &str, other: &str) -> bool {
    let place = ORDER.iter().position(|name| *name == part);
    place.is_none_or(|place| ORDER[..place].contains(&other))
}

/// Locks a bundle against changes by other processes, and removes what killed ones have left in it.
pub(super) fn lock(folder: &Path) -> Result<FolderLock, ModelError> {
    let lock = FolderLock::acquire(folder, "changes")?;
    clear(folder).map_err(PathError::at(folder))?;
    Ok(lock)
}

/// Makes a bundle: `fill` writes its files into a folder and says its manifest.
///
/// Where there is nothing, it grows under another name and then gets its own. Where there is a bundle that may be
/// replaced, its files and its manifest are exchanged; other files in the folder stay. Anything else that was there is
/// [`ModelError::Taken`] or [`ModelError::NothingToReplace`].
pub(super) fn appear(
    folder: &Path,
    replace: bool,
    fill: impl FnOnce(&Path) -> Result<Manifest, ModelError>,
) -> Result<(), ModelError> {
    if replace && Manifest::path(folder).is_file() {
        let _lock = lock(folder)?;
        exchange(folder, fill)?;
        return Ok(());
    }
    let is_occupied = || fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
    let taken = || match replace {
        true => ModelError::NothingToReplace(folder.to_path_buf()),
        false => ModelError::Taken(folder.to_path_buf()),
    };
    if is_occupied() {
        return Err(taken());
    }
    let new = NewFolder::beside(folder).map_err(PathError::at(folder))?;
    fill(new.path())?.write(new.path())?;
    new.commit().map_err(|error| match is_occupied() {
        // Another process was faster.
        true => taken(),
        false => PathError::at(folder)(error).into(),
    })
}

/// Exchanges files and manifest of a locked bundle. Returns the new manifest, as `fill` says it.
fn exchange(
    folder: &Path,
    fill: impl FnOnce(&Path) -> Result<Manifest, ModelError>,
) -> Result<Manifest, ModelError> {
    let aside = NewFolder::beside(&folder.join("parts")).map_err(PathError::at(folder))?;
    let manifest = fill(aside.path())?;
    let published = publish(folder, aside.path(), &manifest);
    // After an error these are the new files. What cannot be removed now is removed by the next change.
    let _ = clear(folder);
    published.map(|()| manifest)
}

fn publish(folder: &Path, aside: &Path, manifest: &Manifest) -> Result<(), ModelError> {
    let mut new = Vec::new();
    for entry in fs::read_dir(aside).map_err(PathError::at(aside))? {
        let name = entry.map_err(PathError::at(aside))?.file_name();
        new.push(name.to_string_lossy().into_owned());
    }
    let old = Manifest::read(folder).ok();
    let old = old.iter().flat_map(Manifest::files);
    let all: BTreeSet<_> = old.map(|(name, _)| name).chain(&new).collect();
    write_json(folder.join(JOURNAL), &all)?;
    for name in &new {
        let place = folder.join(name);
        rename(&aside.join(name), &place).map_err(PathError::at(&place))?;
    }
    manifest.write(folder)
}

/// Removes what killed processes have left in a locked bundle, and nothing else.
fn clear(folder: &Path) -> std::io::Result<()> {
    remove_unfinished(folder)?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if is_old_temporary(&entry.file_name().to_string_lossy()) && entry.file_type()?.is_file() {
            fs::remove_file(entry.path())?;
        }
    }
    let journal = folder.join(JOURNAL);
    let (Ok(manifest), Some(text)) = (Manifest::read(folder), read_if_there(&journal)?) else {
        return Ok(());
    };
    let names: BTreeSet<String> = plain_json(&text).unwrap_or_default();
    let named = |name: &str| manifest.files().any(|(file, _)| file == name);
    // A bundle may come from anywhere, and so may its journal.
    let is_file = |name: &str| {
        name.ends_with(".safetensors") && Path::new(name).file_name() == Some(name.as_ref())
    };
    for name in names.iter().filter(|name| is_file(name) && !named(name)) {
        match fs::remove_file(folder.join(name)) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    fs::remove_file(journal)
}

fn is_old_temporary(name: &str) -> bool {
    let parts = name
        .strip_prefix('.')
        .and_then(|name| name.rsplit_once('-'));
    parts.is_some_and(|(stem, process)| {
        STEMS.contains(&stem) && process.parse::<u32>().is_ok() && !process.starts_with('+')
    })
}
