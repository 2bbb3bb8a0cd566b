//! The folder of a demonstration: whose it is, and what a killed process left in it.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

/// What may be there before there is a plan, in a folder that is marked as ours.
const BEFORE_PLAN: [&str; 3] = ["data", "encoder.safetensors", "timings.json"];

const MARK: &str = ".demo";

/// The name of the folder of trainings that are timed.
const PACE: &str = ".pace";

/// How names begin under which earlier versions wrote; the number of a process follows.
const OLD: [&str; 4] = [".replaced-", ".statistics-", ".latents-", ".flow-"];

/// Refuses a folder that holds other things, and marks any other as ours.
pub fn claim(out: &Path) -> Result<()> {
    let marked = out.join(MARK).exists();
    for entry in fs::read_dir(out).with_context(|| out.display().to_string())? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let known = name == MARK || BEFORE_PLAN.contains(&name.as_str()) || is_left(&name);
        let ours = name == ".lock" || marked && known;
        if !ours {
            bail!(
                "--out {} holds other files, such as {name}; name a new folder",
                out.display()
            );
        }
    }
    fs::write(out.join(MARK), "").with_context(|| out.display().to_string())
}

/// Removes what a killed process was writing, in all folders; what another command is writing there stays.
pub fn sweep(folder: &Path) -> Result<()> {
    let failed = || format!("{} cannot be cleared", folder.display());
    svg_store::remove_unfinished(folder).with_context(failed)?;
    for entry in fs::read_dir(folder).with_context(failed)? {
        let entry = entry?;
        let (path, is_folder) = (entry.path(), entry.file_type()?.is_dir());
        let name = entry.file_name().to_string_lossy().into_owned();
        match (name == PACE || is_old(&name), is_folder) {
            (true, true) => fs::remove_dir_all(&path).with_context(failed)?,
            (true, false) => fs::remove_file(&path).with_context(failed)?,
            (false, true) if !name.starts_with(svg_store::UNFINISHED) => sweep(&path)?,
            (false, _) => (),
        }
    }
    Ok(())
}

fn is_left(name: &str) -> bool {
    name == PACE || name.starts_with(svg_store::UNFINISHED) || is_old(name)
}

fn is_old(name: &str) -> bool {
    let is = |rest: &str, one: fn(&char) -> bool| !rest.is_empty() && rest.chars().all(|c| one(&c));
    let process = OLD.iter().find_map(|start| name.strip_prefix(start));
    let random = name.strip_prefix(".tmp").filter(|rest| rest.len() == 6);
    process.is_some_and(|rest| is(rest, char::is_ascii_digit))
        || random.is_some_and(|rest| is(rest, char::is_ascii_alphanumeric))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_being_written_goes_and_everything_else_stays() {
        let place = tempfile::tempdir().unwrap();
        let path = |name: &str| place.path().join(name);
        fs::create_dir_all(path("flow/.writing-1/x")).unwrap();
        fs::create_dir_all(path("flow/checkpoints")).unwrap();
        let left = ["flow/.tmpAbc123", "flow/.flow-4711", ".replaced-12"];
        let kept = [
            "flow/.tmpMine",
            "flow/.flow-mine",
            "flow/steps.csv",
            ".lock",
        ];
        for name in left.into_iter().chain(kept) {
            fs::write(path(name), "").unwrap();
        }
        sweep(place.path()).unwrap();
        assert!(!path("flow/.writing-1").exists());
        assert!(left.iter().all(|name| !path(name).exists()));
        assert!(kept.iter().all(|name| path(name).exists()));
        assert!(path("flow/steps.csv").exists() && path("flow/checkpoints").exists());
        assert!(path(".lock").exists());
    }

    #[test]
    fn a_folder_of_other_things_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let _lock = svg_store::FolderLock::acquire(place.path(), "writes").unwrap();
        fs::write(place.path().join("encoder.safetensors"), "mine").unwrap();
        let error = claim(place.path()).unwrap_err().to_string();
        assert!(error.contains("encoder.safetensors"), "{error}");
        fs::remove_file(place.path().join("encoder.safetensors")).unwrap();
        claim(place.path()).unwrap();
        fs::write(place.path().join("encoder.safetensors"), "ours").unwrap();
        claim(place.path()).unwrap();
        fs::write(place.path().join("thesis.tex"), "").unwrap();
        let error = claim(place.path()).unwrap_err().to_string();
        assert!(error.contains("thesis.tex"), "{error}");
    }
}
