//! Names of files, tensors and archives in messages: nothing in them reaches the terminal as a command.
#![cfg(unix)]

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use burn::store::bridge;
use burn::tensor::TensorData;
use svg_image::{RgbImage, encode_png};
use svg_nn::save_tensors;

use super::support::{svg, text};

const TINY: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/golden/dinov3/tiny_swiglu/official.safetensors"
);

/// Clears the screen, sets the title of the window, rings, and begins a line of its own.
const EVIL: &str = "\u{1b}[2J\u{1b}]0;title\u{7}\rerror: \u{9b}1mall is lost\u{202e}";

/// What a command says on both streams, in which there must be no control character but ends of lines.
#[track_caller]
fn said(folder: &Path, arguments: &[&str]) -> String {
    let output = svg().current_dir(folder).args(arguments).output().unwrap();
    let said = text(&output.stdout) + &text(&output.stderr);
    let control = said
        .chars()
        .find(|c| c.is_control() && !matches!(c, '\n' | '\t'));
    assert_eq!(control, None, "{arguments:?}: {said:?}");
    assert!(!said.contains('\u{202e}'), "{arguments:?}: {said:?}");
    said
}

#[test]
fn names_of_files_are_printed_escaped_in_notes_and_errors() {
    let place = tempfile::tempdir().unwrap();
    let (folder, data) = (place.path(), place.path().join("data"));
    let picture = encode_png(&RgbImage::new(20, 20), &[]);
    fs::create_dir(&data).unwrap();
    fs::write(data.join(format!("{EVIL}.png")), "\u{89}PNG broken").unwrap();
    fs::write(data.join("line\nerror: forged.png"), "broken").unwrap();
    fs::write(data.join("whole.png"), &picture).unwrap();
    fs::write(data.join(format!("x.{EVIL}")), "").unwrap();
    let words = [
        "features",
        "--weights",
        TINY,
        "--images",
        "data",
        "--size",
        "16",
        "--out",
        "t",
    ];
    let features = said(folder, &words);
    assert!(features.contains(r"skipped: data/\x1b[2J"), "{features}");
    assert!(
        features.contains(r"\x9b1mall is lost\u{202e}"),
        "{features}"
    );
    assert!(features.contains(r"line\nerror: forged.png"), "{features}");
    assert!(features.contains("tokens of 1 images"), "{features}");

    let missing = format!("{EVIL}\nx");
    for words in [
        &["info", &missing][..],
        &[
            "features",
            "--weights",
            &missing,
            "--images",
            "data",
            "--out",
            "t",
        ],
        &[
            "pretrain", "--config", "nano", "--data", &missing, "--out", "new",
        ],
        &["features", "--batch", &missing],
        &[
            "init",
            "encoder",
            "--out",
            &format!("{missing}/x.safetensors"),
        ],
    ] {
        let said = said(folder, words);
        assert!(said.contains(r"\x9b1mall is lost"), "{said}");
    }
    fs::write(folder.join(EVIL), "neither weights nor a picture").unwrap();
    assert!(said(folder, &["info", EVIL]).contains("problem: "));
}

#[test]
fn names_in_archives_and_weights_are_printed_escaped() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    for name in [format!("set/a/{EVIL}.png"), format!("set/{EVIL}/2.png")] {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "broken").unwrap();
    }
    let mut tar = Command::new("tar");
    let tar = tar.current_dir(folder).args(["cf", "set.tar", "set"]);
    assert!(tar.status().unwrap().success());
    let words = [
        "probe", "--pixels", "--train", "set.tar", "--test", "set.tar",
    ];
    assert!(said(folder, &words).contains(r"\x1b[2J"));
    assert!(said(folder, &["info", "set.tar"]).contains(r"\x1b[2J"));

    let data = TensorData::from([1.0f32, 2.0]);
    let tensor = bridge::from_data(data, format!("{EVIL}.weight"), None);
    let metadata = HashMap::from([("format".to_string(), EVIL.to_string())]);
    save_tensors(&folder.join("w.safetensors"), &[tensor], metadata).unwrap();
    let info = said(folder, &["info", "w.safetensors"]);
    assert!(info.contains(r"\x1b[2J"), "{info}");
    let out = ["--images", "set.tar", "--out", "t"];
    let features = [&["features", "--weights", "w.safetensors"][..], &out].concat();
    assert!(said(folder, &features).contains("holds no DINOv3 weights"));
    fs::write(
        folder.join("c.json"),
        r#"{"dino": {"\u001b[2J": 1}, "\u001b[2J": 2}"#,
    )
    .unwrap();
    let words = [
        "pretrain", "--config", "c.json", "--data", "set.tar", "--out", "new",
    ];
    assert!(said(folder, &words).contains("c.json"));
}
