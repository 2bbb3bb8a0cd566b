//! The whole method in one command, as a user starts, kills and starts it again.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use svg_image::{DecodeOptions, ImageSet, Rgb, RgbImage, read_image, save_png};
use svg_model::Bundle;

use crate::support::{Run, kill, signal, svg, text};

/// Every run is called `demo`, in a folder of its own, since its report says its own name.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn out(&self) -> PathBuf {
        self.folder.path().join("demo")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.out().join(name)
    }

    fn demo(&self, words: &str) -> Command {
        let mut command = svg();
        command.current_dir(&self.folder);
        command.args(["demo", "--plan", "tiny"]);
        command.args(words.split_whitespace());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn finish(&self) -> Output {
        let output = self.demo("").output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        output
    }

    fn wait_for(&self, name: &str) {
        let start = Instant::now();
        while !self.path(name).exists() {
            assert!(start.elapsed() < Duration::from_secs(60), "no {name}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// Every file by its path, but for what tells the time; the report without its timings.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    gather(folder, "", &mut files);
    files
}

fn gather(folder: &Path, prefix: &str, files: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let place = format!("{prefix}{name}");
        match name.as_str() {
            "tensorboard" | "timings.json" => (),
            "report.html" => {
                let page = fs::read_to_string(entry.path()).unwrap();
                let (before, rest) = page.split_once("<!-- timings -->").unwrap();
                let (_, after) = rest.split_once("<!-- /timings -->").unwrap();
                files.insert(place, format!("{before}{after}").into_bytes());
            }
            _ if entry.path().is_dir() => gather(&entry.path(), &format!("{place}/"), files),
            _ => {
                files.insert(place, fs::read(entry.path()).unwrap());
            }
        }
    }
}

#[track_caller]
fn assert_same(one: &Place, other: &Place) {
    let (ours, theirs) = (files(&one.out()), files(&other.out()));
    let names = |files: &BTreeMap<String, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&ours), names(&theirs));
    for (name, bytes) in &ours {
        assert!(*bytes == theirs[name], "{name} differs");
    }
}

#[test]
fn a_demonstration_killed_at_several_moments_ends_with_the_same_files() {
    let whole = Place::new();
    let said = text(&whole.finish().stdout);
    assert!(said.contains("demo/report.html"), "{said}");
    everything_opens(&whole);

    let broken = Place::new();
    let moments = [
        "data/train/arrow",
        "autoencoder/steps.csv",
        "flow/checkpoints/step-00000005",
        "samples/steps-01/cross/001.png",
        "features.png",
    ];
    for moment in moments {
        let child = broken.demo("").spawn().unwrap();
        broken.wait_for(moment);
        kill(child);
    }
    broken.finish();
    assert_same(&whole, &broken);

    // Nothing is done twice.
    let again = text(&broken.finish().stderr);
    for phase in [
        "2/6 autoencoder",
        "3/6 statistics",
        "4/6 flow",
        "6/6 measurements",
    ] {
        assert!(
            again.contains(&format!("{phase}: there already")),
            "{again}"
        );
    }
    assert_same(&whole, &broken);

    let refused = broken.demo("--seed 1").output().unwrap();
    let refused = text(&refused.stderr);
    assert!(refused.contains("--seed was 0 and is 1"), "{refused}");

    // Damage is found: of measurements without a word, for they are quickly made again.
    let measured = broken.path("measurements.json");
    let changed = fs::read_to_string(&measured)
        .unwrap()
        .replace("psnr", "pnsr");
    fs::write(&measured, changed).unwrap();
    let drawn = broken.path("features.png");
    let half = fs::read(&drawn).unwrap();
    fs::write(&drawn, &half[..half.len() / 2]).unwrap();
    let refused = broken.demo("").output().unwrap();
    let said = text(&refused.stderr);
    assert!(
        !refused.status.success() && said.contains("features.png is damaged; remove it"),
        "{said}"
    );
    fs::remove_file(drawn).unwrap();
    broken.finish();
    assert_same(&whole, &broken);
}

fn everything_opens(place: &Place) {
    for name in [
        "samples.png",
        "features.png",
        "reconstructions.png",
        "samples/steps-02.png",
    ] {
        read_image(place.path(name), &DecodeOptions::default()).unwrap();
    }
    let set = ImageSet::open(&[place.path("samples/steps-02")]).unwrap();
    assert_eq!(set.len(), 20);
    let bundle = Bundle::open(&place.path("bundle")).unwrap();
    bundle.matching_flow().unwrap();
    let text = fs::read_to_string(place.path("measurements.json")).unwrap();
    let measured: serde_json::Value = serde_json::from_str(&text).unwrap();
    for accuracy in measured["accuracies"].as_array().unwrap() {
        let value = accuracy["neighbours"].as_f64().unwrap();
        assert!((0.0..=1.0).contains(&value), "{accuracy}");
    }
    let page = fs::read_to_string(place.path("report.html")).unwrap();
    let sections = [
        "method",
        "samples",
        "features",
        "reconstructions",
        "losses",
        "distances",
        "timings",
        "next",
    ];
    for section in sections {
        assert!(
            page.contains(&format!("<section id=\"{section}\"")),
            "{section}"
        );
    }
    let sampled = svg()
        .current_dir(&place.folder)
        .args([
            "sample",
            "--bundle",
            "demo/bundle",
            "--classes",
            "star",
            "--steps",
            "1",
        ])
        .args(["--out", "star.png"])
        .output()
        .unwrap();
    assert!(sampled.status.success(), "{:?}", sampled);
}

#[cfg(unix)]
#[test]
fn an_interrupt_says_how_to_go_on_and_exits_with_130() {
    let place = Place::new();
    let child = place.demo("").spawn().unwrap();
    Run(place.path("autoencoder")).wait_for_row(2);
    signal(&child, "TERM");
    let output = child.wait_with_output().unwrap();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(
        said.contains("this goes on: svg demo --out demo --plan tiny"),
        "{said}"
    );
}

#[test]
fn two_held_out_pictures_are_enough_and_classes_may_be_without_any() {
    for classes in [vec![("cat", 20)], vec![("cat", 20), ("dog", 5)]] {
        let place = Place::new();
        for (class, count) in &classes {
            let folder = place.folder.path().join("photos").join(class);
            fs::create_dir_all(&folder).unwrap();
            for number in 0..*count {
                let image = RgbImage::from_fn(40, 30, |x, y| {
                    Rgb([(x * 6) as u8, (y * 8) as u8, (number * 9) as u8])
                });
                save_png(&image, folder.join(format!("{number:02}.png")), &[]).unwrap();
            }
        }
        let output = place.demo("--data photos").output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        let page = fs::read_to_string(place.path("report.html")).unwrap();
        let complete = classes.len() == 1;
        assert_eq!(
            page.contains("training pictures in another order"),
            !complete
        );
        let said = text(&output.stdout);
        assert_eq!(said.contains("--validation"), complete, "{said}");
        assert!(!said.contains("svg probe"), "{said}");
    }
}

#[test]
fn a_folder_of_other_things_and_data_without_classes_are_refused() {
    let place = Place::new();
    fs::create_dir(place.out()).unwrap();
    fs::write(place.path("thesis.tex"), "").unwrap();
    let refused = place.demo("").output().unwrap();
    assert!(text(&refused.stderr).contains("name a new folder"));

    let nothing = place.demo("--out other --data nothing").output().unwrap();
    let nothing = text(&nothing.stderr);
    assert!(nothing.contains("--data nothing"), "{nothing}");
}
