//! Self-distillation as a run.

use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::prelude::*;
use serde::{Deserialize, Serialize};
use svg_image::ImageSet;

use crate::TrainError;
use crate::data::{Fingerprint, Pictures};
use crate::log::Scalars;
use crate::pretrain::judge::Judge;
use crate::pretrain::learner::LearnerConfig;
use crate::pretrain::{Backbone, Learner, PretrainBatch, PretrainStage, Pretraining};
use crate::run::{
    Begun, Course, Ended, Headline, Identity, NetworkKind, Observer, Place, Prepared, RunOptions,
    Shown, Source, Standing, Training, check_batch, check_memory, run,
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
    /// More devices, which share every batch with the first.
    pub replicas: Vec<Device>,
}

/// As [`train`](super::train), of an encoder that `network` configures.
///
/// `config` is what the run keeps as its document; its field of the network is for you to fill.
///
/// # Errors
///
/// As [`train`](super::train).
pub fn train_network<B: Backbone, C: NetworkKind>(
    config: Pretraining<C>,
    network: B::Config,
    inputs: PretrainInputs,
    device: &Device,
    observer: &mut dyn Observer,
) -> Result<Ended, TrainError> {
    let options = inputs.options.clone();
    let device = device.clone().without_autodiff();
    let begin = || {
        let learner = LearnerConfig {
            backbone: network.clone(),
            heads: config.heads,
        };
        check_memory::<Learner<B>>(&learner, &device)?;
        check_batch(config.batch_size, config.views.numbers(), &device)?;
        let replicas = config.pace().replicas(&device, &inputs.replicas)?;
        let (size, devices) = (config.batch_size, replicas.devices().len());
        if size / devices < 2 && config.weights.spread > 0.0 {
            return Err(TrainError::Unfit {
                reason: format!(
                    "batch_size is {size}, one picture for each of {devices} devices; the spread of class \
                     tokens needs two on each, so set batch_size to {} at least, or weights.spread to 0",
                    2 * devices
                ),
            });
        }
        let validation = inputs.validation.as_ref();
        let judge = Judge::new(config.judge, &inputs.data, validation, &config.data)?;
        let patch_size = B::spec_of(&network).patch_size;
        let stage = PretrainStage::<B, C>::new(config.clone(), network, &device);
        let data = Fingerprint::of(&inputs.data)?;
        Ok(Begun {
            stage: stage.with_replicas(replicas),
            pace: config.pace(),
            document: config.to_json(),
            less_memory: config.less_memory(),
            beginning: Standing::new(data, PretrainIdentity {}),
            course: PretrainCourse {
                of_pixels: judge.as_ref().map_or(0.0, |judge| judge.of_pixels(&device)),
                judge,
                data_name: inputs.data_name,
                config: config.clone(),
                device: device.clone(),
                stage: PhantomData,
            },
            source: PretrainSource {
                pictures: Pictures::new(inputs.data, config.data.clone(), inputs.workers),
                patch_size,
                config,
                device,
            },
        })
    };
    run(options, begin, observer)
}

/// What a run must go on with, beside pictures: nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct PretrainIdentity {}

impl Identity for PretrainIdentity {}

struct PretrainCourse<B, C> {
    config: Pretraining<C>,
    data_name: String,
    device: Device,
    judge: Option<Judge>,
    /// What the judge finds in pixels.
    of_pixels: f64,
    stage: PhantomData<B>,
}

impl<B: Backbone, C: NetworkKind> Course for PretrainCourse<B, C> {
    type Identity = PretrainIdentity;
    type Stage = PretrainStage<B, C>;
    type Source = PretrainSource<C>;

    const HEADLINES: &'static [Headline] = &[
        Headline::new("class", "class", 3),
        Headline::new("patch", "patch", 3),
        Headline::new("judge/class_token", "k-NN", 3),
    ];

    fn learning_rate(&self, number: u64) -> f64 {
        self.config.rate(number)
    }

    fn show(&mut self, stage: &PretrainStage<B, C>) -> Result<Option<Shown>, TrainError> {
        let Some(judge) = &self.judge else {
            return Ok(None);
        };
        let found = judge.of(stage.network(), self.config.batch_size, &self.device);
        let (class, patch, pixels) = (found.class_token, found.patch_tokens, self.of_pixels);
        Ok(Some(Shown {
            scalars: Scalars::new()
                .with("judge/class_token", class)
                .with("judge/patch_tokens", patch)
                .with("judge/pixels", pixels),
            image: found.sheet,
            caption: "a picture and its nearest neighbours by their class tokens".to_string(),
            summary: format!(
                "k-NN accuracy {:.1} % by class tokens, {:.1} % by patch tokens ({:.1} % by pixels)",
                100.0 * class,
                100.0 * patch,
                100.0 * pixels
            ),
        }))
    }

    /// The encoder of the teacher.
    fn finish(
        &self,
        stage: &PretrainStage<B, C>,
        out: &Path,
        step: u64,
    ) -> Result<PathBuf, TrainError> {
        let path = out.join("encoder.safetensors");
        let note = format!(
            "{ORIGIN} {}, {step} steps, seed {}, {}",
            env!("CARGO_PKG_VERSION"),
            self.config.seed,
            self.data_name
        );
        stage.network().write(note, &path)
    }
}

/// Views of pictures, and which of their patches are hidden.
struct PretrainSource<C> {
    config: Pretraining<C>,
    patch_size: usize,
    device: Device,
    pictures: Pictures,
}

impl<C: NetworkKind> Source for PretrainSource<C> {
    type Batch = PretrainBatch;

    fn batch(&mut self, place: Place, cursor: u64) -> Result<Prepared<PretrainBatch>, TrainError> {
        let config = &self.config;
        let (seed, size) = (config.seed, config.batch_size);
        let (batch, remarks) = self.pictures.batch(seed, cursor, size)?;
        let first = place.step * size as u64;
        let views = config.views.draw(&batch.images, seed, first, &self.device);
        let side = config.views.global.size as usize / self.patch_size;
        let crops = 2 * batch.images.len();
        let masks = config.masks.draw(crops, [side, side], seed, place.step);
        Ok(Prepared {
            data: PretrainBatch { views, masks },
            cursor_after: batch.cursor_after,
            remarks,
        })
    }
}
