//! What `svg info` says of damaged, unknown and other files, and how other messages are cut and named.

use std::fs;
use std::path::Path;

use burn::store::bridge;
use burn::tensor::TensorData;
use svg_nn::save_tensors;
use svg_train::flow::FlowTraining;
use svg_train::run::Training;

use super::support::{svg, text};

/// What the program prints on both outputs, and whether it succeeds.
fn run(folder: &Path, words: &[&str]) -> (bool, String) {
    let mut command = svg();
    let output = command.current_dir(folder).args(words).output().unwrap();
    (
        output.status.success(),
        text(&output.stdout) + &text(&output.stderr),
    )
}

fn save(path: &Path, tensors: &[(&str, Vec<f32>)]) {
    let tensors = tensors.iter().map(|(name, values)| {
        let data = TensorData::new(values.clone(), [values.len()]);
        bridge::from_data(data, name.to_string(), None)
    });
    save_tensors(path, &tensors.collect::<Vec<_>>(), Default::default()).unwrap();
}

#[test]
fn numbers_that_are_not_finite_are_found_by_reading_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    save(
        &path,
        &[("a", vec![1.0]), ("b", vec![1.0, f32::NAN, f32::INFINITY])],
    );
    let (succeeded, said) = run(folder.path(), &["info", "w.safetensors"]);
    assert!(!succeeded && said.contains("1 of 2 tensors"), "{said}");
    assert!(said.contains("not finite: b (2)"), "{said}");
    let (succeeded, said) = run(folder.path(), &["info", "--brief", "w.safetensors"]);
    assert!(succeeded && said.contains("none in the header"), "{said}");
    save(&path, &[("a", vec![1.0])]);
    let (succeeded, said) = run(folder.path(), &["info", "w.safetensors"]);
    assert!(succeeded && said.contains("none; it is whole"), "{said}");
}

#[test]
fn what_is_not_recognised_is_shown_by_its_first_names() {
    let folder = tempfile::tempdir().unwrap();
    let names: Vec<String> = (0..30).map(|number| format!("layer{number:02}")).collect();
    let tensors: Vec<_> = names
        .iter()
        .map(|name| (name.as_str(), vec![1.0]))
        .collect();
    save(&folder.path().join("w.safetensors"), &tensors);
    let (succeeded, said) = run(folder.path(), &["info", "--brief", "w.safetensors"]);
    assert!(succeeded && said.contains("not recognised"), "{said}");
    assert!(
        said.contains("layer07 and 22 more") && !said.contains("layer08"),
        "{said}"
    );
    fs::write(folder.path().join("x.json"), r#"{"alpha": 1, "beta": 2}"#).unwrap();
    let (succeeded, said) = run(folder.path(), &["info", "x.json"]);
    assert!(
        !succeeded && said.contains("the fields alpha, beta"),
        "{said}"
    );
    fs::create_dir(folder.path().join("sub")).unwrap();
    fs::write(folder.path().join("sub/notes.md"), "").unwrap();
    let (succeeded, said) = run(folder.path(), &["info", "sub"]);
    assert!(
        !succeeded && said.contains("the folder holds notes.md"),
        "{said}"
    );
}

#[test]
fn a_cause_is_said_once() {
    let folder = tempfile::tempdir().unwrap();
    for words in [
        &["info", "nowhere"][..],
        &[
            "features",
            "--weights",
            "nowhere",
            "--images",
            ".",
            "--out",
            "x.safetensors",
        ],
        &["decode", "nowhere", "--bundle", ".", "--out", "x"],
        &[
            "reconstruct",
            "--bundle",
            ".",
            "--images",
            "nowhere",
            "--vgg",
            "nowhere",
        ],
    ] {
        let (succeeded, said) = run(folder.path(), words);
        assert!(!succeeded, "{said}");
        assert!(
            said.matches("(os error 2)").count() <= 1,
            "{words:?}: {said}"
        );
    }
}

#[test]
fn a_field_of_another_type_is_named_in_every_part_of_a_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let json = FlowTraining::tiny().to_json();
    for (field, expected) in [
        ("steps", "steps: invalid type"),
        ("n_layers", "sit.n_layers: invalid type"),
        ("learning_rate", "optimizer.learning_rate: invalid type"),
    ] {
        let start = json.find(&format!("\"{field}\": ")).unwrap() + field.len() + 4;
        let end = start + json[start..].find([',', '\n']).unwrap();
        let wrong = format!("{}\"many\"{}", &json[..start], &json[end..]);
        fs::write(folder.path().join("c.json"), wrong).unwrap();
        let (succeeded, said) = run(folder.path(), &["info", "c.json"]);
        assert!(!succeeded && said.contains(expected), "{field}: {said}");
    }
}
