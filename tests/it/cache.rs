//! The cache of features and the distance of sets of pictures, as a user meets them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use burn::prelude::*;
use svg_image::{DecodeOptions, ImageSet, Rgb, RgbImage, adm_crop, mirrored, read_image, save_png};
use svg_model::{Bundle, OpenOptions, Registry};
use svg_roles::{Draw, Images, LatentSpace, Signed};
use svg_train::autoencoder::AutoencoderTraining;
use svg_train::cache::{Item, LatentCache};
use svg_train::run::Training;

/// Pictures of two classes, an encoder, and a bundle of two steps of training.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        for number in 0..24 {
            let class = place.path("data").join(["cock", "tench"][number % 2]);
            fs::create_dir_all(&class).unwrap();
            let image = picture(number as u8);
            save_png(&image, class.join(format!("{number:02}.png")), &[]).unwrap();
        }
        let sizes = "init encoder --d-model 16 --layers 1 --heads 2 --d-ff 32 --patch 4 --out";
        place.done(sizes, &["encoder.safetensors"]);
        let mut config = AutoencoderTraining::tiny();
        config.steps = 2;
        fs::write(place.path("config.json"), config.to_json()).unwrap();
        place.train("run");
        place
    }

    /// A bundle under `RUN/bundle`.
    fn train(&self, run: &str) {
        let words = "train autoencoder --data data --encoder encoder.safetensors --config config.json --out";
        self.done(words, &[run]);
    }

    /// Another bundle.
    fn train_longer(&self, run: &str) {
        let config = fs::read_to_string(self.path("config.json")).unwrap();
        let config = config.replace("\"steps\": 2", "\"steps\": 3");
        fs::write(self.path("config.json"), config).unwrap();
        self.train(run);
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn svg(&self, words: &str, more: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_svg"));
        command.current_dir(self.folder.path());
        command.args(words.split_whitespace()).args(more);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn ran(&self, words: &str, more: &[&str], code: i32) -> Output {
        let output = self.svg(words, more).output().unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{words} {more:?}: {said}");
        output
    }

    fn done(&self, words: &str, more: &[&str]) -> String {
        text(&self.ran(words, more, 0).stdout)
    }

    fn refused(&self, words: &str) -> String {
        text(&self.ran(words, &[], 1).stderr)
    }
}

fn picture(number: u8) -> RgbImage {
    RgbImage::from_fn(20, 16, |x, y| {
        Rgb([x as u8 * 9, y as u8 * 7 + number, number * 9])
    })
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let read = |path: PathBuf| {
        let bytes = fs::read(&path).unwrap();
        (path.file_name().unwrap().into(), bytes)
    };
    entries.map(read).collect()
}

const CACHE: &str =
    "cache --bundle run/bundle --data data --shard-size 1 --batch 2 --workers 1 --out";

#[test]
fn a_cache_whose_writer_was_killed_goes_on_and_is_the_one_that_was_not() {
    let place = Place::new();
    let said = place.done(CACHE, &["whole"]);
    assert!(said.contains("24 of 24 pictures in 24 shards"), "{said}");
    let mut child = place.svg(CACHE, &["broken"]).spawn().unwrap();
    let start = Instant::now();
    while !place.path("broken/shard-00002.safetensors").exists() {
        assert!(start.elapsed() < Duration::from_secs(60), "no third shard");
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // As the system leaves what was being written.
    fs::write(place.path("broken/.writing-1"), "half").unwrap();
    let output = place.ran(CACHE, &["broken"], 0);
    let said = text(&output.stderr);
    let mut kept = said
        .lines()
        .filter_map(|line| line.split_once(" pictures were there"));
    let (kept, _) = kept.next().unwrap();
    assert!(kept.parse::<usize>().unwrap() >= 3, "{said}");
    assert!(contents(&place.path("broken")) == contents(&place.path("whole")));
}

#[test]
fn cached_features_are_those_of_the_bundle() {
    let place = Place::new();
    place.done(CACHE, &["cache", "--store", "f32"]);
    let device = Device::default();
    let bundle = Bundle::open(&place.path("run/bundle")).unwrap();
    let cache = LatentCache::open(&place.path("cache")).unwrap();
    cache.verify().unwrap();
    cache
        .check_features(&bundle.features_fingerprint())
        .unwrap();
    let registry = Registry::standard();
    let space = registry.space(&bundle, &OpenOptions::default(), &device);
    let space = space.unwrap();
    let set = ImageSet::open(&[place.path("data")]).unwrap();
    for picture in [0, 11, 23] {
        let image = read_image(Path::new(set.name(picture)), &DecodeOptions::default()).unwrap();
        let crop = adm_crop(&image, 16);
        let squares = [crop.clone(), mirrored(&crop)];
        let images = Images::<Signed>::from_rgb(&squares, &device).into_tensor();
        let expected = space.encode(images, Draw::Mode);
        let items = [0, 1].map(|variant| Item { picture, variant });
        let found = cache.features(&items, &device).unwrap();
        let most: f32 = (found - expected).abs().max().into_scalar();
        assert!(most < 1e-6, "{most}");
        let class = set.class_name(picture).unwrap();
        assert_eq!(cache.plan().classes[cache.label(picture).unwrap()], class);
    }
}

#[test]
fn a_cache_of_another_bundle_or_other_pictures_is_not_gone_on_with() {
    let place = Place::new();
    place.done(CACHE, &["cache"]);
    place.train_longer("other");
    let words = format!("{CACHE} cache").replace("run/bundle", "other/bundle");
    let said = place.refused(&words);
    assert!(
        said.contains("cache holds another cache: features"),
        "{said}"
    );
    let said = place.refused(&format!("{CACHE} cache --store f32"));
    assert!(said.contains("the type f16 there, f32 asked for"), "{said}");
    save_png(&picture(25), place.path("data/cock/99.png"), &[]).unwrap();
    let said = place.refused(&format!("{CACHE} cache"));
    assert!(
        said.contains("24 pictures") && said.contains("25 pictures"),
        "{said}"
    );
    let said = place.refused(&format!("{CACHE} new --crops 3"));
    assert!(said.contains("--rule reference"), "{said}");
    let said = place.done(CACHE, &["new", "--rule", "reference", "--crops", "3"]);
    assert!(said.contains("25 of 25 pictures"), "{said}");
}

#[test]
fn a_flow_learns_from_the_cache_as_from_the_pictures_and_only_of_its_own_bundle() {
    let place = Place::new();
    place.done("stats --bundle run/bundle --images data", &[]);
    place.done(CACHE, &["cache", "--store", "f32"]);
    let train = "train flow --config flow_tiny --bundle run/bundle --workers 1 --max-steps 3";
    place.done(train, &["--data", "data", "--out", "online"]);
    place.done(train, &["--cache", "cache", "--out", "cached"]);
    let losses = |run: &str| -> Vec<f64> {
        let table = fs::read_to_string(place.path(run).join("steps.csv")).unwrap();
        let names: Vec<_> = table.lines().next().unwrap().split(',').collect();
        let column = names.iter().position(|name| name.contains("loss")).unwrap();
        let rows = table.lines().skip(1);
        rows.map(|row| row.split(',').nth(column).unwrap().parse().unwrap())
            .collect()
    };
    let (online, cached) = (losses("online"), losses("cached"));
    assert_eq!(online.len(), 3);
    for (online, cached) in online.iter().zip(&cached) {
        assert!(
            (online - cached).abs() < 1e-5 * online,
            "{online} and {cached}"
        );
    }

    place.done(CACHE, &["small", "--size", "12"]);
    let said = place.refused(&format!("{train} --cache small --out no"));
    assert!(
        said.contains("3 x 3 tokens of 20") && said.contains("4 x 4 tokens of 20"),
        "{said}"
    );
    place.train_longer("other");
    place.done("stats --bundle other/bundle --images data", &[]);
    let other = train.replace("run/bundle", "other/bundle");
    let said = place.refused(&format!("{other} --cache cache --out no"));
    assert!(said.contains("cache holds features"), "{said}");
}

#[test]
fn a_set_has_no_distance_from_itself_and_some_from_another() {
    let place = Place::new();
    let distance = "distance --weights encoder.safetensors --size 16";
    let first = "--reference data --save-reference r.safetensors --samples data";
    let output = place.ran(&format!("{distance} {first}"), &[], 0);
    let (said, notes) = (text(&output.stdout), text(&output.stderr));
    assert!(
        said.contains("no FID") && said.contains("24 images"),
        "{said}"
    );
    assert!(notes.contains("no FID"), "{notes}");
    assert!(
        !notes.contains("warning"),
        "24 images of 16 channels: {notes}"
    );
    let value = |said: &str, name: &str| -> f64 {
        let line = said.lines().find(|line| line.starts_with(name)).unwrap();
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    assert!(
        value(&said, "patch mean") < 1e-6 && value(&said, "class token") < 1e-6,
        "{said}"
    );

    let again = "--reference-moments r.safetensors --samples data/tench";
    let output = place.ran(&format!("{distance} {again}"), &[], 0);
    let (said, notes) = (text(&output.stdout), text(&output.stderr));
    let far = value(&said, "patch mean");
    assert!(far > 0.0 && value(&said, "class token") > 0.0, "{said}");
    assert!(
        notes.contains("the samples has 12 images for features of 16"),
        "{notes}"
    );
    let computed = place.done(
        &format!("{distance} --reference data --samples data/tench"),
        &[],
    );
    assert_eq!(value(&computed, "patch mean"), far);
    let bundle = "distance --bundle run/bundle --reference data --samples data/tench";
    assert_eq!(value(&place.done(bundle, &[]), "patch mean"), far);

    let other = format!("{distance} {again}").replace("--size 16", "--size 12");
    let said = place.refused(&other);
    assert!(
        said.contains("crops of 16 x 16") && said.contains("crops of 12 x 12"),
        "{said}"
    );
}
