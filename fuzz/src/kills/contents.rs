//! What a command has left in a folder.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use svg_store::sha256;

/// Files and folders that tell the time, and locks.
const TIMED: [&str; 3] = ["tensorboard", "timings.json", ".lock"];
/// Differences that are named.
const NAMED: usize = 5;

/// The hash of every file by its path; empty for a folder.
pub type Contents = BTreeMap<String, String>;

/// Everything in a folder and below, but for what tells the time. Where documents name the folder itself, the name is
/// left out.
pub fn contents(folder: &Path) -> Result<Contents> {
    let mut contents = Contents::new();
    let own = folder.canonicalize()?.to_string_lossy().into_owned();
    gather(folder, "", &own, &mut contents)?;
    Ok(contents)
}

fn gather(folder: &Path, prefix: &str, own: &str, contents: &mut Contents) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if TIMED.contains(&name.as_str()) {
            continue;
        }
        let (path, place) = (entry.path(), format!("{prefix}{name}"));
        if path.is_dir() {
            contents.insert(format!("{place}/"), String::new());
            gather(&path, &format!("{place}/"), own, contents)?;
            continue;
        }
        let bytes = fs::read(&path).with_context(|| path.display().to_string())?;
        contents.insert(place, sha256(comparable(&name, bytes, own)));
    }
    Ok(())
}

fn comparable(name: &str, bytes: Vec<u8>, own: &str) -> Vec<u8> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match name.rsplit('.').next() {
        Some("json") => text(&bytes).replace(own, "").into_bytes(),
        Some("html") => {
            let page = text(&bytes);
            let untimed = page
                .split_once("<!-- timings -->")
                .and_then(|(before, rest)| {
                    let (_, after) = rest.split_once("<!-- /timings -->")?;
                    Some(format!("{before}{after}"))
                });
            untimed.unwrap_or(page).into_bytes()
        }
        _ => bytes,
    }
}

/// Takes the checkpoints of steps at which a run was asked to end from what was found, if others have none there, and
/// as many of the oldest ones from what was expected: a run keeps a number of its newest checkpoints.
pub fn without_extra(found: &mut Contents, expected: &mut Contents, asked: &BTreeSet<u64>) {
    let here: BTreeSet<_> = checkpoints(found);
    let there: BTreeSet<_> = checkpoints(expected);
    let extra: Vec<_> = here
        .difference(&there)
        .filter(|(_, step)| asked.contains(step))
        .cloned()
        .collect();
    let pushed_out = there.difference(&here).take(extra.len());
    for checkpoint in pushed_out {
        remove(expected, checkpoint);
    }
    for checkpoint in &extra {
        remove(found, checkpoint);
    }
}

/// The folders of checkpoints, before the step, and the steps.
fn checkpoints(contents: &Contents) -> BTreeSet<(String, u64)> {
    let checkpoint = |place: &String| {
        let (run, step) = place.strip_suffix('/')?.rsplit_once("checkpoints/step-")?;
        Some((run.to_string(), step.parse().ok()?))
    };
    contents.keys().filter_map(checkpoint).collect()
}

fn remove(contents: &mut Contents, (run, step): &(String, u64)) {
    let folder = format!("{run}checkpoints/step-{step:08}/");
    contents.retain(|place, _| !place.starts_with(&folder));
}

/// How contents differ from those that were expected, in words.
pub fn differences(found: &Contents, expected: &Contents) -> Option<String> {
    let more = found.keys().filter(|name| !expected.contains_key(*name));
    let fewer = expected.keys().filter(|name| !found.contains_key(*name));
    let other = found.iter().filter(|(name, hash)| {
        let expected = expected.get(*name);
        expected.is_some_and(|expected| expected != *hash)
    });
    let more = more.map(|name| format!("{name} is left"));
    let fewer = fewer.map(|name| format!("{name} is missing"));
    let other = other.map(|(name, _)| format!("{name} is another"));
    let mut all: Vec<_> = more.chain(fewer).chain(other).collect();
    let count = all.len();
    if count > NAMED {
        all.truncate(NAMED);
        all.push(format!("and {} more", count - NAMED));
    }
    (count > 0).then(|| all.join(", "))
}
