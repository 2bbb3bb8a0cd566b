//! What may be written, compared with what is read.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use svg_model::Manifest;
use svg_store::{FileId, check_writable, printable_path};

use super::{Outputs, Place};

impl Outputs<'_> {
    /// Whether everything can be written without harm: nothing that is read would be overwritten, no bundle changed,
    /// no device replaced, and no result taken for a picture. Nothing is changed.
    pub fn check(self) -> Result<()> {
        self.files
            .iter()
            .try_for_each(|file| self.check_file(file))?;
        self.folders
            .iter()
            .try_for_each(|folder| self.check_folder(folder))?;
        self.exchanged
            .iter()
            .try_for_each(|folder| self.check_exchanged(folder))?;
        self.check_one_another()?;
        self.files
            .iter()
            .try_for_each(|file| self.check_place(file))
    }

    /// Whether a file can be made, unless its folder is one that is made later.
    fn check_place(&self, file: &Place) -> Result<()> {
        let place = resolved(&file.path);
        let folder = place.parent().unwrap_or(&place);
        let is_made = |made: &Place| resolved(&made.path).starts_with(folder);
        if !folder.exists() && self.folders.iter().any(is_made) {
            return Ok(());
        }
        check_writable(&file.path).with_context(|| format!("{file} cannot be written"))
    }

    fn check_file(&self, file: &Place) -> Result<()> {
        let path = &file.path;
        ensure!(!path.is_dir(), "{file} is a folder; name a file");
        if let Ok(to) = path.read_link() {
            bail!(
                "{file} is a link to {}; name that file itself, or remove the link",
                printable_path(&to)
            );
        }
        if let Some(bundle) = resolved(path).ancestors().skip(1).find(is_bundle) {
            bail!(
                "{file} lies in the bundle {}, whose files belong together; name a file elsewhere",
                printable_path(bundle)
            );
        }
        if let Some(whole) = part_of(path) {
            bail!("{file} is a part of a {whole}; name another file");
        }
        if let Ok(id) = FileId::of(path)
            && let Some(input) = self.input(&id)
        {
            bail!("{file} would overwrite its own input: {input} is the same file; name another");
        }
        Ok(())
    }

    /// The file that is read and is this one.
    fn input(&self, id: &FileId) -> Option<String> {
        let same = |path: &Path| FileId::of(path).is_ok_and(|found| found == *id);
        if let Some(place) = self.inputs.iter().find(|place| same(&place.path)) {
            return Some(place.to_string());
        }
        self.sets.iter().find_map(|(option, set)| {
            let path = set.files().find(|path| same(path))?;
            Some(format!("{option} {}", printable_path(path)))
        })
    }

    fn check_folder(&self, folder: &Place) -> Result<()> {
        let path = &folder.path;
        ensure!(
            path.is_dir() || !path.exists(),
            "{folder} is no folder; name one"
        );
        let place = resolved(path);
        if let Some(bundle) = place.ancestors().find(is_bundle) {
            bail!(
                "{folder} lies in the bundle {}, which is exchanged as a whole; name a folder elsewhere",
                printable_path(bundle)
            );
        }
        let above = place.ancestors().filter_map(|above| FileId::of(above).ok());
        let above: Vec<FileId> = above.collect();
        for searched in &self.searched {
            ensure!(
                !FileId::of(&searched.path).is_ok_and(|id| above.contains(&id)),
                "{folder} lies in {searched}, where the next start would take its files for pictures; name a folder \
                 outside"
            );
        }
        let Ok(id) = FileId::of(path) else {
            return Ok(());
        };
        for (option, set) in &self.sets {
            let mut parents = set.parents().into_iter();
            ensure!(
                !parents.any(|parent| FileId::of(parent).is_ok_and(|parent| parent == id)),
                "{folder} holds pictures of {option}, which results would lie among; name another folder"
            );
        }
        Ok(())
    }

    fn check_exchanged(&self, folder: &Place) -> Result<()> {
        let path = &folder.path;
        if let Ok(to) = path.read_link() {
            bail!(
                "{folder} is a link to {}; name that folder itself, or remove the link",
                printable_path(&to)
            );
        }
        ensure!(
            path.is_dir() || !path.exists(),
            "{folder} is no folder; name one"
        );
        let place = resolved(path);
        if let Some(bundle) = place.ancestors().skip(1).find(is_bundle) {
            bail!(
                "{folder} lies in the bundle {}; name a folder elsewhere",
                printable_path(bundle)
            );
        }
        let inside = |input: &&Place| resolved(&input.path).starts_with(&place);
        if let Some(input) = self.inputs.iter().find(inside) {
            bail!(
                "{input} lies in {folder}, which is replaced; name another folder, or move the file"
            );
        }
        Ok(())
    }

    fn check_one_another(&self) -> Result<()> {
        let all = [&self.files, &self.folders, &self.exchanged];
        let all: Vec<&Place> = all.into_iter().flatten().collect();
        for (index, one) in all.iter().enumerate() {
            let same = |other: &&&Place| resolved(&other.path) == resolved(&one.path);
            if let Some(other) = all[..index].iter().find(same) {
                bail!("{other} and {one} are the same place; name two");
            }
        }
        for file in &self.files {
            let is_picture = file.path.extension().is_some_and(|ending| ending == "png");
            let place = resolved(&file.path);
            let within = |folder: &&Place| place.parent() == Some(&resolved(&folder.path));
            if let Some(folder) = self.folders.iter().find(within).filter(|_| is_picture) {
                bail!("{file} may be the name of a picture in {folder}; name it otherwise");
            }
        }
        Ok(())
    }
}

/// A path without links, as far as it is there.
fn resolved(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let real = absolute.ancestors().find_map(|above| {
        let rest = absolute.strip_prefix(above).ok()?;
        let real = above.canonicalize().ok()?;
        // Nothing more would become a slash, behind which no file is found.
        match rest.as_os_str().is_empty() {
            true => Some(real),
            false => Some(real.join(rest)),
        }
    });
    real.unwrap_or(absolute)
}

fn is_bundle(folder: &&Path) -> bool {
    Manifest::read(folder).is_ok()
}

/// What a file is or would be a part of, by what stands beside it.
fn part_of(path: &Path) -> Option<&'static str> {
    let path = resolved(path);
    let (folder, name) = (path.parent()?, path.file_name()?.to_str()?);
    let beside = |name: &str| folder.join(name).is_file();
    let is_run = || folder.join("checkpoints").is_dir();
    match name {
        // A new file is none of its own, either.
        _ if beside("checkpoint.json") => Some("checkpoint"),
        _ if !path.exists() => None,
        "cache.json" => Some("cache"),
        _ if name.starts_with("shard-") && beside("cache.json") => Some("cache"),
        "config.json" | "steps.csv" if is_run() => Some("run"),
        "demo.json" | "measurements.json" | "timings.json" if beside("demo.json") => {
            Some("demonstration")
        }
        "dataset.json" => Some("data set"),
        _ => None,
    }
}
