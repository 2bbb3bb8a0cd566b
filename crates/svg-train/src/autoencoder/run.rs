//! A training from its first step to its last, through interruptions.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use burn::prelude::*;
use svg_dino::Dino;
use svg_image::{ImageSet, save_png, write_atomically};
use svg_model::{Bundle, BundleContents, Provenance, StoredStatistics, encoder_fingerprint};

use crate::TrainError;
use crate::autoencoder::{AutoencoderTraining, Perceptual, RunState, Samples, Stage, StepReport};
use crate::checkpoints::Checkpoints;
use crate::data::{Fingerprint, Stream};
use crate::log::{CsvLog, Scalars, TensorBoard};

/// After so many returns to one checkpoint, training gives up.
const MOST_ROLLBACKS: u64 = 8;

/// What a run needs beside its configuration.
pub struct RunInputs {
    /// The folder of the run.
    pub out: PathBuf,
    /// Whether to go on from the newest checkpoint.
    pub resume: bool,
    /// Whether to go on although the pictures have changed.
    pub force_data: bool,
    /// Steps to stop after, before those of the configuration.
    pub max_steps: Option<u64>,
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

/// Who watches a run.
pub trait Observer {
    /// Training begins with this many steps behind it.
    fn begins(&mut self, step: u64, steps: u64, images_per_step: u64);
    /// A step was taken.
    fn stepped(&mut self, step: u64, scalars: &Scalars);
    /// Something that people should read.
    fn remark(&mut self, text: &str);
    /// Whether to stop after this step.
    fn wants_to_stop(&self) -> bool;
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// All steps were taken; the model is in this folder.
    Finished(PathBuf),
    /// It was asked to stop, and a checkpoint was written at this step.
    Interrupted(u64),
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
    std::fs::create_dir_all(&inputs.out).map_err(TrainError::system(&inputs.out))?;
    let _lock = lock(&inputs.out)?;
    let device = device.clone().without_autodiff();
    Run::begin(config, inputs, perceptual, &device, observer)?.go(&device, observer)
}

struct Run {
    config: AutoencoderTraining,
    inputs: RunInputs,
    checkpoints: Checkpoints,
    stage: Stage<Dino>,
    state: RunState,
    samples: Samples,
    csv: CsvLog,
    events: TensorBoard,
    rollbacks: u64,
    /// Whether it was said that pictures are smaller than the crop.
    smaller_said: bool,
}

impl Run {
    fn begin(
        config: AutoencoderTraining,
        inputs: RunInputs,
        perceptual: Box<dyn Perceptual>,
        device: &Device,
        observer: &mut dyn Observer,
    ) -> Result<Self, TrainError> {
        let checkpoints =
            Checkpoints::open(&inputs.out.join("checkpoints"), config.checkpoints_kept)?;
        let stage = Stage::new(config.clone(), inputs.encoder.clone(), perceptual, device)?;
        let now = RunState {
            step: 0,
            cursor: 0,
            halvings: 0,
            dropped: 0,
            dropped_in_a_row: 0,
            data: Fingerprint::of(&inputs.data)?,
            encoder: encoder_fingerprint(&inputs.encoder)?,
            perceptual: inputs.perceptual_name.clone(),
        };
        let found = checkpoints.newest::<RunState>()?;
        let (stage, state) = match (found, inputs.resume) {
            (Some(found), true) => {
                for reason in &found.passed_over {
                    observer.remark(&format!("passed over a damaged checkpoint, {reason}"));
                }
                checkpoints.set_aside_after(found.state.step)?;
                let state = agreed(found.state, now, inputs.force_data, observer)?;
                (stage.restore(&found.folder)?, state)
            }
            (None, true) => return Err(TrainError::NothingToResume { path: inputs.out }),
            (None, false) if checkpoints.is_empty()? => {
                save_config(&config, &inputs.out)?;
                checkpoints.write(0, &now, |folder| stage.save(folder))?;
                (stage, now)
            }
            (_, false) => return Err(TrainError::Occupied { path: inputs.out }),
        };
        let shown = inputs.validation.as_ref().unwrap_or(&inputs.data);
        Ok(Self {
            samples: Samples::spread(shown.clone(), config.samples, &config.data)?,
            csv: CsvLog::open(inputs.out.join("steps.csv"), state.step)?,
            events: TensorBoard::create(inputs.out.join("tensorboard"), SystemTime::now())?,
            checkpoints,
            stage,
            state,
            config,
            inputs,
            rollbacks: 0,
            smaller_said: false,
        })
    }

    fn go(mut self, device: &Device, observer: &mut dyn Observer) -> Result<Ended, TrainError> {
        let steps = self
            .inputs
            .max_steps
            .unwrap_or(u64::MAX)
            .min(self.config.steps);
        observer.begins(self.state.step, steps, self.config.images_per_step());
        let mut stream = self.stream();
        while self.state.step < steps {
            if observer.wants_to_stop() {
                self.checkpoint()?;
                return Ok(Ended::Interrupted(self.state.step));
            }
            let batches = self.batches(&mut stream, device, observer)?;
            let step = self.state.step;
            let learning_rate = self.learning_rate();
            let (stage, report) = self.stage.step(step, learning_rate, &batches);
            self.stage = stage;
            self.state.step += 1;
            self.note(report, device, observer)?;
            if self.state.dropped_in_a_row >= self.config.patience {
                self = self.roll_back(observer)?;
                // The pictures go on, so that the same ones do not spoil it again.
                stream = self.stream();
                continue;
            }
            if self.state.step.is_multiple_of(self.config.checkpoint_every) {
                self.checkpoint()?;
                if self.state.dropped_in_a_row == 0 {
                    self.rollbacks = 0;
                }
            }
        }
        self.checkpoint()?;
        let folder = self.bundle()?;
        Ok(Ended::Finished(folder))
    }

    fn stream(&self) -> Stream {
        Stream::new(
            self.inputs.data.clone(),
            self.config.data.clone(),
            self.config.seed,
            self.state.cursor,
            self.config.batch_size,
            self.inputs.workers,
        )
    }

    fn batches(
        &mut self,
        stream: &mut Stream,
        device: &Device,
        observer: &mut dyn Observer,
    ) -> Result<Vec<Tensor<4>>, TrainError> {
        let mut tensors = Vec::new();
        for _ in 0..self.config.accumulation {
            let batch = stream.next_batch()?;
            for error in &batch.errors {
                observer.remark(&format!("skipped: {error}"));
            }
            if batch.enlarged > 0 && !self.smaller_said {
                self.smaller_said = true;
                let size = self.config.data.size;
                observer.remark(&format!(
                    "some pictures are smaller than the crop of {size} x {size} and are enlarged; \
                     \"smaller\": \"refuse\" would stop"
                ));
            }
            self.state.cursor = batch.cursor_after;
            tensors.push(batch.to_tensor(device));
        }
        Ok(tensors)
    }

    fn learning_rate(&self) -> f64 {
        self.config.optimizer.learning_rate * 0.5f64.powi(self.state.halvings as i32)
    }

    /// Counts a step, logs it, and shows samples when it is their turn.
    fn note(
        &mut self,
        report: StepReport,
        device: &Device,
        observer: &mut dyn Observer,
    ) -> Result<(), TrainError> {
        let StepReport {
            mut scalars,
            dropped,
        } = report;
        let step = self.state.step;
        match dropped {
            false => self.state.dropped_in_a_row = 0,
            true => {
                self.state.dropped += 1;
                self.state.dropped_in_a_row += 1;
                observer.remark(&format!(
                    "step {step} was dropped, its loss or gradient is not finite ({} in a row, {} in all)",
                    self.state.dropped_in_a_row, self.state.dropped
                ));
            }
        }
        scalars.push("learning_rate", self.learning_rate());
        scalars.push("dropped", self.state.dropped as f64);
        if step.is_multiple_of(self.config.samples_every) || step == self.config.steps {
            let model = self.stage.model();
            let shown = self
                .samples
                .reconstruct(&model, self.config.batch_size, device);
            scalars.push("samples/psnr", shown.psnr);
            let folder = self.inputs.out.join("samples");
            std::fs::create_dir_all(&folder).map_err(TrainError::system(&folder))?;
            let path = folder.join(format!("step-{step:08}.png"));
            let notes = format!("step {step}, originals over reconstructions");
            save_png(&shown.sheet, path, &[("Comment", &notes)])?;
            self.events.image(step, "samples", &shown.sheet)?;
        }
        self.csv.write(step, &scalars)?;
        self.events.scalars(step, &scalars)?;
        observer.stepped(step, &scalars);
        Ok(())
    }

    fn checkpoint(&self) -> Result<(), TrainError> {
        let fill = |folder: &Path| self.stage.save(folder);
        self.checkpoints.write(self.state.step, &self.state, fill)?;
        Ok(())
    }

    /// Back to the newest checkpoint with half the learning rate.
    fn roll_back(mut self, observer: &mut dyn Observer) -> Result<Self, TrainError> {
        self.rollbacks += 1;
        let found = self.checkpoints.newest::<RunState>()?;
        let (Some(found), true) = (found, self.rollbacks <= MOST_ROLLBACKS) else {
            return Err(TrainError::Diverged {
                patience: self.config.patience,
                rollbacks: self.rollbacks - 1,
            });
        };
        self.stage = self.stage.restore(&found.folder)?;
        self.state = RunState {
            halvings: self.state.halvings + 1,
            cursor: self.state.cursor,
            dropped: self.state.dropped,
            dropped_in_a_row: 0,
            ..found.state
        };
        observer.remark(&format!(
            "{} steps in a row were dropped: back to step {} with the learning rate {:e}",
            self.config.patience,
            self.state.step,
            self.learning_rate()
        ));
        self.csv = CsvLog::open(self.inputs.out.join("steps.csv"), self.state.step)?;
        Ok(self)
    }

    /// The model as a bundle in the folder of the run.
    fn bundle(&self) -> Result<PathBuf, TrainError> {
        let folder = self.inputs.out.join("bundle");
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
                steps: Some(self.state.step),
                perceptual: Some(self.inputs.perceptual_name.clone()),
                notes: vec![self.config.about.clone()],
            },
        };
        Bundle::create(&folder, contents, true)?;
        Ok(folder)
    }
}

/// The stored state, if the run that is asked for is the one that was stored.
fn agreed(
    stored: RunState,
    now: RunState,
    force_data: bool,
    observer: &mut dyn Observer,
) -> Result<RunState, TrainError> {
    let other = |reason: &str| TrainError::OtherRun {
        reason: reason.to_string(),
    };
    if stored.encoder != now.encoder {
        return Err(other(
            "it began with another encoder; name that one with --encoder",
        ));
    }
    if stored.perceptual != now.perceptual {
        let (began, given) = (&stored.perceptual, &now.perceptual);
        return Err(other(&format!(
            "it began with {began} as its perceptual loss, now there is {given}; give the same --vgg"
        )));
    }
    match stored.data.compare(&now.data) {
        Ok(()) => Ok(stored),
        Err(error) if force_data => {
            observer.remark(&format!("going on with other data, as forced: {error}"));
            // The place in the old order means nothing in the new one, but keeps epochs apart.
            Ok(RunState {
                data: now.data,
                ..stored
            })
        }
        Err(error) => Err(error.into()),
    }
}

fn save_config(config: &AutoencoderTraining, out: &Path) -> Result<(), TrainError> {
    let json = config.to_json();
    Ok(write_atomically(out.join("config.json"), |file| {
        file.write_all(json.as_bytes())
    })?)
}

/// Held until the process ends, however it ends.
fn lock(out: &Path) -> Result<File, TrainError> {
    let path = out.join(".lock");
    let file = File::create(&path).map_err(TrainError::system(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(TrainError::Locked {
            path: out.to_path_buf(),
        }),
        Err(std::fs::TryLockError::Error(source)) => Err(TrainError::System { path, source }),
    }
}
