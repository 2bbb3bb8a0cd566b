//! `svg pretrain`.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use svg_train::pretrain::{PretrainInputs, Pretraining, train};

use super::outputs::Outputs;
use super::train::{TrainingOptions, watched};
use crate::device::DeviceOptions;
use crate::progress::status;

/// Train a small encoder by self-distillation
///
/// A DINOv3 network learns from pictures alone, by DINO's and iBOT's losses: what a crop shows, and what hidden
/// patches show. No label is used; if pictures lie in folders of classes, the share of pictures whose nearest
/// neighbours have their class is printed as the network learns. RUN gets the configuration, steps.csv,
/// TensorBoard events (tensorboard --logdir RUN), sheets of neighbours in samples/, checkpoints, and at the end
/// encoder.safetensors, which every other command takes as --encoder or --weights. Ctrl-C, SIGTERM and SIGHUP end
/// the step, write a checkpoint and exit with 130; --resume goes on from the newest whole checkpoint, exactly.
#[derive(Args)]
#[command(after_help = "Examples:
  svg dataset shapes --count 20000 --test-count 2000 --out shapes
  svg pretrain --config nano --data shapes/train --validation shapes/test --out runs/nano
  svg pretrain --config tiny --data cifar10/train --validation cifar10/test --out runs/tiny
  svg pretrain --resume --data cifar10/train --validation cifar10/test --out runs/tiny")]
pub struct Pretrain {
    /// A configuration: a JSON file, or the name of one that is built in: nano (shapes of 32 x 32), tiny
    /// (photographs of 32 x 32)
    ///
    /// With --resume the run's own is used.
    #[arg(long, value_name = "FILE|NAME", required_unless_present = "resume")]
    config: Option<String>,
    /// Pictures to train on: folders, archives (tar, zip), lists (text, CSV, JSON lines)
    #[arg(long, num_args = 1.., value_name = "PATH", required = true)]
    data: Vec<PathBuf>,
    /// Pictures that the encoder is judged by, in the same classes [default: some of those trained on]
    #[arg(long, num_args = 1.., value_name = "PATH")]
    validation: Vec<PathBuf>,
    #[command(flatten)]
    options: TrainingOptions,
}

impl Pretrain {
    pub fn run(self, device: &DeviceOptions) -> Result<()> {
        let config: Pretraining = self.options.configuration(self.config.as_deref())?;
        let data = self.options.reading.open_training_set(&self.data)?;
        let validation = self.options.validation_set(&self.validation)?;
        let outputs = Outputs::default().folder("--out", [&self.options.out]);
        let outputs = outputs.pictures("--data", [&*data]);
        outputs
            .pictures("--validation", validation.as_deref())
            .check()?;
        let device = device.open_f32()?;
        status!("{} pictures", data.len());
        let inputs = PretrainInputs {
            options: self.options.of_run(),
            data,
            data_name: self.options.data_name(&self.data),
            validation,
            workers: self.options.workers,
            replicas: self.options.open_replicas()?,
        };
        watched(self.options.grace(), |watch| {
            train(config, inputs, &device, watch)
        })
    }
}
