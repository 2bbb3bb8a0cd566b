//! Training a flow as a user meets it: killed, interrupted, resumed, and asked for what cannot be.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use svg_image::{Rgb, RgbImage, save_png};
use svg_model::{Bundle, FLOW, LatentStatistics, OpenOptions, Registry, StoredLatentStatistics};
use svg_sit::SitConfig;
use svg_train::flow::FlowTraining;
use svg_train::run::Training;

use crate::support::{svg, text};
use crate::trained::{Trained, succeed};

/// Pictures of two classes, a bundle with latent statistics, and a configuration.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        (0..7).for_each(|number| place.picture(number));
        let mut config = FlowTraining::tiny();
        config.steps = 100_000;
        config.samples_every = 1_000;
        place.configure(&config);
        place.bundle("bundle", "1");
        place
    }

    fn configure(&self, config: &FlowTraining) {
        fs::write(self.path("config.json"), config.to_json()).unwrap();
    }

    fn picture(&self, number: u32) {
        let class = self.path(["data/dark", "data/light"][number as usize % 2]);
        fs::create_dir_all(&class).unwrap();
        let image = RgbImage::from_fn(20, 16, |x, y| {
            let level = 120 * (number % 2) as u8;
            Rgb([level + (x * 5) as u8, (y * 13) as u8, (number * 37) as u8])
        });
        save_png(&image, class.join(format!("{number}.png")), &[]).unwrap();
    }

    /// A tiny autoencoder of two steps, with the statistics of its latents.
    fn bundle(&self, name: &str, seed: &str) {
        let encoder = self.path(&format!("{name}.encoder.safetensors"));
        let sizes = "init encoder --d-model 16 --layers 1 --heads 2 --d-ff 32 --patch 4 --seed";
        let words: Vec<_> = sizes.split(' ').chain([seed, "--out"]).collect();
        succeed(svg().args(words).arg(&encoder));
        let (data, run) = (self.path("data"), self.path(&format!("{name}.run")));
        let words = "train autoencoder --config autoencoder_tiny --max-steps 2 --workers 1 --data";
        succeed(
            svg()
                .args(words.split(' '))
                .arg(&data)
                .arg("--encoder")
                .arg(&encoder)
                .arg("--out")
                .arg(&run),
        );
        fs::rename(run.join("bundle"), self.path(name)).unwrap();
        self.stats(name, 0.0);
    }

    /// Statistics by which the latents are about of unit size.
    fn stats(&self, name: &str, mean: f64) {
        let mut bundle = Bundle::open(&self.path(name)).unwrap();
        let statistics = LatentStatistics {
            mean: vec![mean; 20],
            std: vec![1.5; 20],
        };
        let stored = StoredLatentStatistics {
            statistics,
            features: bundle.features_fingerprint(),
            tokens: 0,
            source: "a test".to_string(),
        };
        bundle.set_latent_statistics(&stored).unwrap();
    }

    fn word(&self, option: &str, path: &str) -> String {
        format!("{option} {}", self.path(path).display())
    }
}

impl Trained for Place {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `svg train flow` into a run, with more words.
    fn train(&self, run: &str, words: &str) -> Command {
        let mut command = svg();
        command.args(["train", "flow", "--workers", "1"]);
        if !words.contains("--data") && !words.contains("--cache") {
            command.arg("--data").arg(self.path("data"));
        }
        if !words.contains("--bundle") {
            command.arg("--bundle").arg(self.path("bundle"));
        }
        if !words.contains("--resume") && !words.contains("--config") {
            command.arg("--config").arg(self.path("config.json"));
        }
        command.arg("--out").arg(self.path(run));
        command.args(words.split_whitespace());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
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
fn other_data_bundles_and_statistics_are_refused() {
    let place = Place::new();
    place.finish("run", "--max-steps 2");
    place.picture(98);
    let said = place.refused("run", "--resume --max-steps 4");
    assert!(
        said.contains("there were 7 pictures and there are 8"),
        "{said}"
    );
    let forced = place.finish("run", "--resume --max-steps 3 --force-data");
    assert!(text(&forced.stderr).contains("going on with other data"));
    place.bundle("other", "2");
    let said = place.refused(
        "run",
        &format!("--resume {}", place.word("--bundle", "other")),
    );
    assert!(
        said.contains("it began with a bundle whose features are"),
        "{said}"
    );
    place.stats("bundle", 0.5);
    let said = place.refused("run", "--resume");
    assert!(
        said.contains("it began with the latent statistics"),
        "{said}"
    );
}

#[cfg(unix)]
#[test]
fn a_bundle_may_change_while_a_run_trains_on_it() {
    let place = Place::new();
    let child = place.train("run", "").spawn().unwrap();
    let run = place.run("run");
    run.wait_for_row(2);
    for command in ["align-stats", "stats"] {
        let mut svg = svg();
        svg.args([command, "--bundle"]).arg(place.path("bundle"));
        succeed(svg.arg("--images").arg(place.path("data")));
    }
    let id = child.id().to_string();
    let sent = Command::new("kill").args(["-INT", &id]).status();
    assert!(sent.unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", text(&output.stderr));
    let end = run.newest().unwrap() + 2;
    let said = place.refused("run", "--resume");
    assert!(said.contains("its copy in the folder `base`"), "{said}");
    fs::remove_dir_all(place.path("bundle")).unwrap();
    let base = place.word("--bundle", "run/base");
    place.finish("run", &format!("--resume --max-steps {end} {base}"));
    let bundle = Bundle::open(&place.path("run/bundle")).unwrap();
    bundle.matching_flow().unwrap();
    assert_eq!(bundle.part(FLOW).unwrap().provenance.steps, Some(end));
}

#[test]
fn the_last_step_waits_for_a_process_that_changes_the_model_of_an_earlier_end() {
    let place = Place::new();
    place.finish("run", "--max-steps 1");
    let held = Bundle::open_to_change(&place.path("run/bundle")).unwrap();
    let mut child = place
        .train("run", "--resume --max-steps 2")
        .spawn()
        .unwrap();
    let run = place.run("run");
    run.wait_for_row(2);
    std::thread::sleep(Duration::from_millis(700));
    assert!(child.try_wait().unwrap().is_none(), "it waits");
    drop(held);
    let output = child.wait_with_output().unwrap();
    let said = text(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("it is waited for"), "{said}");
    let bundle = Bundle::open(&place.path("run/bundle")).unwrap();
    assert_eq!(bundle.part(FLOW).unwrap().provenance.steps, Some(2));
}

#[test]
fn what_does_not_fit_is_named_on_both_sides() {
    let place = Place::new();
    let refuse = |change: &dyn Fn(&mut FlowTraining), expected: &str| {
        let mut config = FlowTraining::tiny();
        change(&mut config);
        place.configure(&config);
        let said = place.refused("run", "");
        assert!(said.contains(expected), "{said}");
    };
    refuse(
        &|config| config.network.sit_mut().unwrap().in_channels = 24,
        "takes 24 channels on 4 x 4 tokens, the bundle's",
    );
    refuse(
        &|config| config.network.sit_mut().unwrap().n_classes = 10,
        "has 10 classes, the data have 2 (dark, light)",
    );
    refuse(&|config| config.data.size = 32, "set data.size to 16");
    place.configure(&FlowTraining::tiny());
    // Given by its bare name, a picture shows no folder.
    let mut bare = place.train("run", "--data 0.png");
    let output = bare.current_dir(place.path("data/dark")).output().unwrap();
    let said = text(&output.stderr);
    assert!(said.contains("lies in no folder"), "{said}");
    let said = place.refused("run", "--config flow_typo");
    assert!(said.contains("none of flow_svg_xl_256"), "{said}");
    // A bundle that was never measured.
    let (data, encoder) = (place.path("data"), place.path("bundle.encoder.safetensors"));
    let words = "train autoencoder --config autoencoder_tiny --max-steps 1 --workers 1 --data";
    let mut command = svg();
    command
        .args(words.split(' '))
        .arg(&data)
        .arg("--encoder")
        .arg(&encoder);
    succeed(command.arg("--out").arg(place.path("bare")));
    let said = place.refused("run", &place.word("--bundle", "bare/bundle"));
    assert!(said.contains("svg stats"), "{said}");
}

#[test]
fn a_finished_run_leaves_samples_and_a_bundle_with_a_flow() {
    let place = Place::new();
    place.configure(&FlowTraining::tiny());
    place.finish("run", "--max-steps 10");
    let run = place.path("run");
    assert!(run.join("samples/step-00000005.png").is_file());
    let table = fs::read_to_string(run.join("steps.csv")).unwrap();
    assert!(
        table.lines().next().unwrap().contains("validation/loss"),
        "{table}"
    );
    let bundle = Bundle::open(&run.join("bundle")).unwrap();
    let device = burn::prelude::Device::default();
    let config: SitConfig = bundle.part(FLOW).unwrap().read_config().unwrap();
    assert_eq!(Some(&config), FlowTraining::tiny().network.sit());
    // The parts belong together.
    let options = OpenOptions::default();
    let generator = Registry::standard().generator(&bundle, &options, &device);
    generator.unwrap();
}

#[test]
fn a_run_on_a_cache_is_the_run_on_its_pictures() {
    let place = Place::new();
    let mut command = svg();
    command.args(["cache", "--store", "f32", "--workers", "1", "--bundle"]);
    command
        .arg(place.path("bundle"))
        .arg("--data")
        .arg(place.path("data"));
    succeed(command.arg("--out").arg(place.path("cache")));
    place.finish(
        "cached",
        &format!("{} --max-steps 6", place.word("--cache", "cache")),
    );
    place.finish("online", "--max-steps 6");
    let losses = |run: &str| -> Vec<f64> {
        let table = fs::read_to_string(place.path(run).join("steps.csv")).unwrap();
        let rows = table.lines().skip(1);
        rows.map(|row| row.split(',').nth(1).unwrap().parse().unwrap())
            .collect()
    };
    for (cached, online) in losses("cached").iter().zip(losses("online")) {
        assert!(
            (cached / online - 1.0).abs() < 1e-4,
            "{cached} and {online}"
        );
    }
    let said = place.refused("cached", "--resume --max-steps 8");
    assert!(said.contains("give the same --data or --cache"), "{said}");
}
