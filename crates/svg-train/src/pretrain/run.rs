//! Self-distillation as a run.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::prelude::*;
use svg_dino::{Dino, DinoFile, Layout};
use svg_image::ImageSet;
use svg_model::ModelError;

use crate::TrainError;
use crate::data::Fingerprint;
use crate::log::Scalars;
use crate::pretrain::{Judge, PretrainIdentity, PretrainStage, Pretraining};
use crate::run::{
    Course, Ended, Headline, Observer, Pace, Picture, Pictures, RunOptions, Shown, Taken, run,
};

/// How the metadata of an encoder begin that was made here.
pub const ORIGIN: &str = "made by svg pretrain";

/// What a run needs beside its configuration.
pub struct PretrainInputs {
    /// Where it is, and how it is to go on.
    pub options: RunOptions,
    /// The pictures to learn from. Folders are classes for the judge alone; no label is learned from.
    pub data: Arc<ImageSet>,
    /// Where they are, for people.
    pub data_name: String,
    /// Pictures that the judge asks for; others of the training if there are none.
    pub validation: Option<Arc<ImageSet>>,
    /// Threads that decode; 0 for as many as the machine runs at once.
    pub workers: usize,
}

/// Trains an encoder by self-distillation, or goes on training one.
///
/// # Errors
///
/// [`TrainError`] of every kind; whatever it is, the newest checkpoint is whole.
pub fn train(
    config: Pretraining,
    inputs: PretrainInputs,
    device: &Device,
    observer: &mut dyn Observer,
) -> Result<Ended, TrainError> {
    let device = device.clone().without_autodiff();
    let options = inputs.options.clone();
    run(
        options,
        || PretrainCourse::new(config, inputs, device),
        observer,
    )
}

struct PretrainCourse {
    config: Pretraining,
    inputs: PretrainInputs,
    device: Device,
    stage: PretrainStage,
    judge: Option<Judge>,
    /// What the judge finds in pixels.
    of_pixels: f64,
    data: Fingerprint,
    identity: PretrainIdentity,
    pictures: Pictures,
}

impl PretrainCourse {
    fn new(
        config: Pretraining,
        inputs: PretrainInputs,
        device: Device,
    ) -> Result<Self, TrainError> {
        let validation = inputs.validation.as_ref();
        let judge = Judge::new(config.judge, &inputs.data, validation, &config.data)?;
        Ok(Self {
            of_pixels: judge.as_ref().map_or(0.0, |judge| judge.of_pixels(&device)),
            data: Fingerprint::of(&inputs.data)?,
            identity: PretrainIdentity {},
            stage: PretrainStage::new(config.clone(), &device),
            judge,
            pictures: Pictures::new(
                inputs.data.clone(),
                config.data.clone(),
                config.seed,
                config.batch_size,
                inputs.workers,
            ),
            config,
            inputs,
            device,
        })
    }
}

impl Course for PretrainCourse {
    type Identity = PretrainIdentity;

    const HEADLINES: &'static [Headline] = &[
        Headline {
            scalar: "class",
            label: "class",
            digits: 3,
        },
        Headline {
            scalar: "patch",
            label: "patch",
            digits: 3,
        },
        Headline {
            scalar: "judge/class_token",
            label: "k-NN",
            digits: 3,
        },
    ];

    fn pace(&self) -> Pace {
        let config = &self.config;
        Pace {
            steps: config.steps,
            images_per_step: config.batch_size as u64,
            checkpoint_every: config.checkpoint_every,
            checkpoints_kept: config.checkpoints_kept,
            samples_every: config.samples_every,
            patience: config.patience,
        }
    }

    fn document(&self) -> String {
        self.config.to_json()
    }

    fn identity(&self) -> &PretrainIdentity {
        &self.identity
    }

    fn data(&self) -> &Fingerprint {
        &self.data
    }

    fn learning_rate(&self, number: u64) -> f64 {
        self.config.rate(number)
    }

    fn step(
        mut self,
        number: u64,
        cursor: u64,
        learning_rate: f64,
        observer: &mut dyn Observer,
    ) -> Result<Taken<Self>, TrainError> {
        let batch = self.pictures.batch(cursor, observer)?;
        let cursor = batch.cursor_after;
        let config = &self.config;
        let first = number * config.batch_size as u64;
        let views = config
            .views
            .draw(&batch.images, config.seed, first, &self.device);
        let side = config.views.global.size as usize / config.dino.patch_size;
        let crops = 2 * batch.images.len();
        let masks = config.masks.draw(crops, [side, side], config.seed, number);
        let (stage, report) = self.stage.step(number, learning_rate, views, &masks);
        self.stage = stage;
        Ok(Taken {
            course: self,
            cursor,
            report,
        })
    }

    fn save(&self, folder: &Path) -> Result<(), TrainError> {
        self.stage.save(folder)
    }

    fn restore(mut self, folder: &Path) -> Result<Self, TrainError> {
        self.stage = self.stage.restore(folder)?;
        Ok(self)
    }

    fn show(&mut self, _step: u64) -> Result<Shown, TrainError> {
        let Some(judge) = &self.judge else {
            return Ok(Shown {
                scalars: Scalars::new(),
                picture: None,
                summary: None,
            });
        };
        let found = judge.of(self.stage.network(), self.config.batch_size, &self.device);
        let percent = |share: f64| 100.0 * share;
        let summary = format!(
            "k-NN accuracy {:.1} % by class tokens, {:.1} % by patch tokens ({:.1} % by pixels)",
            percent(found.class_token),
            percent(found.patch_tokens),
            percent(self.of_pixels)
        );
        Ok(Shown {
            scalars: Scalars::new()
                .with("judge/class_token", found.class_token)
                .with("judge/patch_tokens", found.patch_tokens)
                .with("judge/pixels", self.of_pixels),
            picture: Some(Picture {
                image: found.sheet,
                caption: "a picture and its nearest neighbours by their class tokens".to_string(),
            }),
            summary: Some(summary),
        })
    }

    /// The network of the teacher, as an encoder in official names.
    fn finish(&self, out: &Path, step: u64) -> Result<PathBuf, TrainError> {
        let path = out.join("encoder.safetensors");
        let note = format!(
            "{ORIGIN} {}, {step} steps, seed {}, {}",
            env!("CARGO_PKG_VERSION"),
            self.config.seed,
            self.inputs.data_name
        );
        Ok(write_encoder(self.stage.network(), note, &path)?)
    }
}

fn write_encoder(network: &Dino, note: String, path: &Path) -> Result<PathBuf, ModelError> {
    let file = DinoFile::of(network).with_origin(note);
    Ok(file.save(Layout::Official, path)?)
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Distribution, TensorData};
    use svg_image::{Rgb, RgbImage};

    use super::*;

    /// A stage after two steps: whatever learns has moved.
    fn trained(config: &Pretraining) -> PretrainStage {
        let picture = |number: u32| {
            RgbImage::from_fn(16, 16, |x, y| {
                let level = |k: u32| ((x * (3 + number) + y * (5 + k) + 40 * k) % 251) as u8;
                Rgb([level(1), level(2), level(3)])
            })
        };
        let images: Vec<_> = (0..4).map(picture).collect();
        let device = Device::default();
        (0..2).fold(
            PretrainStage::new(config.clone(), &device),
            |stage, number| {
                let views = config.views.draw(&images, config.seed, 4 * number, &device);
                let masks = config.masks.draw(8, [4, 4], config.seed, number);
                let (stage, report) = stage.step(number, 1e-2, views, &masks);
                assert!(!report.dropped);
                stage
            },
        )
    }

    #[test]
    fn the_encoder_that_is_written_says_exactly_what_the_trained_one_says() {
        let smallest = Pretraining::smallest();
        let device = Device::default();
        for dino in [
            smallest.dino.clone(),
            smallest.dino.clone().with_n_registers(0),
            smallest.dino.clone().with_qkv_bias(false),
        ] {
            let config = Pretraining {
                dino,
                ..smallest.clone()
            };
            let mut stage = trained(&config);
            // A teacher as it is after many steps, without waiting for them.
            stage.teacher = stage.teacher.with_decay(0.0).update(&stage.student);
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("encoder.safetensors");
            write_encoder(stage.network(), "a test".to_string(), &path).unwrap();
            let loaded = Dino::load(&path, &device).unwrap();
            let images = Tensor::random([2, 3, 16, 12], Distribution::Uniform(-1.0, 1.0), &device);
            let [trained, read] =
                [stage.network(), &loaded].map(|dino| dino.forward(images.clone()));
            let same = |one: TensorData, other: TensorData| one.assert_eq(&other, true);
            same(trained.cls.into_data(), read.cls.into_data());
            same(trained.patches.into_data(), read.patches.into_data());
        }
    }
}
