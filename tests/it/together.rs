//! Commands that change or read one bundle at once, and those that are killed while they change it.
//!
//! `SVG_PAIRS=20 cargo test --test it together` tries all pairs so often, and some of them once otherwise.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use burn::store::bridge;
use burn::tensor::TensorData;
use svg_image::{Rgb, RgbImage, save_png};
use svg_model::{Bundle, FLOW, LATENTS, Manifest};
use svg_nn::save_tensors;

use crate::support::{kill, svg, text};

/// Commands that change the bundle `B`.
const CHANGES: [&str; 5] = [
    "stats --bundle B --images data",
    "align-stats --bundle B --images data",
    "import flow flow.safetensors --bundle B",
    "import flow flow.safetensors --bundle B --stats stats.safetensors",
    "import autoencoder ae.safetensors --out B --force",
];

/// Commands that read the bundle `B` and write to `O`.
const READS: [&str; 12] = [
    "sample --bundle B --classes all --steps 2 --out O",
    "interpolate --bundle B --class 0 --points 2 --out O.png",
    "encode --bundle B --images data --out O.safetensors",
    "decode --bundle B features.safetensors --out O",
    "reconstruct --bundle B --images data --out O",
    "info B",
    "export autoencoder --bundle B --out O.safetensors",
    "export flow --bundle B --out O.safetensors",
    "cache --bundle B --data data --out O",
    "train flow --config flow_tiny --max-steps 2 --workers 1 --data data --bundle B --out O",
    "distance --bundle B --reference data --samples data --save-reference O.safetensors",
    "probe --bundle B --train data --test data --neighbours 1 --out O",
];

/// What is said by a command that finds another one at work.
const BUSY: [&str; 2] = ["another process changes", "another process has changed"];

/// What is said by a command whose parts no longer belong together, because another one has won.
const STATES: [&str; 6] = [
    "belong to features with the fingerprint",
    "makes latents of statistics with the fingerprint",
    "no alignment statistics yet",
    "no latent statistics yet",
    "has no flow yet",
    "aligns by the statistics of each batch",
];

/// A bundle with statistics and a flow, and what is imported into copies of it.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        for number in 0..6u32 {
            let class = place.path(["data/dark", "data/light"][number as usize % 2]);
            fs::create_dir_all(&class).unwrap();
            let image = RgbImage::from_fn(20, 16, |x, y| {
                Rgb([(x * 9) as u8, (y * 13) as u8, (number * 37) as u8])
            });
            save_png(&image, class.join(format!("{number}.png")), &[]).unwrap();
        }
        for words in [
            "init encoder --d-model 16 --layers 1 --heads 2 --d-ff 32 --patch 4 --out encoder.safetensors",
            "train autoencoder --config autoencoder_tiny --max-steps 2 --workers 1 --data data \
             --encoder encoder.safetensors --out first",
            "stats --bundle first/bundle --images data",
            "train flow --config flow_tiny --max-steps 1 --workers 1 --data data \
             --bundle first/bundle --out second",
            "export flow --bundle second/bundle --out flow.safetensors",
            "export autoencoder --bundle second/bundle --out ae.safetensors",
            "encode --bundle second/bundle --images data --out features.safetensors",
        ] {
            place.done(words);
        }
        let numbers = |name: &str, value: f32| {
            let data = TensorData::from([value; 20]);
            bridge::from_data(data, name.to_string(), None)
        };
        let statistics = [numbers("mean", 0.25), numbers("std", 2.0)];
        let path = place.path("stats.safetensors");
        save_tensors(&path, &statistics, HashMap::new()).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, words: &str) -> Command {
        let mut command = svg();
        command.current_dir(self.0.path());
        command.args(words.split_whitespace());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn start(&self, words: &str) -> Child {
        self.command(words).spawn().unwrap()
    }

    #[track_caller]
    fn done(&self, words: &str) -> String {
        let output = self.command(words).output().unwrap();
        let said = said(&output);
        assert!(output.status.success(), "{words}: {said}");
        said
    }

    #[track_caller]
    fn refused(&self, words: &str, expected: &str) {
        let output = self.command(words).output().unwrap();
        let said = said(&output);
        assert_eq!(output.status.code(), Some(1), "{words}: {said}");
        assert!(said.contains(expected), "{words}: {said}");
    }

    /// A copy of the bundle of the flow's training.
    fn copy(&self, name: &str) -> Bundle {
        let bundle = Bundle::open(&self.path("second/bundle")).unwrap();
        bundle.copy_to(&self.path(name)).unwrap()
    }

    /// Two commands at once on a bundle that is made for them, the second a little later.
    fn pair(&self, commands: [&str; 2], number: usize) {
        let name = format!("bundle-{number}");
        drop(self.copy(&name));
        let words = [0, 1].map(|which| {
            let words = commands[which].replace('B', &name);
            words.replace('O', &format!("out-{number}-{which}"))
        });
        let first = self.start(&words[0]);
        std::thread::sleep(Duration::from_millis(number as u64 * 7 % 40));
        let second = self.start(&words[1]);
        let ended = [first, second].map(|child| child.wait_with_output().unwrap());
        for (output, words) in ended.iter().zip(&words) {
            let said = said(output);
            assert!(!said.contains("panicked"), "{words}: {said}");
            if output.status.success() {
                continue;
            }
            assert_eq!(output.status.code(), Some(1), "{words}: {said}");
            if BUSY.iter().any(|busy| said.contains(busy)) {
                continue;
            }
            let state = STATES.iter().find(|state| said.contains(*state));
            let state = state.unwrap_or_else(|| panic!("{words}: {said}"));
            // It is so with nobody else at work, too.
            self.refused(words, state);
        }
        let won = ended.iter().any(|output| output.status.success());
        assert!(won, "{words:?}: both are refused");
        assert_clean(&self.path(&name));
        fs::remove_dir_all(self.path(&name)).unwrap();
    }
}

fn said(output: &Output) -> String {
    text(&output.stdout) + &text(&output.stderr)
}

/// The folder holds the files of its manifest, and nothing else.
#[track_caller]
fn assert_clean(folder: &Path) {
    let bundle = Bundle::open(folder).unwrap();
    let files = bundle.manifest().files().map(|(name, _)| name.clone());
    let mut expected: Vec<_> = files.chain(["manifest.json".to_string()]).collect();
    expected.sort();
    assert_eq!(names(folder), expected);
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

#[test]
fn commands_on_one_bundle_at_once_never_damage_it() {
    let place = Place::new();
    let repeats = std::env::var("SVG_PAIRS").ok();
    let repeats = repeats.map(|text| text.parse::<usize>().unwrap());
    let mut pairs = Vec::new();
    for (index, one) in CHANGES.iter().enumerate() {
        pairs.extend(CHANGES[index..].iter().map(|other| [*one, *other]));
        let reads = READS.iter().enumerate();
        let some = reads.filter(|(read, _)| repeats.is_some() || read % CHANGES.len() == index);
        pairs.extend(some.map(|(_, read)| [*read, *one]));
    }
    for number in 0..repeats.unwrap_or(1) * pairs.len() {
        place.pair(pairs[number % pairs.len()], number);
    }
}

#[test]
fn a_command_that_changes_a_bundle_keeps_others_from_it_and_no_readers() {
    let place = Place::new();
    let held = place.copy("bundle");
    let held = Bundle::open_to_change(held.folder()).unwrap();
    for words in CHANGES {
        place.refused(&words.replace('B', "bundle"), BUSY[0]);
    }
    place.done("stats --bundle bundle --images data --dry-run");
    place.done("sample --bundle bundle --classes all --steps 2 --out samples");
    drop(held);
    assert_clean(&place.path("bundle"));
}

#[test]
fn statistics_and_their_flow_are_imported_at_one_moment() {
    let place = Place::new();
    let bundle = place.copy("bundle");
    let parts = || {
        let manifest = Manifest::read(bundle.folder()).unwrap();
        let files = |part: &str| manifest.parts[part].files.clone();
        let belongs_to = manifest.parts[FLOW].belongs_to.clone();
        (files(LATENTS), belongs_to)
    };
    let before = parts();
    let words = CHANGES[3].replace('B', "bundle");
    let mut import = place.start(&words);
    let mut seen = vec![before.clone()];
    while import.try_wait().unwrap().is_none() {
        let now = parts();
        if seen.last() != Some(&now) {
            seen.push(now);
        }
    }
    assert_eq!(parts(), *seen.last().unwrap());
    assert_eq!(seen.len(), 2, "{seen:?}");
    assert!(seen[1].0 != before.0 && seen[1].1 != before.1);
    place.done("sample --bundle bundle --classes all --steps 2 --out samples");
}

#[test]
fn a_change_that_is_killed_leaves_a_whole_bundle_and_the_next_one_nothing_else() {
    let place = Place::new();
    let bundle = place.copy("bundle");
    fs::write(bundle.folder().join("notes.txt"), "mine").unwrap();
    for (number, words) in CHANGES[..4].iter().cycle().take(16).enumerate() {
        let words = words.replace('B', "bundle");
        let child = place.start(&words);
        std::thread::sleep(Duration::from_millis(30 + number as u64 * 13));
        kill(child);
        Bundle::open(bundle.folder()).unwrap();
    }
    place.done(&CHANGES[1].replace('B', "bundle"));
    assert_eq!(
        fs::read(bundle.folder().join("notes.txt")).unwrap(),
        b"mine"
    );
    fs::remove_file(bundle.folder().join("notes.txt")).unwrap();
    assert_clean(bundle.folder());
}

#[test]
fn what_killed_commands_were_writing_is_removed_by_the_next_in_the_same_place() {
    let place = Place::new();
    fs::create_dir(place.path("samples")).unwrap();
    for name in [".writing-killed", ".writing-mine/kept", "notes.txt"] {
        let path = place.path("samples").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "half").unwrap();
    }
    place.done("sample --bundle second/bundle --classes all --steps 2 --out samples");
    let names = names(&place.path("samples"));
    let expected = [
        ".writing-mine",
        "class-0-sample-0.png",
        "class-1-sample-0.png",
        "notes.txt",
    ];
    assert_eq!(names, expected);
}
