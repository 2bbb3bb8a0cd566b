//! The training of an autoencoder as a run.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::prelude::*;
use svg_dino::Dino;
use svg_image::ImageSet;
use svg_model::{Bundle, BundleContents, Provenance, StoredStatistics, encoder_fingerprint};

use crate::TrainError;
use crate::autoencoder::{AutoencoderIdentity, AutoencoderTraining, Perceptual, Samples, Stage};
use crate::data::Fingerprint;
use crate::log::Scalars;
use crate::run::{
    Course, Ended, Headline, Observer, Pace, Picture, Pictures, RunOptions, Shown, Taken, run,
};

/// What a run needs beside its configuration.
pub struct RunInputs {
    /// Where it is, and how it is to go on.
    pub options: RunOptions,
    /// The pictures to train on.
    pub data: Arc<ImageSet>,
    /// Where they are, for people.
    pub data_name: String,
    /// Pictures to show and measure; those of the training if there are none.
    pub validation: Option<Arc<ImageSet>>,
    /// Threads that decode; 0 for as many as the machine runs at once.
    pub workers: usize,
    /// The encoder.
    pub encoder: Dino,
    /// The file that it was loaded from.
    pub encoder_path: PathBuf,
    /// Whether its weights are ours and may be copied into the bundle.
    pub copy_encoder: bool,
    /// The name of the perceptual loss, for the log and the manifest.
    pub perceptual_name: String,
}

/// Trains an autoencoder, or goes on training one.
///
/// # Errors
///
/// [`TrainError`] of every kind; whatever it is, the newest checkpoint is whole.
pub fn train(
    config: AutoencoderTraining,
    inputs: RunInputs,
    perceptual: Box<dyn Perceptual>,
    device: &Device,
    observer: &mut dyn Observer,
) -> Result<Ended, TrainError> {
    let options = inputs.options.clone();
    let device = device.clone().without_autodiff();
    let begin = || AutoencoderCourse::new(config, inputs, perceptual, device);
    run(options, begin, observer)
}

struct AutoencoderCourse {
    config: AutoencoderTraining,
    inputs: RunInputs,
    device: Device,
    stage: Stage<Dino>,
    samples: Samples,
    data: Fingerprint,
    identity: AutoencoderIdentity,
    pictures: Pictures,
}

impl AutoencoderCourse {
    fn new(
        config: AutoencoderTraining,
        inputs: RunInputs,
        perceptual: Box<dyn Perceptual>,
        device: Device,
    ) -> Result<Self, TrainError> {
        let stage = Stage::new(config.clone(), inputs.encoder.clone(), perceptual, &device)?;
        let shown = inputs.validation.as_ref().unwrap_or(&inputs.data);
        Ok(Self {
            samples: Samples::spread(shown.clone(), config.samples, &config.data)?,
            data: Fingerprint::of(&inputs.data)?,
            identity: AutoencoderIdentity {
                encoder: encoder_fingerprint(&inputs.encoder)?,
                perceptual: inputs.perceptual_name.clone(),
            },
            stage,
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

impl Course for AutoencoderCourse {
    type Identity = AutoencoderIdentity;

    const HEADLINES: &'static [Headline] = &[
        Headline {
            scalar: "l1",
            label: "l1",
            digits: 4,
        },
        Headline {
            scalar: "perceptual",
            label: "perceptual",
            digits: 4,
        },
        Headline {
            scalar: "critic/loss",
            label: "critic",
            digits: 3,
        },
    ];

    fn pace(&self) -> Pace {
        let config = &self.config;
        Pace {
            steps: config.steps,
            images_per_step: config.images_per_step(),
            checkpoint_every: config.checkpoint_every,
            checkpoints_kept: config.checkpoints_kept,
            samples_every: config.samples_every,
            patience: config.patience,
        }
    }

    fn document(&self) -> String {
        self.config.to_json()
    }

    fn identity(&self) -> &AutoencoderIdentity {
        &self.identity
    }

    fn data(&self) -> &Fingerprint {
        &self.data
    }

    fn learning_rate(&self, _number: u64) -> f64 {
        self.config.optimizer.learning_rate
    }

    fn step(
        mut self,
        number: u64,
        mut cursor: u64,
        learning_rate: f64,
        observer: &mut dyn Observer,
    ) -> Result<Taken<Self>, TrainError> {
        let mut batches = Vec::new();
        for _ in 0..self.config.accumulation {
            let batch = self.pictures.batch(cursor, observer)?;
            cursor = batch.cursor_after;
            batches.push(batch.to_tensor(&self.device));
        }
        let (stage, report) = self.stage.step(number, learning_rate, &batches);
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
        let model = self.stage.model();
        let batch = self.config.batch_size;
        let shown = self.samples.reconstruct(&model, batch, &self.device);
        Ok(Shown {
            scalars: Scalars::new().with("samples/psnr", shown.psnr),
            picture: Some(Picture {
                image: shown.sheet,
                caption: "originals over reconstructions".to_string(),
            }),
            summary: Some(format!("samples {:.2} dB", shown.psnr)),
        })
    }

    /// The model as a bundle in the folder of the run.
    fn finish(&self, out: &Path, step: u64) -> Result<PathBuf, TrainError> {
        let folder = out.join("bundle");
        let mut tensors = self.stage.generator.tensors();
        if self.stage.average.is_some() {
            let residual = self.stage.generator.residual.as_ref();
            tensors = svg_model::autoencoder_tensors(residual, &self.stage.decoder());
        }
        let critic = self.stage.critic.as_ref();
        let rest = critic.map_or(vec![], |critic| critic.checkpoint_tensors());
        let rest: Vec<_> = rest
            .into_iter()
            .map(|mut tensor| {
                tensor.name = format!("loss.discriminator.{}", tensor.name);
                tensor
            })
            .collect();
        let statistics = self
            .stage
            .running
            .statistics
            .filter(|_| self.config.gathers_statistics());
        let contents = BundleContents {
            config: self.config.autoencoder.clone(),
            tensors: &tensors,
            statistics: statistics.map(|statistics| StoredStatistics {
                statistics,
                source: format!(
                    "running average over batches of {} in training, momentum {}",
                    self.config.batch_size, self.config.statistics_momentum
                ),
            }),
            rest: &rest,
            encoder: &self.inputs.encoder,
            encoder_path: &self.inputs.encoder_path,
            copy_encoder: self.inputs.copy_encoder,
            provenance: Provenance {
                made_by: format!("svg-train {}", env!("CARGO_PKG_VERSION")),
                source: self.inputs.data_name.clone(),
                steps: Some(step),
                perceptual: Some(self.inputs.perceptual_name.clone()),
                notes: vec![self.config.about.clone()],
            },
        };
        Bundle::create(&folder, contents, true)?;
        Ok(folder)
    }
}
