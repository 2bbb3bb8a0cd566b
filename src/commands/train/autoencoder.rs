//! `svg train autoencoder`.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::Args;
use svg_train::autoencoder::{AutoencoderTraining, FeatureDistance, Perceptual, RunInputs, train};

use super::options::TrainingOptions;
use super::watch::watched;
use crate::commands::outputs::Outputs;
use crate::commands::reconstruct::LPIPS_SIDE;
use crate::device::DeviceOptions;
use crate::encoder::{EncoderFile, Hints};
use crate::lpips::open_lpips;
use crate::progress::status;

/// Train the residual encoder and the decoder on a frozen encoder
///
/// RUN gets the configuration, steps.csv, TensorBoard events (tensorboard --logdir RUN), sheets of
/// reconstructions in samples/, checkpoints, and at the end a bundle. Ctrl-C, SIGTERM and SIGHUP end the step,
/// write a checkpoint and exit with 130; a second one exits at once. Whatever happens, --resume goes on from
/// the newest whole checkpoint, exactly.
#[derive(Args)]
#[command(after_help = "Examples:
  svg train autoencoder --config configs/autoencoder_svg_256.json --data imagenet/train \\
      --encoder dinov3_vits16plus_pretrain_lvd1689m-4057cbaa.pth --vgg vgg16-397923af.pth --out runs/svg
  svg train autoencoder --config autoencoder_cifar10 --data cifar10/train --validation cifar10/test \\
      --encoder encoder.safetensors --out runs/cifar10
  svg train autoencoder --resume --data imagenet/train --encoder dinov3.pth --out runs/svg")]
pub struct TrainAutoencoder {
    /// A configuration: a JSON file, or the name of one that is built in
    ///
    /// Built in are those under configs/: autoencoder_svg_256 and others; a wrong name lists them. With
    /// --resume the run's own is used.
    #[arg(long, value_name = "FILE|NAME", required_unless_present = "resume")]
    config: Option<String>,
    /// Pictures to train on: folders, archives (tar, zip), lists (text, CSV, JSON lines)
    #[arg(long, required = true, num_args = 1.., value_name = "PATH")]
    data: Vec<PathBuf>,
    /// Pictures for the sheets and their PSNR [default: some of those trained on]
    #[arg(long, num_args = 1.., value_name = "PATH")]
    validation: Vec<PathBuf>,
    /// The frozen encoder's weights, in any layout
    #[arg(long, value_name = "FILE")]
    encoder: PathBuf,
    /// Which network of the encoder's file, where it holds several: the names before its tensors, such as ema or
    /// student.backbone [default: averaged weights, where there are any]
    #[arg(long, value_name = "KEY")]
    weights_key: Option<String>,
    /// torchvision's VGG16 weights, for LPIPS
    ///
    /// Without them the perceptual loss is a distance in the frozen encoder's own features, and the log
    /// and the bundle say so.
    #[arg(long, value_name = "FILE")]
    vgg: Option<PathBuf>,
    /// Which network of the file of --vgg, where it holds several
    #[arg(long, value_name = "KEY", requires = "vgg")]
    vgg_key: Option<String>,
    #[command(flatten)]
    options: TrainingOptions,
}

impl TrainAutoencoder {
    pub fn run(self, device: &DeviceOptions) -> Result<()> {
        let config: AutoencoderTraining = self.options.configuration(self.config.as_deref())?;
        let side = config.data.size;
        ensure!(
            self.vgg.is_none() || side >= LPIPS_SIDE,
            "data.size is {side}, and LPIPS needs {LPIPS_SIDE} pixels to a side; leave out --vgg, or set it to more"
        );
        let data = self.options.reading.open_training_set(&self.data)?;
        let validation = self.options.validation_set(&self.validation)?;
        let outputs = self.options.written_by(Outputs::default());
        let outputs = outputs.reads("--encoder", [&self.encoder]);
        let outputs = outputs.reads("--vgg", &self.vgg);
        let outputs = outputs.pictures("--data", [&*data]);
        outputs
            .pictures("--validation", validation.as_deref())
            .check()?;
        let device = device.open_f32()?;
        let hints = Hints {
            key: self.weights_key.as_deref(),
            ..Hints::default()
        };
        let encoder = EncoderFile::open(&self.encoder, hints, &device)?;
        let (perceptual, name): (Box<dyn Perceptual>, _) = match &self.vgg {
            Some(path) => (
                Box::new(open_lpips(path, self.vgg_key.as_deref(), &device)?),
                "LPIPS v0.1 (VGG16)",
            ),
            None => (
                Box::new(FeatureDistance::new(&*encoder.encoder, &device)),
                "a distance in the frozen encoder's features (no --vgg was given)",
            ),
        };
        let count = data.len();
        status!("{count} pictures; perceptual loss: {name}");
        let inputs = RunInputs {
            options: self.options.of_run(),
            data,
            data_name: self.options.data_name(&self.data),
            validation,
            workers: self.options.workers,
            perceptual_name: name.to_string(),
            replicas: self.options.open_replicas()?,
        };
        let EncoderFile { encoder, part } = encoder;
        watched(self.options.grace(), |watch| {
            train(config, encoder, part, inputs, perceptual, &device, watch)
        })
    }
}
