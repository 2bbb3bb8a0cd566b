//! A folder in which the program runs, with a tiny model.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use burn::module::{Module, ModuleMapper, Param};
use burn::prelude::*;
use burn::tensor::Distribution;
use svg_image::{Rgb, RgbImage, save_png};
use svg_model::{Bundle, FLOW, NewFlow, Provenance, kinds};
use svg_roles::Velocity;
use svg_sit::{SitConfig, checkpoint_tensors};

/// A bundle of a tiny autoencoder, latent statistics and a random flow of three classes.
pub struct Place {
    folder: tempfile::TempDir,
}

/// Adds noise to every parameter, so that no velocity is zero.
struct Wake;

impl ModuleMapper for Wake {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|tensor| {
            let noise = tensor.random_like(Distribution::Normal(0.0, 0.1));
            tensor + noise
        })
    }
}

impl Place {
    /// An empty folder.
    pub fn empty() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// With an autoencoder and six pictures.
    pub fn new() -> Self {
        let place = Self::empty();
        for number in 0..6 {
            let image = RgbImage::from_fn(20, 16, |x, y| {
                Rgb([(x * 9) as u8, (y * 13) as u8, (number * 37) as u8])
            });
            let folder = place.path("data/one");
            fs::create_dir_all(&folder).unwrap();
            save_png(&image, folder.join(format!("{number}.png")), &[]).unwrap();
        }
        let sizes = "init encoder --d-model 16 --layers 1 --heads 2 --d-ff 32 --patch 4 --out";
        place.done(&format!("{sizes} encoder.safetensors"));
        place.done(
            "train autoencoder --config autoencoder_tiny --max-steps 2 --workers 1 --data data \
             --encoder encoder.safetensors --out run",
        );
        fs::rename(place.path("run/bundle"), place.path("bundle")).unwrap();
        place
    }

    /// With statistics and a flow.
    pub fn whole() -> Self {
        let place = Self::new();
        let said = place.done("stats --bundle bundle --images data");
        assert!(said.contains("20 channels over 96 tokens"), "{said}");
        place.set_flow("bundle", 1);
        place
    }

    pub fn set_flow(&self, bundle: &str, seed: u64) {
        let device = Device::default();
        device.seed(seed);
        let mut bundle = Bundle::open(&self.path(bundle)).unwrap();
        let geometry = bundle.geometry().unwrap();
        let [rows, columns] = geometry.grid();
        let config = SitConfig::new(geometry.channels, rows, columns, 32, 2, 2, 64);
        let config = config.with_n_classes(3);
        let network = config.init(&device).map(&mut Wake);
        let flow = bundle.flow_part(NewFlow {
            kind: kinds::SIT,
            config: &config,
            spec: network.spec(),
            tensors: checkpoint_tensors(&network),
            classes: ["dark", "light", "red"].map(String::from).into(),
            provenance: Provenance::default(),
        });
        bundle.set_part(FLOW, flow.unwrap()).unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn svg(&self, words: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_svg"));
        command.current_dir(self.folder.path());
        command.args(words.split_whitespace());
        command
    }

    pub fn ran(&self, words: &str) -> Output {
        self.svg(words).output().unwrap()
    }

    #[track_caller]
    pub fn done(&self, words: &str) -> String {
        let output = self.ran(words);
        let said = text(&output.stderr);
        assert!(output.status.success(), "{words}: {said}");
        text(&output.stdout) + &said
    }

    #[track_caller]
    pub fn refused(&self, words: &str, expected: &str) {
        let output = self.ran(words);
        let said = text(&output.stderr);
        assert!(!output.status.success(), "{words} succeeded");
        assert!(!said.contains("panicked"), "{words}: {said}");
        assert!(said.contains(expected), "{words}: {said}");
    }

    pub fn bytes(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
