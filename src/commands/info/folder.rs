//! What a folder holds.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::Value;
use svg_model::Manifest;
use svg_nn::LoadError;
use svg_store::{listed, plain_json, sha256_file, unsealed_json};
use svg_train::cache::{CacheIndex, LatentCache};

use super::{Look, bundle, document, grouped, numbers, pictures, weights};
use crate::causes::in_words;

/// Says what a folder holds.
pub fn describe(path: &Path, look: &mut Look) -> Result<()> {
    if Manifest::path(path).is_file() {
        return bundle::describe(path, look);
    }
    if path.join("cache.json").is_file() {
        return cache(path, look);
    }
    if path.join(PAGE).is_file() {
        return checkpoint(path, look);
    }
    if path.join("checkpoints").is_dir() {
        return run(path, look);
    }
    if path.join("demo.json").is_file() {
        look.row("container", "folder of `svg demo`")?;
        return look.row(
            "problems",
            "none looked for; name its bundle or one of its runs",
        );
    }
    let error = match weights::describe(path, look) {
        Ok(()) => return Ok(()),
        Err(error) => error,
    };
    // Otherwise there are weights, and something is wrong with them.
    let is_other = matches!(error.downcast_ref(), Some(LoadError::Ambiguous { .. }));
    match is_other && pictures(path, look).is_ok() {
        true => Ok(()),
        false if is_other => Err(error.context(there(path)?)),
        false => Err(error),
    }
}

/// The names in a folder, for an error.
fn there(path: &Path) -> Result<String> {
    let entries = std::fs::read_dir(path)?;
    let names = entries
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names: Vec<_> = names.collect();
    names.sort();
    Ok(match names.is_empty() {
        true => "the folder is empty".to_string(),
        false => format!("the folder holds {}", listed(&names)),
    })
}

/// Says what a cache holds, and compares the hash of every shard.
fn cache(path: &Path, look: &mut Look) -> Result<()> {
    let index = CacheIndex::read(path)?;
    let plan = &index.plan;
    let bytes: u64 = index.shards.iter().map(|shard| shard.file.bytes).sum();
    let [rows, columns, channels] = plan.grid;
    look.row(
        "container",
        "cache of features, for `svg train flow --cache`",
    )?;
    look.row("features", &plan.features)?;
    look.row("pictures", grouped(index.pictures() as usize))?;
    look.row(
        "classes",
        format!("{}: {}", plan.classes.len(), listed(&plan.classes)),
    )?;
    look.row(
        "squares",
        format!("{} of {} pixels", plan.variants, plan.size),
    )?;
    look.row("latents", bundle::tokens(channels, [rows, columns]))?;
    look.row("numbers", plan.dtype)?;
    let (shards, bytes) = (index.shards.len(), grouped(bytes as usize));
    look.row("shards", format!("{shards}, {bytes} bytes"))?;
    let cache = LatentCache::open(path)?;
    if !look.brief {
        cache.verify()?;
    }
    let verdict = numbers::verdict(look);
    look.row("problems", verdict)
}

/// The file that every checkpoint has.
const PAGE: &str = "checkpoint.json";

/// What it says.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Page {
    state: Value,
    /// Every file with its SHA-256.
    files: BTreeMap<String, String>,
}

fn page(folder: &Path) -> Result<Page> {
    let path = folder.join(PAGE);
    let text = svg_store::read_text(&path).with_context(|| path.display().to_string())?;
    let page = unsealed_json(&text).and_then(|text| plain_json(&text));
    page.map_err(|reason| anyhow::anyhow!("{}: {reason}", path.display()))
}

/// What the checkpoint says that a file lies in; `None` if it lies in none.
pub fn checkpoint_of(file: &Path) -> Option<Page> {
    let folder = file.parent()?;
    folder.join(PAGE).is_file().then(|| page(folder).ok())?
}

/// Whether a file of a checkpoint is the one that was written.
pub fn check_file(path: &Path, page: &Page) -> Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let expected = page.files.get(&*name);
    let expected = expected.with_context(|| format!("{PAGE} beside it does not list {name}"))?;
    let found = sha256_file(path).with_context(|| path.display().to_string())?;
    if found != *expected {
        bail!(
            "{name} is not the file that was written; training goes on from the checkpoint before"
        );
    }
    Ok(())
}

/// Says what a record of an optimiser is, and whether it is the one that was written.
pub fn record(path: &Path, look: &mut Look) -> Result<()> {
    look.row(
        "holds",
        "the state of an optimiser, of a training's checkpoint",
    )?;
    let page = checkpoint_of(path);
    let page =
        page.with_context(|| format!("there is no readable {PAGE} beside it to compare it with"))?;
    look.row("step", &page.state["step"])?;
    if !look.brief {
        check_file(path, &page)?;
    }
    let verdict = numbers::verdict(look);
    look.row("problems", verdict)
}

/// Says what a checkpoint of a training holds, and compares the hash of every file.
fn checkpoint(folder: &Path, look: &mut Look) -> Result<()> {
    let page = page(folder)?;
    look.row("container", "checkpoint of a training, for --resume")?;
    look.row("step", &page.state["step"])?;
    let data = &page.state["data"]["count"];
    look.row("pictures", data)?;
    for name in page.files.keys() {
        let path = folder.join(name);
        let bytes = std::fs::metadata(&path)
            .with_context(|| path.display().to_string())?
            .len();
        look.row("file", format!("{name}, {} bytes", grouped(bytes as usize)))?;
        if !look.brief {
            check_file(&path, &page)?;
        }
    }
    let verdict = numbers::verdict(look);
    look.row("problems", verdict)
}

/// Says what a run is and how far it is.
fn run(folder: &Path, look: &mut Look) -> Result<()> {
    look.row("container", "run of a training")?;
    let config = folder.join("config.json");
    if config.is_file() {
        document::configuration(&config, look)?;
    }
    let entries = std::fs::read_dir(folder.join("checkpoints"))?;
    let mut steps: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    steps.retain(|path| path.join(PAGE).is_file());
    steps.sort();
    let mut damaged = Vec::new();
    for step in &steps {
        let name = step
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let checked = page(step).and_then(|page| match look.brief {
            true => Ok(()),
            false => page
                .files
                .keys()
                .try_for_each(|file| check_file(&step.join(file), &page)),
        });
        match checked {
            Ok(()) => look.row("checkpoint", name)?,
            Err(error) => {
                look.row("checkpoint", format!("{name}: {}", in_words(&error)))?;
                damaged.push(name);
            }
        }
    }
    if folder.join("bundle/manifest.json").is_file() {
        look.row("bundle", folder.join("bundle").display())?;
    }
    if !damaged.is_empty() {
        bail!(
            "damaged: {}; --resume goes on from the newest that is whole",
            listed(&damaged)
        );
    }
    if steps.is_empty() {
        bail!("there is no checkpoint to go on from");
    }
    let verdict = numbers::verdict(look);
    look.row("problems", verdict)
}
