//! The training of a flow as a run.

use std::path::{Path, PathBuf};

use burn::prelude::*;
use svg_model::{Bundle, FlowContents, LatentSpace, ModelError, Provenance};
use svg_sit::checkpoint_tensors;

use crate::TrainError;
use crate::data::Fingerprint;
use crate::flow::samples::samples;
use crate::flow::validation::Validation;
use crate::flow::{FlowBatch, FlowIdentity, FlowStage, FlowTraining, LatentSource};
use crate::log::Scalars;
use crate::run::{Course, Ended, Headline, Observer, Pace, RunOptions, Shown, Taken, run};

/// What a run needs beside its configuration.
pub struct FlowInputs<L> {
    /// Where it is, and how it is to go on.
    pub options: RunOptions,
    /// What is learned.
    pub source: Box<dyn LatentSource>,
    /// What is measured on; latents of the training, in another order, if there is none.
    pub validation: Option<Box<dyn LatentSource>>,
    /// Where the data are, for people.
    pub data_name: String,
    /// The model without its flow, which is copied into the run at the end.
    pub bundle: Bundle,
    /// The space of the latents, with its statistics, for samples.
    pub space: L,
    /// More devices, which share every batch with the first.
    pub replicas: Vec<Device>,
}

/// Trains a flow, or goes on training one.
///
/// # Errors
///
/// [`TrainError`] of every kind; whatever it is, the newest checkpoint is whole.
pub fn train<L: LatentSpace>(
    config: FlowTraining,
    inputs: FlowInputs<L>,
    device: &Device,
    observer: &mut dyn Observer,
) -> Result<Ended, TrainError> {
    let device = device.clone().without_autodiff();
    let options = inputs.options.clone();
    run(
        options,
        || FlowCourse::new(config, inputs, device),
        observer,
    )
}

struct FlowCourse<L> {
    config: FlowTraining,
    inputs: FlowInputs<L>,
    device: Device,
    stage: FlowStage,
    identity: FlowIdentity,
    validation: Validation,
}

impl<L: LatentSpace> FlowCourse<L> {
    fn new(
        config: FlowTraining,
        mut inputs: FlowInputs<L>,
        device: Device,
    ) -> Result<Self, TrainError> {
        let unfit = |reason| TrainError::Unfit { reason };
        if let Some(reason) = config.misfit(inputs.space.grid(), inputs.source.classes()) {
            return Err(unfit(reason));
        }
        let devices = 1 + inputs.replicas.len();
        if !config.batch_size.is_multiple_of(devices) {
            return Err(unfit(format!(
                "batch_size is {}, which does not divide among {devices} devices; set it to a multiple",
                config.batch_size
            )));
        }
        let precision = config.precision.precision();
        if !device.supports_dtype(precision.dtype()) {
            return Err(unfit(format!(
                "precision is {precision:?}, in which this device cannot compute; set it to \"f32\""
            )));
        }
        let bundle = &inputs.bundle;
        let Some(statistics) = bundle.latent_statistics()? else {
            let path = bundle.folder().to_path_buf();
            return Err(ModelError::NoLatentStatistics { path }.into());
        };
        let identity = FlowIdentity {
            features: bundle.features_fingerprint(),
            statistics: statistics.statistics.fingerprint(),
            latents: inputs.source.kind(),
        };
        let validation = match &mut inputs.validation {
            Some(source) if source.classes() != inputs.source.classes() => {
                return Err(unfit(format!(
                    "the validation data have the classes {}, those of the training are {}; give \
                     pictures in folders of the same names",
                    source.classes().join(", "),
                    inputs.source.classes().join(", ")
                )));
            }
            Some(source) => Validation::new(&config, &mut **source, config.seed, &device)?,
            None => {
                let seed = config.seed.wrapping_add(1);
                Validation::new(&config, &mut *inputs.source, seed, &device)?
            }
        };
        Ok(Self {
            stage: FlowStage::new(config.clone(), &device).with_replicas(inputs.replicas.clone()),
            config,
            inputs,
            device,
            identity,
            validation,
        })
    }
}

impl<L: LatentSpace> Course for FlowCourse<L> {
    type Identity = FlowIdentity;

    const HEADLINES: &'static [Headline] = &[Headline {
        scalar: "loss",
        label: "loss",
        digits: 4,
    }];

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

    fn identity(&self) -> &FlowIdentity {
        &self.identity
    }

    fn data(&self) -> &Fingerprint {
        self.inputs.source.fingerprint()
    }

    fn learning_rate(&self, number: u64) -> f64 {
        self.config.optimizer.rate(number, self.config.steps)
    }

    fn step(
        mut self,
        number: u64,
        mut cursor: u64,
        learning_rate: f64,
        observer: &mut dyn Observer,
    ) -> Result<Taken<Self>, TrainError> {
        let (seed, size) = (self.config.seed, self.config.batch_size);
        let mut batches = Vec::new();
        for _ in 0..self.config.accumulation {
            let batch = self.inputs.source.batch(seed, cursor, size)?;
            batch
                .remarks
                .iter()
                .for_each(|remark| observer.remark(remark));
            cursor = batch.cursor_after;
            batches.push(FlowBatch {
                latents: batch.latents,
                labels: batch.labels,
            });
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
        let network = self.stage.network();
        let loss = self.validation.loss(network);
        Ok(Shown {
            scalars: Scalars::new().with("validation/loss", loss),
            picture: Some(samples(
                &self.config,
                network,
                &self.inputs.space,
                &self.device,
            )),
            summary: Some(format!("validation loss {loss:.4}")),
        })
    }

    /// The bundle that was given, with the averaged network as its flow.
    fn finish(&self, out: &Path, step: u64) -> Result<PathBuf, TrainError> {
        let tensors = checkpoint_tensors(self.stage.network());
        let flow = FlowContents {
            config: self.config.sit.clone(),
            tensors: &tensors,
            classes: self.inputs.source.classes().to_vec(),
            provenance: Provenance {
                made_by: format!("svg-train {}", env!("CARGO_PKG_VERSION")),
                source: self.inputs.data_name.clone(),
                steps: Some(step),
                perceptual: None,
                notes: vec![self.config.about.clone()],
            },
        };
        let bundle = &self.inputs.bundle;
        let made = bundle.copy_with_flow(&out.join("bundle"), flow)?;
        Ok(made.folder().to_path_buf())
    }
}
