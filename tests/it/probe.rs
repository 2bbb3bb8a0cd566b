//! Probing as a user meets it: a table, pictures, a page of counts, and advice.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use svg_image::{DecodeOptions, read_image};

/// A folder with 150 shapes to learn from and 50 to be asked about.
struct Place {
    folder: tempfile::TempDir,
}

const SIDES: &str = "probe --train shapes/train --test shapes/test";

impl Place {
    fn new() -> Self {
        let place = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        place.done("dataset shapes --count 150 --test-count 50 --size 16 --out shapes");
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Whether it ended well, and what was said.
    fn svg(&self, arguments: &str) -> (bool, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_svg"))
            .args(arguments.split_whitespace())
            .current_dir(self.folder.path())
            .output()
            .unwrap();
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        (output.status.success(), text)
    }

    #[track_caller]
    fn done(&self, arguments: &str) -> String {
        let (success, text) = self.svg(arguments);
        assert!(success, "{arguments}: {text}");
        text
    }

    #[track_caller]
    fn refused(&self, arguments: &str, says: &str) {
        let (success, text) = self.svg(arguments);
        assert!(!success && text.contains(says), "{arguments}: {text}");
        assert!(!text.contains("panicked"), "{text}");
    }

    fn page(&self, name: &str) -> Value {
        serde_json::from_slice(&fs::read(self.path(name)).unwrap()).unwrap()
    }
}

#[test]
fn pixels_give_a_line_two_pictures_and_a_page() {
    let place = Place::new();
    let said = place.done(&format!("{SIDES} --pixels --size 8 --out probe"));
    let line = said
        .lines()
        .find(|line| line.starts_with("pixels"))
        .unwrap();
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(words[..7], ["pixels", "-", "8", "192", "150", "50", "10"]);
    assert_eq!(words[7], "0.1000");

    let page = place.page("probe/probe.json");
    let probe = &page["probes"][0];
    for (at, kind) in [(8, "knn"), (9, "linear")] {
        let accuracy = probe[kind]["accuracy"].as_f64().unwrap();
        assert!((0.0..=1.0).contains(&accuracy));
        assert_eq!(words[at], format!("{accuracy:.4}"));
        let counts = probe[kind]["confusion"].as_array().unwrap();
        let all = counts.iter().flat_map(|row| row.as_array().unwrap());
        assert_eq!(all.map(|count| count.as_u64().unwrap()).sum::<u64>(), 50);
        let picture = place.path(&format!("probe/confusion-{kind}.png"));
        let picture = read_image(picture, &DecodeOptions::default()).unwrap();
        assert_eq!(picture.dimensions(), (480, 480));
        let drawing = place.path(&format!("probe/confusion-{kind}.svg"));
        assert!(fs::read_to_string(drawing).unwrap().contains("crescent"));
    }
    assert_eq!(page["train"]["pictures"], 150);
    assert_eq!(page["classes"].as_array().unwrap().len(), 10);
    assert_eq!(page["train"]["data"]["sha256"].as_str().unwrap().len(), 64);
}

#[test]
fn an_encoder_is_probed_beside_pixels_and_twice_the_same() {
    let place = Place::new();
    place.done(
        "init encoder --d-model 16 --layers 1 --heads 2 --d-ff 32 --patch 4 --seed 7 --out e.safetensors",
    );
    let probe = format!(
        "{SIDES} --weights e.safetensors --size 16 --pool mean,cls,tokens --pixels --limit 5 --out"
    );
    place.done(&format!("{probe} one --batch 64"));
    place.done(&format!("{probe} two --batch 7"));
    let (one, two) = (place.page("one/probe.json"), place.page("two/probe.json"));
    let probes = one["probes"].as_array().unwrap();
    let channels: Vec<_> = probes
        .iter()
        .map(|probe| probe["channels"].as_u64())
        .collect();
    assert_eq!(channels, [16, 16, 256, 768].map(Some));
    for (one, two) in probes.iter().zip(two["probes"].as_array().unwrap()) {
        for kind in ["knn", "linear"] {
            let accuracy = |page: &Value| page[kind]["accuracy"].as_f64().unwrap();
            assert!((0.0..=1.0).contains(&accuracy(one)));
            // A question on the border may fall to the other side by rounding.
            assert!((accuracy(one) - accuracy(two)).abs() <= 0.021);
        }
        let picture = one["knn"]["picture"].as_str().unwrap();
        assert!(place.path("one").join(picture).is_file(), "{picture}");
    }
    assert_eq!(one["train"]["pictures"], 50);
}

#[test]
fn what_cannot_be_probed_is_refused_with_advice() {
    let place = Place::new();
    place.refused(SIDES, "name an encoder by --weights");
    place.refused(&format!("{SIDES} --pixels --of latents"), "--bundle");
    place.refused(
        &format!("{SIDES} --pixels --temperature 0"),
        "expected a number from 0.001 to 100",
    );
    let one = "probe --train shapes/train/star --test shapes/test/star --pixels";
    place.refused(one, "one class, star");
    fs::remove_dir_all(place.path("shapes/test/star")).unwrap();
    place.refused(
        &format!("{SIDES} --pixels"),
        "--train has the class star, which --test lacks",
    );
    fs::remove_dir_all(place.path("shapes/train/star")).unwrap();
    fs::write(place.path("shapes/train/ring/00000.png"), "broken").unwrap();
    place.refused(
        &format!("{SIDES} --pixels"),
        "take out those that are broken",
    );
}

#[test]
fn parts_of_a_data_set_are_not_merged_and_what_is_not_read_is_counted() {
    let place = Place::new();
    let merged = "probe --train shapes --test shapes/test --pixels --size 16";
    place.refused(merged, "give one of them, such as shapes/t");
    place.refused(
        "pretrain --config tiny --data shapes --out run",
        "parts of a data set (test, train)",
    );
    fs::write(place.path("shapes/train/arrow/1.heic"), "").unwrap();
    let said = place.done(&format!("{SIDES} --pixels --size 16"));
    let note = "note: shapes/train: 1 .heic picture is not read here";
    assert!(said.contains(note), "{said}");
}
