//! `--orientation exif` wherever pictures are read: turned pictures count as if they had been stored upright.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use svg_image::{DecodeOptions, Orientation, read_image, save_png};
use svg_nn::TensorFile;

/// `sideways/`, JPEGs that are stored on their side, `upright/`, the same pictures turned and without a loss, an
/// encoder and a bundle.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/svg-image/tests/golden");
        let turned = DecodeOptions {
            orientation: Orientation::Exif,
            ..DecodeOptions::default()
        };
        for (class, number) in [("a", 3), ("a", 6), ("b", 5), ("b", 8)] {
            for folder in ["sideways", "upright"] {
                fs::create_dir_all(place.path(folder).join(class)).unwrap();
            }
            let file = golden.join(format!("files/orientation_{number}.jpg"));
            let sideways = place.path("sideways").join(class);
            fs::copy(&file, sideways.join(format!("{number}.jpg"))).unwrap();
            let image = read_image(&file, &turned).unwrap();
            let upright = place.path("upright").join(class);
            save_png(&image, upright.join(format!("{number}.png")), &[]).unwrap();
        }
        place.done(
            "init encoder --d-model 16 --layers 1 --heads 2 --d-ff 32 --patch 4 --out \
             encoder.safetensors",
        );
        place.done(
            "train autoencoder --config autoencoder_tiny --max-steps 1 --data upright --encoder \
             encoder.safetensors --out first",
        );
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, words: &str) -> (bool, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_svg"));
        command.current_dir(self.folder.path());
        let output = command.args(words.split_whitespace()).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (out, errors) = (text(&output.stdout), text(&output.stderr));
        (output.status.success(), out, errors)
    }

    fn done(&self, words: &str) -> String {
        let (is_done, out, errors) = self.run(words);
        assert!(is_done, "{words}: {errors}");
        out
    }

    /// What `result` finds after a command on DATA: the same for pictures that are turned and for upright ones,
    /// and something else for those that are not turned.
    fn check<T: PartialEq>(&self, words: &str, result: impl Fn(String) -> T) {
        let of = |data: &str| result(self.done(&words.replace("DATA", data)));
        let upright = of("upright");
        assert!(of("sideways --orientation exif") == upright, "{words}");
        assert!(of("sideways") != upright, "{words}");
    }

    fn tensor(&self, file: &str, name: &str) -> Vec<u8> {
        let file = TensorFile::open(self.path(file)).unwrap();
        let tensors = file.tensors();
        let found = tensors.iter().find(|tensor| tensor.name == name).unwrap();
        found.to_bytes().unwrap().to_vec()
    }
}

#[test]
fn every_command_that_reads_pictures_turns_them_on_request() {
    let place = Place::new();
    place.check(
        "features --weights encoder.safetensors --size 16 --images DATA --out t.safetensors",
        |_| place.tensor("t.safetensors", "patch_tokens"),
    );
    let file = TensorFile::open(place.path("t.safetensors")).unwrap();
    assert_eq!(file.metadata()["orientation"], "stored");
    place.check(
        "encode --bundle first/bundle --images DATA --out f.safetensors",
        |_| place.tensor("f.safetensors", "features"),
    );
    place.check(
        "reconstruct --bundle first/bundle --images DATA --out pairs --no-pictures",
        |_| {
            let table = fs::read_to_string(place.path("pairs/metrics.csv")).unwrap();
            let figures = table.lines().map(|line| line.rsplit('"').next().unwrap());
            figures.map(String::from).collect::<Vec<_>>()
        },
    );
    let figures = |said: String| -> Vec<String> {
        let lines = said.lines().filter(|line| !line.contains("images"));
        lines.map(String::from).collect()
    };
    place.check(
        "stats --bundle first/bundle --dry-run --images DATA",
        figures,
    );
    place.check(
        "align-stats --bundle first/bundle --dry-run --images DATA",
        figures,
    );
    place.check(
        "distance --weights encoder.safetensors --size 16 --reference upright/a --samples DATA",
        |said| {
            let lines = said.lines().filter(|line| line.starts_with("patch mean"));
            lines.map(String::from).collect::<Vec<_>>()
        },
    );
    place.check(
        "probe --pixels --size 16 --train upright --test DATA --neighbours 1 --out probe",
        |_| {
            let text = fs::read_to_string(place.path("probe/probe.json")).unwrap();
            let page: serde_json::Value = serde_json::from_str(&text).unwrap();
            page["probes"][0]["knn"].to_string()
        },
    );
    let table = |run: &str| {
        let path = place.path(run);
        let table = fs::read_to_string(path.join("steps.csv")).unwrap();
        fs::remove_dir_all(path).unwrap();
        table
    };
    place.check(
        "train autoencoder --config autoencoder_tiny --max-steps 2 --workers 1 --encoder encoder.safetensors \
         --out again --data DATA",
        |_| table("again"),
    );
}

#[test]
fn what_was_made_of_turned_pictures_goes_on_with_turned_ones_only() {
    let place = Place::new();
    let cache = "cache --bundle first/bundle --out cache --data sideways";
    place.done(&format!("{cache} --orientation exif"));
    let (is_done, _, said) = place.run(cache);
    assert!(!is_done);
    let words = "pictures with --orientation exif there, stored asked for";
    assert!(said.contains(words), "{said}");

    let train =
        "train autoencoder --workers 1 --encoder encoder.safetensors --out run --data sideways";
    let begin = "--config autoencoder_tiny --max-steps 1 --orientation exif";
    place.done(&format!("{train} {begin}"));
    let (is_done, _, said) = place.run(&format!("{train} --resume --max-steps 2"));
    assert!(!is_done);
    let words = "read with --orientation exif, and are now with --orientation stored";
    assert!(said.contains(words), "{said}");
    place.done(&format!(
        "{train} --resume --max-steps 2 --orientation exif"
    ));
    let manifest = fs::read_to_string(place.path("run/bundle/manifest.json")).unwrap();
    assert!(
        manifest.contains("turned by their EXIF orientation"),
        "{manifest}"
    );
}
