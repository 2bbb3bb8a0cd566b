//! The training of an autoencoder as a run.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::prelude::*;
use serde::{Deserialize, Serialize};
use svg_image::ImageSet;
use svg_model::{Bundle, NewEncoder, Provenance};
use svg_roles::Encoder;

use crate::TrainError;
use crate::autoencoder::samples::Samples;
use crate::autoencoder::{
    AutoencoderStage, AutoencoderTraining, Perceptual, TrainableAutoencoder,
};
use crate::data::{Fingerprint, Pictures};
use crate::kinds;
use crate::log::Scalars;
use crate::run::{
    Course, Ended, Headline, Identity, Network, NetworkKind, Observer, Pace, Picture, Place,
    Replicas, RunOptions, Shown, Standing, run,
};

/// What a run beside a frozen encoder needs beside its configuration.
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
    pub encoder: Arc<dyn Encoder>,
    /// How the bundle will refer to it.
    pub encoder_part: NewEncoder,
    /// The name of the perceptual distance, for the log and the manifest.
    pub perceptual_name: String,
    /// More devices, which share every batch with the first.
    pub replicas: Vec<Device>,
}

/// What any run of an autoencoder needs beside its configuration.
pub struct AutoencoderInputs {
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
    /// The name of the perceptual distance, for the log and the manifest.
    pub perceptual_name: String,
    /// More devices, which share every batch with the first.
    pub replicas: Vec<Device>,
}

/// Trains an autoencoder beside a frozen encoder, or goes on training one.
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
    kinds::train_autoencoder(config, inputs, perceptual, device, observer)
}

/// As [`train`], of any autoencoder, whose network `network` configures. `config` is what the run keeps as
/// its document; its field of the network is for you to fill.
///
/// # Errors
///
/// As [`train`].
pub fn train_network<T: TrainableAutoencoder, C: NetworkKind>(
    config: AutoencoderTraining<C>,
    autoencoder: T,
    network: <T::Network as Network>::Config,
    inputs: AutoencoderInputs,
    perceptual: Box<dyn Perceptual>,
    device: &Device,
    observer: &mut dyn Observer,
) -> Result<Ended, TrainError> {
    let options = inputs.options.clone();
    let device = device.clone().without_autodiff();
    let begin = || {
        let devices = [vec![device.clone()], inputs.replicas.clone()].concat();
        config.pace().check_devices(devices.len())?;
        let fingerprint = autoencoder.fingerprint();
        let stage =
            AutoencoderStage::new(config.clone(), autoencoder, network, perceptual, &device);
        let shown = inputs.validation.as_ref().unwrap_or(&inputs.data);
        Ok(AutoencoderCourse {
            stage: stage.with_replicas(Replicas::new(devices)),
            samples: Samples::spread(shown.clone(), config.samples, &config.data)?,
            data: Fingerprint::of(&inputs.data)?,
            identity: AutoencoderIdentity {
                encoder: fingerprint,
                perceptual: inputs.perceptual_name.clone(),
            },
            pictures: Pictures::new(inputs.data, config.data.clone(), inputs.workers),
            data_name: inputs.data_name,
            config,
            device,
        })
    };
    run(options, begin, observer)
}

/// What a run must go on with, beside pictures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AutoencoderIdentity {
    /// Which encoder.
    pub encoder: String,
    /// Which perceptual distance.
    pub perceptual: String,
}

impl Identity for AutoencoderIdentity {
    fn differs(&self, now: &Self) -> Option<String> {
        if self.encoder != now.encoder {
            let reason = "it began with another encoder; name that one with --encoder";
            return Some(reason.to_string());
        }
        let (began, given) = (&self.perceptual, &now.perceptual);
        (began != given).then(|| {
            format!(
                "it began with {began} as its perceptual loss, now there is {given}; give the same --vgg"
            )
        })
    }
}

struct AutoencoderCourse<T: TrainableAutoencoder, C> {
    config: AutoencoderTraining<C>,
    data_name: String,
    device: Device,
    stage: AutoencoderStage<T>,
    samples: Samples,
    data: Fingerprint,
    identity: AutoencoderIdentity,
    pictures: Pictures,
}

impl<T: TrainableAutoencoder, C: NetworkKind> Course for AutoencoderCourse<T, C> {
    type Identity = AutoencoderIdentity;
    type Stage = AutoencoderStage<T>;

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
        self.config.pace()
    }

    fn document(&self) -> String {
        self.config.to_json()
    }

    fn beginning(&self) -> Standing<AutoencoderIdentity> {
        Standing::new(self.data.clone(), self.identity.clone())
    }

    fn learning_rate(&self, _number: u64) -> f64 {
        self.config.optimizer.learning_rate
    }

    fn stage(&self) -> &AutoencoderStage<T> {
        &self.stage
    }

    fn stage_mut(&mut self) -> &mut AutoencoderStage<T> {
        &mut self.stage
    }

    fn batch(
        &mut self,
        _place: Place,
        cursor: u64,
        observer: &mut dyn Observer,
    ) -> Result<(Tensor<4>, u64), TrainError> {
        let (seed, size) = (self.config.seed, self.config.batch_size);
        let (batch, remarks) = self.pictures.batch(seed, cursor, size)?;
        remarks.iter().for_each(|text| observer.remark(text));
        Ok((batch.to_tensor(&self.device), batch.cursor_after))
    }

    fn show(&mut self) -> Result<Shown, TrainError> {
        let model = self.stage.model();
        let batch = self.config.batch_size;
        let (sheet, psnr) = self.samples.reconstruct(&*model, batch, &self.device);
        Ok(Shown {
            scalars: Scalars::new().with("samples/psnr", psnr),
            picture: Some(Picture {
                image: sheet,
                caption: "originals over reconstructions".to_string(),
            }),
            summary: Some(format!("samples {psnr:.2} dB")),
        })
    }

    /// The model as a bundle in the folder of the run.
    fn finish(&self, out: &Path, step: u64) -> Result<PathBuf, TrainError> {
        let folder = out.join("bundle");
        let provenance = Provenance {
            made_by: format!("svg-train {}", env!("CARGO_PKG_VERSION")),
            source: self.data_name.clone(),
            steps: Some(step),
            perceptual: Some(self.identity.perceptual.clone()),
            notes: vec![self.config.about.clone()],
        };
        let (stage, rest) = (&self.stage, self.stage.critic_tensors());
        let autoencoder = stage.autoencoder();
        let parts = autoencoder.parts(stage.network(), stage.averaged(), rest, provenance)?;
        Bundle::create(&folder, parts, true)?;
        Ok(folder)
    }
}
