//! Training as a user meets it: interrupted, killed, resumed, and asked for what cannot be.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use svg_image::{Rgb, RgbImage, save_png};
use svg_train::autoencoder::AutoencoderTraining;
use svg_train::run::Training;

use crate::support::{kill, svg, text};
use crate::trained::Trained;

/// Pictures, an encoder and a configuration in a folder of their own.
pub struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    pub fn new() -> Self {
        let place = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        fs::create_dir(place.path("data")).unwrap();
        (0..7).for_each(|number| place.picture(number));
        let mut config = AutoencoderTraining::tiny();
        config.steps = 100_000;
        config.samples_every = 1_000;
        fs::write(place.path("config.json"), config.to_json()).unwrap();
        place.encoder("encoder.safetensors", "1");
        place
    }

    fn picture(&self, number: u32) {
        let image = RgbImage::from_fn(20, 16, |x, y| {
            Rgb([
                (x * 11 + number * 31) as u8,
                (y * 13) as u8,
                (number * 37) as u8,
            ])
        });
        save_png(&image, self.path(&format!("data/{number}.png")), &[]).unwrap();
    }

    fn encoder(&self, name: &str, seed: &str) {
        let sizes = "init encoder --d-model 16 --layers 1 --heads 2 --d-ff 32 --patch 4 --seed";
        let words = sizes.split(' ').chain([seed, "--out"]);
        let made = svg().args(words).arg(self.path(name)).output().unwrap();
        assert!(made.status.success(), "{}", text(&made.stderr));
    }
}

impl Trained for Place {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `svg train autoencoder` into a run, with more words.
    fn train(&self, run: &str, words: &str) -> Command {
        let mut command = svg();
        command.args(["train", "autoencoder", "--workers", "1", "--data"]);
        command
            .arg(self.path("data"))
            .arg("--encoder")
            .arg(self.path("encoder.safetensors"));
        command.arg("--out").arg(self.path(run));
        if !words.contains("--resume") && !words.contains("--config") {
            command.arg("--config").arg(self.path("config.json"));
        }
        command.args(words.split_whitespace());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

#[test]
fn a_run_that_is_killed_and_resumed_is_the_run_that_was_not() {
    let place = Place::new();
    let child = place.train("broken", "").spawn().unwrap();
    place.run("broken").wait_for_row(7);
    kill(child);
    let kept = place.run("broken").newest().unwrap();
    assert!(kept >= 5, "{kept}");
    let end = kept + 7;
    let resumed = place.finish("broken", &format!("--resume --max-steps {end}"));
    let said = text(&resumed.stderr);
    assert!(
        said.contains(&format!("going on after step {kept}")),
        "{said}"
    );
    place.finish("whole", &format!("--max-steps {end}"));
    place.run("whole").assert_same(&place.run("broken"), end);
}

#[test]
fn five_steps_and_five_more_are_ten() {
    let place = Place::new();
    place.finish("broken", "--max-steps 5");
    place.finish("broken", "--resume --max-steps 10");
    place.finish("whole", "--max-steps 10");
    place.run("whole").assert_same(&place.run("broken"), 10);
}

#[test]
fn a_run_killed_at_twenty_moments_loses_only_the_steps_since_its_checkpoint() {
    Place::new().survives_kills(20, 5);
}

#[cfg(unix)]
#[test]
fn an_interrupt_ends_the_step_writes_a_checkpoint_and_exits_with_130() {
    Place::new().survives_an_interrupt();
}

#[test]
fn pictures_that_have_changed_are_refused_unless_forced() {
    let place = Place::new();
    place.finish("run", "--max-steps 2");
    place.picture(99);
    let refused = place.refused("run", "--resume --max-steps 4");
    assert!(
        refused.contains("there were 7 pictures and there are 8"),
        "{refused}"
    );
    assert!(refused.contains("--force-data"), "{refused}");
    let forced = place.finish("run", "--resume --max-steps 4 --force-data");
    assert!(text(&forced.stderr).contains("going on with other data"));
}

#[test]
fn a_run_is_not_begun_twice_nor_resumed_from_nothing_nor_as_another() {
    let place = Place::new();
    let nothing = place.refused("run", "--resume");
    assert!(
        nothing.contains("no checkpoint to resume from"),
        "{nothing}"
    );
    place.finish("run", "--max-steps 1");
    let twice = place.refused("run", "--max-steps 2");
    assert!(twice.contains("holds a run already"), "{twice}");
    let other = place.refused("run", "--resume --config autoencoder_tiny");
    assert!(other.contains("--config differs"), "{other}");
    place.encoder("encoder.safetensors", "2");
    let other = place.refused("run", "--resume");
    assert!(other.contains("it began with another encoder"), "{other}");
}

#[test]
fn a_run_whose_configuration_was_edited_does_not_go_on() {
    let place = Place::new();
    place.finish("run", "--max-steps 1");
    let path = place.path("run/config.json");
    let json = fs::read_to_string(&path).unwrap();
    let edited = json.replace("\"enlarge\"", "\"refuse\"");
    assert_ne!(edited, json);
    fs::write(&path, edited).unwrap();
    let refused = place.refused("run", "--resume --max-steps 2");
    let words = r#"data.smaller was "enlarge" and is "refuse"; put that back"#;
    assert!(refused.contains(words), "{refused}");
    fs::write(&path, json).unwrap();
    place.finish("run", "--resume --max-steps 2");
}

#[test]
fn a_configuration_with_a_typo_or_for_another_encoder_is_refused() {
    let place = Place::new();
    let json = fs::read_to_string(place.path("config.json")).unwrap();
    fs::write(
        place.path("typo.json"),
        json.replace("\"n_layers\"", "\"layers\""),
    )
    .unwrap();
    let typo = place.refused(
        "run",
        &format!("--config {}", place.path("typo.json").display()),
    );
    assert!(typo.contains("n_layers"), "{typo}");
    let unknown = place.refused("run", "--config autoencoder_typo");
    assert!(unknown.contains("none of autoencoder_svg_256"), "{unknown}");
    let misfit = place.refused("run", "--config autoencoder_svg_256");
    assert!(misfit.contains("set it to 24"), "{misfit}");
}

#[test]
fn pictures_smaller_than_the_crop_end_the_run_where_the_configuration_says_so() {
    let place = Place::new();
    let json = fs::read_to_string(place.path("config.json")).unwrap();
    fs::write(
        place.path("config.json"),
        json.replace("\"enlarge\"", "\"refuse\""),
    )
    .unwrap();
    save_png(&RgbImage::new(5, 40), place.path("data/thin.png"), &[]).unwrap();
    let refused = place.refused("run", "--max-steps 20");
    assert!(refused.contains("thin.png has 5 x 40 pixels"), "{refused}");
}

#[test]
fn a_trained_bundle_reconstructs_encodes_and_decodes() {
    let place = Place::new();
    place.finish("run", "--max-steps 3");
    let bundle = place.path("run/bundle");
    let run = |words: &[&str], paths: &[&Path]| {
        let mut command = svg();
        command.args(words).arg("--bundle").arg(&bundle).args(paths);
        let output = command.output().unwrap();
        assert!(
            output.status.success(),
            "{words:?}: {}",
            text(&output.stderr)
        );
        text(&output.stdout)
    };
    let (data, features) = (place.path("data"), place.path("features.safetensors"));
    let (out, images) = (Path::new("--out"), Path::new("--images"));
    run(&["encode"], &[images, &data, out, &features]);
    let decoded = place.path("decoded");
    run(&["decode"], &[&features, out, &decoded]);
    assert_eq!(fs::read_dir(&decoded).unwrap().count(), 7);
    let pairs = place.path("pairs");
    let table = run(&["reconstruct"], &[images, &data, out, &pairs]);
    assert!(
        table.contains("PSNR") && table.contains("images  7 of 16 x 16"),
        "{table}"
    );
    // Reconstructing is decoding what was encoded: the right half of a pair is the decoded image.
    let read = |path: PathBuf| svg_image::read_image(path, &Default::default()).unwrap();
    let (pair, one) = (
        read(pairs.join("00003-3.png")),
        read(decoded.join("00003-3.png")),
    );
    assert!(
        one.enumerate_pixels()
            .all(|(x, y, pixel)| pair.get_pixel(x + 20, y) == pixel)
    );
    let gathered = run(&["align-stats"], &[images, &data]);
    assert!(
        gathered.contains("aligned by these from now on"),
        "{gathered}"
    );
    run(
        &["encode", "--align", "frozen"],
        &[images, &data, out, &features],
    );
}
