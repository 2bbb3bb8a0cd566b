//! From drawn pictures to samples with nothing but the program: an encoder, an autoencoder, a flow, samples, and
//! what is measured of them. Everything is small, but every loss must fall.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use svg_image::{DecodeOptions, ImageSet, RgbImage, decode, read_image};
use svg_model::{Bundle, FLOW, OpenOptions, Registry};
use svg_nn::TensorFile;
use svg_train::autoencoder::AutoencoderTraining;
use svg_train::flow::FlowTraining;
use svg_train::pretrain::Pretraining;
use svg_train::run::Training;

/// Channels of the encoder, and with them of the latents, which have four residual ones.
const CHANNELS: usize = 32;

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs the program there; what it prints.
    #[track_caller]
    fn svg(&self, words: &str) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_svg"));
        command.current_dir(&self.folder);
        let output = command.args(words.split_whitespace()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "svg {words}: {said}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// A column of a run's table.
    fn column(&self, run: &str, name: &str) -> Vec<f64> {
        let table = fs::read_to_string(self.path(run).join("steps.csv")).unwrap();
        let mut lines = table.lines();
        let mut head = lines.next().unwrap().split(',');
        let place = head.position(|column| column == name);
        let place = place.unwrap_or_else(|| panic!("{run} has no {name}"));
        let number = |line: &str| line.split(',').nth(place).unwrap().parse().unwrap();
        lines.map(number).collect()
    }

    /// The mean over the last tenth of the steps is at most `share` of that over the first tenth.
    ///
    /// With a learning rate of 1e-9 these runs came to 1.01, 1.06 and 1.00, and the deviation of such a quotient,
    /// from that of single steps, is 0.013, 0.025 and 0.016: the shares asked for here are ten of them away. The
    /// runs as they are came to 0.71, 0.49 and 0.54.
    #[track_caller]
    fn falls(&self, run: &str, name: &str, share: f64) {
        let values = self.column(run, name);
        assert!(values.iter().all(|value| value.is_finite()), "{values:?}");
        let tenth = values.len() / 10;
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let (first, last) = (
            mean(&values[..tenth]),
            mean(&values[values.len() - tenth..]),
        );
        println!(
            "{run}: {name} from {first:.4} to {last:.4}, {:.3} of it",
            last / first
        );
        assert!(
            last <= share * first,
            "{run}: {name} from {first} to {last}"
        );
    }

    fn picture(&self, name: &str) -> RgbImage {
        let image = read_image(self.path(name), &DecodeOptions::default()).unwrap();
        assert!(varies(&image), "{name} has one colour");
        image
    }

    fn json(&self, name: &str) -> Value {
        serde_json::from_slice(&fs::read(self.path(name)).unwrap()).unwrap()
    }
}

/// Whether neighbouring pixels are of several colours.
fn varies(image: &RgbImage) -> bool {
    let first = image.get_pixel(0, 0);
    image.pixels().any(|pixel| pixel != first)
}

fn pretraining() -> Pretraining {
    let mut config = Pretraining::smallest();
    let dino = config.network.dino_mut().unwrap();
    dino.d_model = CHANNELS;
    dino.d_ff = 64;
    config.steps = 100;
    config.batch_size = 16;
    config.optimizer.learning_rate = 2e-3;
    config.optimizer.warmup_steps = 10;
    config.teacher.momentum = [0.9, 1.0];
    config.samples_every = 50;
    config.checkpoint_every = 50;
    config
}

fn autoencoder() -> AutoencoderTraining {
    let mut config = AutoencoderTraining::tiny();
    let decoder = &mut config.network.svg_mut().unwrap().decoder;
    decoder.in_channels = CHANNELS + 4;
    decoder.width = 16;
    config.critic = None;
    config.steps = 100;
    config.batch_size = 8;
    config.optimizer.learning_rate = 2e-3;
    config.samples_every = 50;
    config.checkpoint_every = 50;
    config
}

fn flow() -> FlowTraining {
    let mut config = FlowTraining::tiny();
    let sit = config.network.sit_mut().unwrap();
    sit.in_channels = CHANNELS + 4;
    sit.d_model = 64;
    sit.d_ff = 128;
    sit.n_layers = 2;
    sit.n_classes = 10;
    config.steps = 150;
    config.batch_size = 16;
    config.optimizer.learning_rate = 2e-3;
    config.samples_every = 75;
    config.checkpoint_every = 75;
    config
}

#[test]
fn everything_learns_and_every_file_opens() {
    let place = Place {
        folder: tempfile::tempdir().unwrap(),
    };
    let write = |name: &str, json: String| fs::write(place.path(name), json).unwrap();
    write("pretrain.json", pretraining().to_json());
    write("autoencoder.json", autoencoder().to_json());
    write("flow.json", flow().to_json());

    place.svg("dataset shapes --count 200 --test-count 50 --size 16 --out shapes");
    let sides = "--data shapes/train --validation shapes/test";
    place.svg(&format!(
        "pretrain --config pretrain.json {sides} --out encoder"
    ));
    place.falls("encoder", "loss", 0.85);
    let encoder = "encoder/encoder.safetensors";

    let words = format!("train autoencoder --config autoencoder.json {sides} --encoder {encoder}");
    place.svg(&format!("{words} --out first"));
    place.falls("first", "l1", 0.75);

    place.svg("stats --bundle first/bundle --images shapes/train");
    place.svg(&format!(
        "train flow --config flow.json {sides} --bundle first/bundle --out second"
    ));
    place.falls("second", "loss", 0.75);

    let settings = "--steps 5 --guidance 1.5 --shift 0.4 --seed 1";
    place.svg(&format!(
        "sample --bundle second/bundle --classes all --count 2 {settings} --out samples"
    ));
    let probes = "probe --train shapes/train --test shapes/test --bundle second/bundle \
                  --of features,residual,latents --pixels --out probe";
    let probed = place.svg(probes);
    assert_eq!(
        probed.lines().filter(|line| line.contains(" 200 ")).count(),
        4,
        "{probed}"
    );
    let distance = place.svg(
        "distance --bundle second/bundle --reference shapes/test --samples samples --batch 20",
    );
    assert!(distance.contains("patch mean"), "{distance}");

    everything_opens(&place);
    everything_is_known(&place);
    #[cfg(unix)]
    every_file_is_ordinary(&place);
}

/// Documents, weights, pictures, checkpoints and bundles have the permissions of any other file, and their
/// folders those of any other folder.
#[cfg(unix)]
fn every_file_is_ordinary(place: &Place) {
    use std::os::unix::fs::PermissionsExt;
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode();
    let (file, folder) = (place.path("ordinary"), place.path("folder"));
    fs::write(&file, "").unwrap();
    fs::create_dir(&folder).unwrap();
    let (file, folder) = (mode(&file), mode(&folder));
    let mut folders = vec![place.path("")];
    let mut seen = 0;
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            let expected = if path.is_dir() { folder } else { file };
            let found = mode(&path);
            assert_eq!(found, expected, "{}: {found:o}", path.display());
            folders.extend(path.is_dir().then_some(path));
            seen += 1;
        }
    }
    assert!(seen > 300, "looked at {seen} files");
}

/// `svg info` knows every file that the commands have written, and the folders of runs, caches and bundles.
fn everything_is_known(place: &Place) {
    let bundle = "--bundle first/bundle";
    place.svg(&format!(
        "encode {bundle} --images shapes/test --limit 6 --out features.safetensors"
    ));
    place.svg(&format!(
        "decode {bundle} features.safetensors --out decoded --raw raw.safetensors"
    ));
    place.svg("features --weights encoder/encoder.safetensors --size 16 --images shapes/test --limit 6 --out tokens.safetensors");
    place.svg(&format!("cache {bundle} --data shapes/test --out cache"));
    let noise = "--latents noise.safetensors";
    place.svg(&format!(
        "sample --bundle second/bundle --classes 0,1 --steps 2 {noise} --out noised"
    ));
    let kept = "--save-reference moments.safetensors";
    place.svg(&format!(
        "distance {bundle} --reference shapes/test --samples samples {kept}"
    ));
    place.svg("export flow --bundle second/bundle --out flow.safetensors");
    place.svg(&format!(
        "export autoencoder {bundle} --out autoencoder.safetensors"
    ));

    let mut files = Vec::new();
    let mut folders = vec![place.path("")];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false if path.ends_with(".lock") => {}
                false => files.push(path.strip_prefix(&place.folder).unwrap().to_path_buf()),
            }
        }
    }
    let all = files.iter().map(|file| file.to_str().unwrap());
    let own = [
        "encoder",
        "first",
        "second",
        "second/bundle",
        "cache",
        "shapes/test",
    ];
    let all: Vec<_> = all
        .chain(own)
        .chain(["first/checkpoints/step-00000100"])
        .collect();
    let said = place.svg(&format!("info {}", all.join(" ")));
    assert!(!said.contains("not recognised"), "{said}");
    assert_eq!(
        said.matches("  problems      none").count(),
        all.len(),
        "{said}"
    );
    for expected in [
        "features of `svg encode`: 6 rows of [16, 36]",
        "tokens of `svg features`: 6 rows of [16, 32]",
        "images of `svg decode --raw`: 6 rows of [3, 16, 16]",
        "noise and latents of `svg sample`: 2 rows",
        "shard 0 of a cache: 50 pictures",
        "cache of features, for `svg train flow --cache`",
        "moments of features, for `svg distance`",
        "latent statistics",
        "alignment statistics of an autoencoder",
        "velocity network SiT, for `svg import flow`",
        "autoencoder of SVG, for `svg import autoencoder`",
        "a configuration of `svg train flow`",
        "a configuration of `svg train autoencoder`",
        "a configuration of `svg pretrain`",
        "the state of an optimiser",
        "checkpoint of a training, for --resume",
        "run of a training",
        "SVG bundle, format 3",
        "picture       16 x 16 pixels",
        "all finite",
    ] {
        assert!(said.contains(expected), "{expected} is not in {said}");
    }
    // A file of which one bit has changed is no longer what was written.
    let damage = |name: &str| {
        let path = place.path(name);
        let mut bytes = fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&path, bytes).unwrap();
    };
    let bundle = Bundle::open(&place.path("second/bundle")).unwrap();
    let flow = bundle.part(FLOW).unwrap().file(FLOW).unwrap();
    let flow = format!("second/bundle/{flow}");
    for (file, folder) in [
        ("cache/shard-00000.safetensors", "cache"),
        (
            "first/checkpoints/step-00000100/generator-optimizer.bpk",
            "first",
        ),
        (flow.as_str(), "second/bundle"),
    ] {
        damage(file);
        let mut command = Command::new(env!("CARGO_BIN_EXE_svg"));
        let output = command
            .current_dir(&place.folder)
            .args(["info", folder])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(
            !output.status.success() && said.contains("problem:"),
            "{said}"
        );
        damage(file);
    }
}

fn everything_opens(place: &Place) {
    place.picture("shapes/sheet.png");
    for (run, steps) in [("encoder", 100), ("first", 100), ("second", 150)] {
        place.picture(&format!("{run}/samples/step-{steps:08}.png"));
        place.json(&format!("{run}/config.json"));
        assert_eq!(place.column(run, "step").len(), steps);
    }
    for kind in ["knn", "linear"] {
        let probes = place.json("probe/probe.json");
        for probe in probes["probes"].as_array().unwrap() {
            let accuracy = probe[kind]["accuracy"].as_f64().unwrap();
            assert!((0.0..=1.0).contains(&accuracy), "{probe}");
            place.picture(&format!(
                "probe/{}",
                probe[kind]["picture"].as_str().unwrap()
            ));
        }
    }
    place.svg("info --brief encoder/encoder.safetensors second/bundle");
    let file = TensorFile::open(place.path("encoder/encoder.safetensors")).unwrap();
    assert!(!file.tensors().is_empty());
    let bundle = Bundle::open(&place.path("second/bundle")).unwrap();
    let device = burn::prelude::Device::default();
    let options = OpenOptions::default();
    let generator = Registry::standard().generator(&bundle, &options, &device);
    generator.unwrap();

    let set = ImageSet::open(&[place.path("samples")]).unwrap();
    assert_eq!(set.len(), 20);
    let mut seen = Vec::new();
    for index in 0..set.len() {
        let image = decode(&set.read(index).unwrap(), &DecodeOptions::default()).unwrap();
        assert_eq!(image.dimensions(), (16, 16));
        assert!(varies(&image), "{} has one colour", set.name(index));
        assert!(!seen.contains(&image), "{} is there twice", set.name(index));
        seen.push(image);
    }
    place.picture("samples-sheet.png");
}
