//! Features that are written as they are made: killed, gone on with, and equal to those written at once.

use std::fs;
use std::path::Path;
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

fn features(folder: &Path, out: &str, size: &str, rest: &[&str]) -> std::process::Command {
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
    let (mut kills, mut asked_otherwise) = (0, false);
    while kills < 10 {
        let before = done(folder, out);
        let mut child = features(folder, out, "16", &[])
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
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
        if done(folder, out) > 0 && !asked_otherwise {
            asked_otherwise = true;
            let other = features(folder, out, "32", &[]).output().unwrap();
            let said = text(&other.stderr);
            assert!(
                !other.status.success() && said.contains("size 16 there, 32 asked for"),
                "{said}"
            );
            let told = svg()
                .current_dir(folder)
                .args(["info", "parts.safetensors.partial"])
                .output();
            let told = text(&told.unwrap().stdout);
            assert!(told.contains("of 1500 pictures"), "{told}");
        }
    }
    assert!(
        kills > 0 && asked_otherwise,
        "the run was too short to be killed"
    );
    if !folder.join(out).exists() {
        let last = features(folder, out, "16", &[]).output().unwrap();
        let said = text(&last.stderr);
        assert!(
            last.status.success() && said.contains("going on with"),
            "{said}"
        );
    }
    let read = |name: &str| fs::read(folder.join(name)).unwrap();
    assert!(read("whole.safetensors") == read(out), "{kills} kills");
    let left = fs::read_dir(folder).unwrap().flatten();
    let left = left.filter(|entry| entry.file_name().to_string_lossy().contains("partial"));
    assert_eq!(left.count(), 0);

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
