//! The same pictures as a folder, a tar, shards of WebDataset and tables of `datasets`, written by those libraries
//! (`crates/svg-image/tests/sets/export.py`), give the same training.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use svg_image::{DecodeOptions, ImageSet, decode};
use svg_nn::TensorFile;
use svg_train::autoencoder::AutoencoderTraining;
use svg_train::run::Training;

use crate::support::{svg, text};

/// Paths below the folder of the forms, as a user would give them.
const FORMS: [&str; 4] = [
    "folder",
    "set.tar",
    "shard-{000000..000001}.tar",
    "train-*.parquet",
];

fn forms() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/svg-image/tests/sets/forms")
}

#[test]
fn classes_order_and_pictures_are_the_same() {
    for form in FORMS {
        let set = ImageSet::open(&[forms().join(form)]).unwrap();
        assert!(set.notes().is_empty(), "{form}: {:?}", set.notes());
        let (names, labels) = set.classes().unwrap();
        // WebDataset stores numbers.
        let expected = if form.starts_with("shard") {
            ["0", "1"]
        } else {
            ["cat", "dog"]
        };
        assert_eq!(names, expected, "{form}");
        assert_eq!(labels, [0, 0, 0, 0, 0, 1, 1, 1, 1, 1], "{form}");
        for (index, label) in labels.into_iter().enumerate() {
            let image = decode(&set.read(index).unwrap(), &DecodeOptions::default()).unwrap();
            assert_eq!(image.dimensions(), (20, 18), "{form}");
            let blue = (50 * (index % 5) + label) as u8;
            assert_eq!(
                image.get_pixel(19, 17).0,
                [171, 187, blue],
                "{form}, {index}"
            );
        }
    }
}

#[test]
fn caches_and_trainings_are_the_same_bytes() {
    let place = tempfile::tempdir().unwrap();
    let done = |words: &[&str]| {
        let output = svg()
            .current_dir(place.path())
            .args(words)
            .output()
            .unwrap();
        let said = text(&output.stderr);
        assert!(output.status.success(), "{words:?}: {said}");
    };
    let sizes = "init encoder --d-model 16 --layers 1 --heads 2 --d-ff 32 --patch 4 --out encoder.safetensors";
    done(&sizes.split(' ').collect::<Vec<_>>());
    let mut config = AutoencoderTraining::tiny();
    config.steps = 3;
    fs::write(place.path().join("config.json"), config.to_json()).unwrap();

    let mut made = BTreeMap::new();
    for (number, form) in FORMS.into_iter().enumerate() {
        let data = forms().join(form).display().to_string();
        let (run, cache) = (format!("run-{number}"), format!("cache-{number}"));
        let encoder = [
            "--encoder",
            "encoder.safetensors",
            "--config",
            "config.json",
        ];
        done(
            &[
                &["train", "autoencoder", "--data", &data, "--out", &run],
                &encoder[..],
            ]
            .concat(),
        );
        done(&[
            "cache",
            "--bundle",
            "run-0/bundle",
            "--data",
            &data,
            "--out",
            &cache,
        ]);
        let (bundle, shards) = (
            tensors(&place.path().join(format!("{run}/bundle"))),
            tensors(&place.path().join(cache)),
        );
        assert!(!bundle.is_empty() && !shards.is_empty(), "{form}");
        made.insert(form, (bundle, shards));
    }
    let first = &made[FORMS[0]];
    for (form, (bundle, shards)) in &made {
        assert!(bundle == &first.0, "the bundle from {form} differs");
        assert!(shards == &first.1, "the cache from {form} differs");
    }
}

/// The bytes of all tensors in a folder. What stands beside them names the pictures and the data.
fn tensors(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "safetensors") {
            let file = path.file_name().unwrap().to_string_lossy();
            for tensor in TensorFile::open(&path).unwrap().tensors() {
                let name = format!("{file}/{}", tensor.name);
                all.insert(name, tensor.to_bytes().unwrap().to_vec());
            }
        }
    }
    all
}
