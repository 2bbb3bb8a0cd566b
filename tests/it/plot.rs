//! Curves of runs as a user draws them.

use std::fs;
use std::path::Path;

use crate::support::{svg, text};

/// A folder with the tables of two runs.
fn runs() -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    for (name, table) in [
        ("one", "step,loss,validation/loss\n1,0.5,\n2,0.25,0.75\n"),
        ("two", "step,loss,empty\n1,8.0,\n2,4.0,\n"),
    ] {
        let folder = place.path().join(name);
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("steps.csv"), table).unwrap();
    }
    place
}

/// Whether it ended well, and what was said.
fn plot(place: &Path, words: &str) -> (bool, String) {
    let mut command = svg();
    command.current_dir(place).arg("plot");
    let output = command.args(words.split_whitespace()).output().unwrap();
    (output.status.success(), text(&output.stderr))
}

#[track_caller]
fn drawn(place: &Path, words: &str) -> String {
    let (success, said) = plot(place, &format!("{words} --out curves.svg"));
    assert!(success, "{words}: {said}");
    fs::read_to_string(place.join("curves.svg")).unwrap()
}

#[test]
fn a_column_of_several_runs_is_a_curve_for_each() {
    let place = runs();
    let picture = drawn(place.path(), "first=one two --columns loss --title Loss");
    for text in [">Loss<", ">loss<", ">step<", ">first  0.25<", ">two  4<"] {
        assert!(picture.contains(text), "{text}: {picture}");
    }
    assert_eq!(
        picture,
        drawn(place.path(), "first=one two --columns loss --title Loss")
    );
}

#[test]
fn several_columns_are_told_apart_by_their_names() {
    let place = runs();
    let picture = drawn(place.path(), "one --columns loss,validation/loss --log");
    for text in [">loss  0.25<", ">validation/loss  0.75<", "logarithmic"] {
        assert!(picture.contains(text), "{text}: {picture}");
    }
}

#[test]
fn what_cannot_be_drawn_is_refused_with_advice() {
    let place = runs();
    for (words, reason) in [
        ("none --columns loss --out a.svg", "none holds no steps.csv"),
        ("two --columns psnr --out a.svg", "it has loss, empty"),
        (
            "two --columns empty --out a.svg",
            "no value there that can be drawn",
        ),
        ("two --columns loss --out a.png", "name it so, a.svg"),
        ("two --columns loss --out no/a.svg", "cannot be written"),
    ] {
        let (success, said) = plot(place.path(), words);
        assert!(!success && said.contains(reason), "{words}: {said}");
        assert!(!said.contains("panicked"), "{words}: {said}");
    }
    assert!(!place.path().join("a.svg").exists());
}
