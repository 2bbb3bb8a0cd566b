//! Features that are written as they are made: killed, gone on with, and equal to those written at once.

use std::cell::Cell;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use svg_image::{Rgb, RgbImage, save_png};
use svg_nn::{TensorFile, save_tensors};

use super::support::{kill, svg, text};

const TINY: &str = "tests/golden/dinov3/tiny_swiglu/official.safetensors";
const PICTURES: usize = 1_500;

/// A list of many pictures, among them one that is broken.
fn list(folder: &Path) {
    for number in 0..10 {
        let tone = number as u8 * 20;
        let picture = RgbImage::from_fn(40, 24, |x, y| Rgb([tone, (x * 6) as u8, (y * 9) as u8]));
        save_png(&picture, folder.join(format!("{number}.png")), &[]).unwrap();
    }
    fs::write(folder.join("broken.png"), b"\x89PNG cut short").unwrap();
    let lines = (0..PICTURES).map(|line| match line {
        700 => "broken.png\n".to_string(),
        _ => format!("{}.png\n", line % 10),
    });
    fs::write(folder.join("list.txt"), lines.collect::<String>()).unwrap();
}

fn features(folder: &Path, out: &str, size: &str, rest: &[&str]) -> Command {
    let mut command = svg();
    let weights = Path::new(env!("CARGO_MANIFEST_DIR")).join(TINY);
    command
        .current_dir(folder)
        .arg("features")
        .arg("--weights")
        .arg(weights);
    command.args([
        "--images", "list.txt", "--batch", "4", "--size", size, "--out", out,
    ]);
    command.args(rest);
    command
}

/// How many pictures a file that is not finished has.
fn done(folder: &Path, out: &str) -> u64 {
    let text = fs::read(folder.join(format!("{out}.partial.json"))).unwrap_or_default();
    let journal: Value = serde_json::from_slice(&text).unwrap_or_default();
    journal["done"].as_u64().unwrap_or(0)
}

/// Kills a command that writes `out` as soon as it has kept more, until it ends or was killed ten times; how often.
fn kill_again_and_again(
    folder: &Path,
    out: &str,
    command: impl Fn() -> Command,
    after_a_kill: impl Fn(),
) -> usize {
    let mut kills = 0;
    while kills < 10 {
        let before = done(folder, out);
        let mut child = command().stderr(Stdio::null()).spawn().unwrap();
        let start = Instant::now();
        while done(folder, out) <= before && child.try_wait().unwrap().is_none() {
            assert!(
                start.elapsed() < Duration::from_secs(120),
                "nothing is kept"
            );
            std::thread::sleep(Duration::from_millis(2));
        }
        if child.try_wait().unwrap().is_some() {
            break;
        }
        kill(child);
        kills += 1;
        if kills == 1 && done(folder, out) > 0 {
            after_a_kill();
        }
    }
    assert!(kills > 0, "the run was too short to be killed");
    if !folder.join(out).exists() {
        let last = command().output().unwrap();
        let said = text(&last.stderr);
        assert!(
            last.status.success() && said.contains("going on with"),
            "{said}"
        );
    }
    kills
}

/// Whether nothing of an unfinished file is left.
fn is_tidy(folder: &Path) -> bool {
    let mut left = fs::read_dir(folder).unwrap().flatten();
    !left.any(|entry| entry.file_name().to_string_lossy().contains("partial"))
}

#[test]
fn features_killed_several_times_are_the_features_that_were_not() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    list(folder);
    let whole = features(folder, "whole.safetensors", "16", &[])
        .output()
        .unwrap();
    let said = text(&whole.stderr);
    assert!(whole.status.success(), "{said}");
    assert!(
        said.contains("1500 pictures, ") && said.contains(" MB in whole"),
        "{said}"
    );

    let out = "parts.safetensors";
    let asked = Cell::new(false);
    let ask_otherwise = || {
        asked.set(true);
        let other = features(folder, out, "32", &[]).output().unwrap();
        let said = text(&other.stderr);
        assert!(
            !other.status.success() && said.contains("size 16 there, 32 asked for"),
            "{said}"
        );
        let mut told = svg();
        told.current_dir(folder);
        let told = told.args(["info", "parts.safetensors.partial"]).output();
        let told = text(&told.unwrap().stdout);
        assert!(told.contains("of 1500 pictures"), "{told}");
    };
    let command = || features(folder, out, "16", &[]);
    let kills = kill_again_and_again(folder, out, command, ask_otherwise);
    assert!(asked.get(), "nothing was kept before the first kill");
    let read = |name: &str| fs::read(folder.join(name)).unwrap();
    assert!(read("whole.safetensors") == read(out), "{kills} kills");
    assert!(is_tidy(folder));

    // The same bytes as of a file that is written at once.
    let file = TensorFile::open(folder.join(out)).unwrap();
    let shape = |name: &str| {
        let tensor = file.tensors().iter().find(|tensor| tensor.name == name);
        tensor.unwrap().shape.to_vec()
    };
    assert_eq!(shape("cls"), [PICTURES - 1, 32]);
    let again = folder.join("again.safetensors");
    save_tensors(&again, file.tensors(), file.metadata().clone()).unwrap();
    assert!(read("again.safetensors") == read(out));
}

#[test]
fn latents_killed_several_times_are_the_latents_that_were_not() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    list(folder);
    let bundle = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/data/format-2");
    let encode = |out: &str| {
        let mut command = svg();
        command.current_dir(folder).arg("encode").arg("--bundle");
        command
            .arg(&bundle)
            .args(["--images", "list.txt", "--out", out]);
        command
    };
    let whole = encode("whole.safetensors").output().unwrap();
    assert!(whole.status.success(), "{}", text(&whole.stderr));
    let out = "parts.safetensors";
    let kills = kill_again_and_again(folder, out, || encode(out), || ());
    let read = |name: &str| fs::read(folder.join(name)).unwrap();
    assert!(read("whole.safetensors") == read(out), "{kills} kills");
    assert!(is_tidy(folder));
}

#[test]
fn a_limit_takes_some_evenly_spread_over_all() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    list(folder);
    let output = features(folder, "t.safetensors", "16", &["--limit", "3"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let file = TensorFile::open(folder.join("t.safetensors")).unwrap();
    let paths: Vec<String> = serde_json::from_str(&file.metadata()["paths"]).unwrap();
    assert_eq!(paths.len(), 3);
    assert!(
        paths.iter().all(|path| path.ends_with("0.png")),
        "{paths:?}"
    );
}
