//! Bundles of format 2, as the program wrote them before bundles of named parts.

use std::fs;
use std::path::{Path, PathBuf};

use svg_model::{Bundle, ENCODER, FORMAT};
use svg_nn::TensorFile;

use crate::support::{svg, text};

/// A copy of the old bundle in a folder of its own.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        fs::create_dir(place.path("bundle")).unwrap();
        for entry in fs::read_dir(data().join("format-2")).unwrap() {
            let from = entry.unwrap().path();
            let to = place.path("bundle").join(from.file_name().unwrap());
            fs::copy(from, to).unwrap();
        }
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    #[track_caller]
    fn run(&self, arguments: &str) -> String {
        let mut command = svg();
        let command = command
            .current_dir(self.0.path())
            .env("BURN_DEVICE", "flex");
        let output = command.args(arguments.split_whitespace()).output().unwrap();
        assert!(
            output.status.success(),
            "{arguments}: {}",
            text(&output.stderr)
        );
        text(&output.stdout)
    }
}

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/data")
}

fn numbers(path: &Path, name: &str) -> Vec<f32> {
    let file = TensorFile::open(path).unwrap();
    let tensor = file.tensors().iter().find(|tensor| tensor.name == name);
    let bytes = tensor.unwrap().to_bytes().unwrap();
    let words = bytes.chunks_exact(4);
    words
        .map(|word| f32::from_le_bytes(word.try_into().unwrap()))
        .collect()
}

#[test]
fn it_opens_as_parts_with_the_fingerprints_of_its_time() {
    let place = Place::new();
    let bundle = Bundle::open(&place.path("bundle")).unwrap();
    assert_eq!(bundle.manifest().format, 2);
    let parts: Vec<_> = bundle.manifest().parts.keys().collect();
    assert_eq!(parts, ["encoder", "flow", "latents", "space"]);
    // The flow says to which features it belongs, in the words of the program that trained it.
    let (flow, _) = bundle.matching_flow().unwrap();
    assert_eq!(flow.classes.len(), 10);
    assert_eq!(flow.provenance.steps, Some(8));
    let said = place.run("info bundle");
    assert!(
        said.contains("format 2") && said.contains("problems      none"),
        "{said}"
    );
}

#[test]
fn it_samples_what_it_sampled_then() {
    let place = Place::new();
    place.run(
        "sample --bundle bundle --classes 0,1 --count 2 --steps 3 --guidance 1.5 --out s.png --latents now.safetensors",
    );
    let then = data().join("format-2-latents.safetensors");
    for name in ["noise", "latents"] {
        let (now, then) = (
            numbers(&place.path("now.safetensors"), name),
            numbers(&then, name),
        );
        assert_eq!(now.len(), then.len());
        // Processors round products of matrices differently.
        let far = now.iter().zip(&then).map(|(a, b)| (a - b).abs());
        let far = far.fold(0.0, f32::max);
        assert!(far < 1e-5, "{name}: {far}");
    }
}

#[test]
fn it_trains_on_and_becomes_one_of_named_parts() {
    let place = Place::new();
    place.run("dataset shapes --size 16 --count 20 --out data");
    let config = data().join("format-2-flow.json");
    fs::copy(config, place.path("flow.json")).unwrap();
    place.run(
        "train flow --config flow.json --data data/train --bundle bundle --max-steps 2 --out run",
    );
    let trained = Bundle::open(&place.path("run/bundle")).unwrap();
    assert_eq!(trained.manifest().format, FORMAT);
    trained.matching_flow().unwrap();
    let mut files = trained.manifest().files();
    assert!(files.all(|(name, entry)| name.contains(&entry.sha256[..8])));
    assert!(trained.weights(ENCODER).unwrap().is_file());
    // The old one is as it was.
    assert_eq!(
        Bundle::open(&place.path("bundle"))
            .unwrap()
            .manifest()
            .format,
        2
    );

    let before = trained.features_fingerprint();
    place.run("align-stats --bundle bundle --images data/train");
    let mut aligned = Bundle::open(&place.path("bundle")).unwrap();
    assert_eq!(aligned.manifest().format, FORMAT);
    assert_ne!(aligned.features_fingerprint(), before);
    let refused = aligned.matching_flow().map(|_| ()).unwrap_err().to_string();
    assert!(refused.contains("svg stats"), "{refused}");
    place.run("stats --bundle bundle --images data/train");
    aligned = Bundle::open(&place.path("bundle")).unwrap();
    assert!(aligned.latent_statistics().unwrap().is_some());
}
