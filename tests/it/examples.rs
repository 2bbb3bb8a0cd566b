//! Every example runs as it is, and says what it should.
//!
//! `cargo test` builds the examples; for this suite alone say
//! `cargo build --examples && cargo test --test it examples`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

const EXAMPLES: [&str; 7] = [
    "device",
    "encode_decode",
    "encoder",
    "features",
    "latent_space",
    "sample",
    "velocity_field",
];

/// Beside the program, where cargo puts them.
fn program(name: &str) -> PathBuf {
    let beside = Path::new(env!("CARGO_BIN_EXE_svg")).with_file_name("examples");
    let program = beside.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(
        program.is_file(),
        "{} is not built: cargo build --examples",
        program.display()
    );
    program
}

/// Runs an example without arguments in a folder of its own; what it prints.
#[track_caller]
fn run(name: &str) -> (String, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(program(name));
    let output = command.current_dir(folder.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {said}");
    let printed = String::from_utf8(output.stdout).unwrap();
    (printed, folder)
}

#[track_caller]
fn picture(folder: &tempfile::TempDir, name: &str) -> (u32, u32) {
    let bytes = std::fs::read(folder.path().join(name)).unwrap();
    svg_image::dimensions(&bytes).unwrap()
}

/// The numbers of a line that begins so.
#[track_caller]
fn numbers(printed: &str, start: &str) -> Vec<f64> {
    let mut lines = printed.lines();
    let line = lines.find_map(|line| line.strip_prefix(start));
    let line = line.unwrap_or_else(|| panic!("no line begins with {start:?}: {printed}"));
    let words = line.split(|c: char| c.is_whitespace() || "[],:".contains(c));
    words.filter_map(|word| word.parse().ok()).collect()
}

#[test]
fn every_example_is_tested_here() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let names = std::fs::read_dir(folder).unwrap().filter_map(|entry| {
        let path = entry.unwrap().path();
        let rust = path.extension().is_some_and(|ending| ending == "rs");
        rust.then(|| path.file_stem().unwrap().to_str().unwrap().to_string())
    });
    let expected: BTreeSet<_> = EXAMPLES.map(String::from).into();
    assert_eq!(names.collect::<BTreeSet<_>>(), expected);
}

#[test]
fn device_computes_on_the_default_one() {
    let (printed, _) = run("device");
    assert!(printed.contains("computed tokens [2, 24, 64]"), "{printed}");
}

#[test]
fn features_are_those_of_a_grid_of_patches() {
    let (printed, _) = run("features");
    assert!(
        printed.contains("16 x 16 patches, tokens [1, 256, 64]"),
        "{printed}"
    );
}

#[test]
fn encode_decode_goes_through_features_and_back() {
    let (printed, folder) = run("encode_decode");
    assert_eq!(numbers(&printed, "images"), [4.0, 3.0, 16.0, 16.0]);
    assert_eq!(numbers(&printed, "features"), [4.0, 16.0, 16.0]);
    assert!(numbers(&printed, "mean absolute error")[0] > 0.0);
    assert_eq!(
        picture(&folder, "reconstructions.png"),
        (4 * 16 + 3 * 2, 2 * 16 + 2)
    );
}

#[test]
fn sample_makes_eight_pictures_in_twenty_evaluations_of_both_branches() {
    let (printed, folder) = run("sample");
    assert_eq!(numbers(&printed, "latents"), [8.0, 16.0, 16.0]);
    assert_eq!(numbers(&printed, "passes through the network"), [40.0; 8]);
    assert_eq!(
        picture(&folder, "samples.png"),
        (4 * 16 + 3 * 2, 2 * 16 + 2)
    );
}

#[test]
fn velocity_field_shows_the_order_of_each_solver() {
    let (printed, _) = run("velocity_field");
    for (solver, order) in [("euler", 1), ("heun", 2), ("midpoint", 2)] {
        let errors = numbers(&printed, solver);
        let ratio = errors[1] / errors[2];
        let expected = 2f64.powi(order);
        assert!(
            (ratio / expected - 1.0).abs() < 0.2,
            "{solver}: {ratio}, not {expected}"
        );
    }
    assert!(numbers(&printed, "dopri5")[0] < 1e-3, "{printed}");
}

#[test]
fn latent_space_learns_its_two_classes() {
    let (printed, _) = run("latent_space");
    // Means of the classes' tones, 59.5 and 189.5 of 255, in [-1, 1].
    for (class, mean) in [("dark:", -0.53), ("light:", 0.49)] {
        let found = numbers(&printed, class)[0];
        assert!((found - mean).abs() < 0.25, "{printed}");
    }
}

#[test]
fn encoder_trains_both_stages_on_an_encoder_of_the_users_own() {
    let (printed, folder) = run("encoder");
    assert!(printed.contains("encoder cosine_transform"), "{printed}");
    assert_eq!(numbers(&printed, "latents"), [8.0, 16.0, 31.0]);
    assert_eq!(
        picture(&folder, "encoder.png"),
        (4 * 32 + 3 * 2, 2 * 32 + 2)
    );
}
