//! Making an encoder as a user meets it: killed, interrupted, resumed, and asked for what cannot be.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use burn::prelude::Device;
use svg_dino::{Dino, DinoConfig, RopePeriods};
use svg_image::{DecodeOptions, Rgb, RgbImage, read_image, save_png};
use svg_nn::TensorFile;
use svg_train::pretrain::Pretraining;
use svg_train::run::Training;

use crate::support::{svg, text};
use crate::trained::{Trained, succeed};

/// Pictures of two classes, and a configuration.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        (0..24).for_each(|number| place.picture(["data/dark", "data/light"], number));
        place.configure("config.json", |config| config.steps = 100_000);
        place
    }

    fn configure(&self, name: &str, change: impl Fn(&mut Pretraining)) {
        let mut config = Pretraining::smallest();
        change(&mut config);
        fs::write(self.path(name), config.to_json()).unwrap();
    }

    fn picture(&self, folders: [&str; 2], number: u32) {
        let class = self.path(folders[number as usize % 2]);
        fs::create_dir_all(&class).unwrap();
        let image = RgbImage::from_fn(20, 16, |x, y| {
            let level = 120 * (number % 2) as u8;
            Rgb([level + (x * 5) as u8, (y * 13) as u8, (number * 9) as u8])
        });
        save_png(&image, class.join(format!("{number}.png")), &[]).unwrap();
    }

    fn table(&self, run: &str) -> String {
        fs::read_to_string(self.path(run).join("steps.csv")).unwrap()
    }
}

impl Trained for Place {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `svg pretrain` into a run, with more words.
    fn train(&self, run: &str, words: &str) -> Command {
        let mut command = svg();
        command.current_dir(&self.folder);
        command.args(["pretrain", "--workers", "1", "--out", run]);
        if !words.contains("--data") {
            command.args(["--data", "data"]);
        }
        if !words.contains("--resume") && !words.contains("--config") {
            command.args(["--config", "config.json"]);
        }
        command.args(words.split_whitespace());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

#[test]
fn a_finished_run_leaves_an_encoder_that_other_commands_read() {
    let place = Place::new();
    let output = place.finish("run", "--config smallest");
    let said = text(&output.stderr);
    assert!(said.contains("24 pictures"), "{said}");
    assert!(said.contains("step 20: k-NN accuracy"), "{said}");
    let page = fs::read_to_string(place.path("run/config.json")).unwrap();
    assert_eq!(
        Pretraining::from_json(&page).unwrap(),
        Pretraining::smallest()
    );
    let table = place.table("run");
    assert_eq!(table.lines().count(), 21, "{table}");
    for column in ["loss", "class", "patch", "spread", "judge/class_token"] {
        let head = table.lines().next().unwrap();
        assert!(head.split(',').any(|name| name == column), "{head}");
    }
    // Each of the asked pictures with its neighbours.
    let sheet = place.path("run/samples/step-00000020.png");
    let sheet = read_image(sheet, &DecodeOptions::default()).unwrap();
    assert!(sheet.width() > 3 * 16 && sheet.height() > 3 * 16);

    let mut command = svg();
    let info = command
        .args(["info", "--brief"])
        .arg(place.path("run/encoder.safetensors"));
    let info = text(&succeed(info).stdout);
    for expected in ["official", "16 channels"] {
        assert!(info.contains(expected), "{info}");
    }
    let mut command = svg();
    command.current_dir(&place.folder);
    let words =
        "features --weights run/encoder.safetensors --images data --size 16 --out t.safetensors";
    succeed(command.args(words.split(' ')));
    let tokens = TensorFile::open(place.path("t.safetensors")).unwrap();
    let shape = |name: &str| {
        let found = tokens.tensors().iter().find(|tensor| tensor.name == name);
        found.unwrap().shape.to_vec()
    };
    assert_eq!(shape("patch_tokens"), [24, 16, 16]);
    assert_eq!(shape("cls"), [24, 16]);
    let dino = Dino::load(place.path("run/encoder.safetensors"), &Device::default());
    let network = Pretraining::smallest().network;
    let config = network.dino().unwrap().clone().with_layer_scale(1e-5);
    assert_eq!(*dino.unwrap().config(), config);
}

#[test]
fn a_run_killed_at_many_moments_is_the_run_that_was_not() {
    Place::new().survives_kills(8, 5);
}

#[cfg(unix)]
#[test]
fn an_interrupt_writes_a_checkpoint_from_which_the_run_goes_on() {
    Place::new().survives_an_interrupt();
}

#[test]
fn other_data_and_configurations_are_refused_with_advice() {
    let place = Place::new();
    place.finish("run", "--max-steps 2");
    let said = place.refused("run", "--config config.json");
    assert!(said.contains("--resume"), "{said}");
    let said = place.refused("new", "--resume");
    assert!(said.contains("checkpoint"), "{said}");
    place.configure("other.json", |config| config.batch_size = 5);
    let said = place.refused("run", "--resume --config other.json");
    assert!(said.contains("--config differs from"), "{said}");
    place.configure("exact.json", |config| {
        config.network.dino_mut().unwrap().rope_periods = svg_dino::RopePeriods::Exact;
    });
    let said = place.refused("new", "--config exact.json");
    assert!(said.contains("set it to \"Bf16Rounded\""), "{said}");

    place.picture(["data/dark", "data/light"], 98);
    let said = place.refused("run", "--resume --max-steps 4");
    assert!(
        said.contains("there were 24 pictures and there are 25") && said.contains("--force-data"),
        "{said}"
    );
    let forced = place.finish("run", "--resume --max-steps 4 --force-data");
    let said = text(&forced.stderr);
    assert!(said.contains("going on with other data"), "{said}");
    // From now on these are its data.
    place.finish("run", "--resume --max-steps 5");
    assert_eq!(place.run("run").last_row(), 5);
}

#[test]
fn pictures_without_classes_are_learned_from_and_nobody_speaks_of_neighbours() {
    let place = Place::new();
    (0..6).for_each(|number| place.picture(["flat", "flat"], number));
    let output = place.finish("run", "--config smallest --data flat");
    let said = text(&output.stderr);
    assert!(
        !said.contains("k-NN") && !said.contains("neighbours"),
        "{said}"
    );
    let table = place.table("run");
    assert_eq!(table.lines().count(), 21, "{table}");
    assert!(!table.contains("judge"), "{table}");
    assert!(!place.path("run/samples").exists());
    assert!(place.path("run/encoder.safetensors").is_file());
}

/// Two blocks of the released S+/16: patches of 16 pixels, 384 channels, SwiGLU.
#[test]
fn a_network_with_swiglu_trains_resumes_exactly_and_opens() {
    let place = Place::new();
    place.configure("swiglu.json", |config| {
        *config.network.dino_mut().unwrap() = DinoConfig::vits16plus()
            .with_rope_periods(RopePeriods::Bf16Rounded)
            .with_layer_scale(0.1);
        config.network.dino_mut().unwrap().n_layers = 2;
        config.data.size = 64;
        config.views.global.size = 64;
        config.views.local.size = 32;
        config.batch_size = 2;
        config.checkpoint_every = 2;
    });
    let config = "--config swiglu.json";
    place.finish("whole", &format!("{config} --max-steps 5"));
    place.finish("parts", &format!("{config} --max-steps 3"));
    place.finish("parts", "--resume --max-steps 5");
    let (whole, parts) = (place.run("whole"), place.run("parts"));
    parts.assert_same(&whole, 5);
    let losses = place.table("whole");
    assert_eq!(losses.lines().count(), 6, "{losses}");
    let encoder = Dino::load(whole.0.join("encoder.safetensors"), &Device::default());
    let encoder = encoder.unwrap();
    assert_eq!(
        encoder.config().feed_forward,
        svg_dino::FeedForwardKind::SwiGlu
    );
}
