//! A small project of everything that the program reads and writes: the seeds of inputs, and what commands that are
//! killed begin with.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use svg_image::{Rgb, RgbImage, save_png};
use svg_model::{LatentStatistics, StoredLatentStatistics};

use crate::{rows, sets};

/// The file that is written first, and the one that is written last.
const MARK: &str = "seeds-of-svg-fuzz";
const WHOLE: &str = "whole";

/// Channels of its features: 16 of the encoder and 4 of the residual.
const CHANNELS: usize = 20;

/// How the project is made, one command after the other, in its folder.
const COMMANDS: [&str; 21] = [
    "init encoder --d-model 16 --layers 1 --heads 2 --d-ff 32 --patch 4 --seed 1 --out encoder.safetensors",
    "pretrain --config smallest --max-steps 7 --workers 1 --data data --out pretraining",
    "train autoencoder --config autoencoder_tiny --max-steps 7 --workers 1 --data data \
     --encoder encoder.safetensors --out autoencoder",
    "export autoencoder --bundle autoencoder/bundle --out checkpoint.safetensors",
    "import autoencoder checkpoint.safetensors --out bundle",
    "align-stats --bundle bundle --images data",
    "stats --bundle bundle --images data",
    "cache --bundle bundle --data data --shard-size 4 --workers 1 --out cache",
    "cache --bundle bundle --data data --shard-size 8 --workers 1 --store f32 --out cache32",
    "train flow --config flow_tiny --max-steps 7 --workers 1 --cache cache --bundle bundle --out flow",
    "export flow --bundle flow/bundle --out flow.safetensors",
    "convert encoder.safetensors hf --to hf",
    "convert encoder.safetensors timm.safetensors --to timm",
    "features --weights encoder.safetensors --images data --size 16 --out tokens.safetensors",
    "encode --bundle bundle --images data --out features.safetensors",
    "decode --bundle bundle features.safetensors --out decoded --raw images.safetensors",
    "distance --bundle bundle --reference data --samples decoded --save-reference moments.safetensors",
    "sample --bundle flow/bundle --classes all --count 2 --steps 2 --out samples --latents noise.safetensors",
    "probe --train data --test data --weights encoder.safetensors --size 16 --neighbours 3 --out probe",
    "dataset shapes --count 20 --test-count 10 --size 16 --out shapes",
    "demo --plan tiny --out demo",
];

/// The folder of the project.
pub struct World {
    root: PathBuf,
    /// The program that makes it.
    pub svg: PathBuf,
}

impl World {
    /// The project in a folder, made or not.
    pub fn new(root: &Path, svg: &Path) -> Result<Self> {
        fs::create_dir_all(root).with_context(|| root.display().to_string())?;
        Ok(Self {
            root: root.canonicalize()?,
            svg: svg.to_path_buf(),
        })
    }

    /// Makes the project if it is not whole.
    pub fn make(&self) -> Result<()> {
        if self.path(WHOLE).is_file() {
            return Ok(());
        }
        ensure!(
            self.svg.is_file(),
            "{} is missing; build the program beside this one, or name it by --svg",
            self.svg.display()
        );
        let (root, mark) = (self.root.display(), self.path(MARK));
        let empty = fs::read_dir(&self.root)?.next().is_none();
        ensure!(
            empty || mark.is_file(),
            "{root} holds other files; name a new folder by --world"
        );
        eprintln!("making the seeds in {root}");
        fs::remove_dir_all(&self.root)?;
        fs::create_dir_all(&self.root)?;
        fs::write(mark, "")?;
        self.fill()?;
        Ok(fs::write(self.path(WHOLE), "")?)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// The program, in a folder.
    pub fn program(&self, folder: &Path) -> Command {
        let mut command = Command::new(&self.svg);
        command.current_dir(folder);
        command
    }

    fn fill(&self) -> Result<()> {
        for number in 0..14 {
            let class = self.path("data").join(["dark", "light"][number % 2]);
            fs::create_dir_all(&class)?;
            let picture = picture(number as u8);
            save_png(&picture, class.join(format!("{number:02}.png")), &[])?;
        }
        sets::write(&self.path("data"), &self.path("sets"))?;
        rows::killed(&self.path("partial"))?;
        let statistics = StoredLatentStatistics {
            statistics: LatentStatistics {
                mean: vec![0.1; CHANNELS],
                std: vec![1.5; CHANNELS],
            },
            features: String::new(),
            tokens: 0,
            source: "numbers of no pictures".to_string(),
        };
        statistics.save(&self.path("statistics.safetensors"))?;
        for words in COMMANDS {
            let mut command = self.program(&self.root);
            let output = command.args(words.split_whitespace()).output()?;
            let said = String::from_utf8_lossy(&output.stderr);
            ensure!(output.status.success(), "svg {words}: {said}");
        }
        Ok(())
    }
}

fn picture(number: u8) -> RgbImage {
    RgbImage::from_fn(20, 16, |x, y| {
        let level = 120 * (number % 2);
        Rgb([level + x as u8 * 5, y as u8 * 13, number * 13])
    })
}

/// A file or folder of the repository.
pub fn repository(name: &str) -> PathBuf {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR"));
    fuzz.parent().unwrap_or(fuzz).join(name)
}
