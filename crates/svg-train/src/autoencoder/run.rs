//! The training of an autoencoder as a run.

use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::prelude::*;
use serde::{Deserialize, Serialize};
use svg_image::ImageSet;
use svg_model::{Bundle, Provenance};

use crate::TrainError;
use crate::autoencoder::samples::Samples;
use crate::autoencoder::{AutoencoderStage, AutoencoderTraining, Perceptual, TrainableAutoencoder};
use crate::data::{Fingerprint, Pictures};
use crate::log::Scalars;
use crate::run::{
    Begun, Course, Ended, Headline, Identity, Network, NetworkKind, Observer, Place, Prepared,
    RunOptions, Shown, Source, Standing, Training, check_batch, check_memory, run,
};

/// What a run needs beside its configuration and its encoder.
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
    /// The name of the perceptual distance, for the log and the manifest.
    pub perceptual_name: String,
    /// More devices, which share every batch with the first.
    pub replicas: Vec<Device>,
}

/// As [`train`](super::train), of any autoencoder, whose network `network` configures.
///
/// `config` is what the run keeps as its document; its field of the network is for you to fill.
///
/// # Errors
///
/// As [`train`](super::train).
pub fn train_network<T: TrainableAutoencoder, C: NetworkKind>(
    config: AutoencoderTraining<C>,
    autoencoder: T,
    network: <T::Network as Network>::Config,
    inputs: RunInputs,
    perceptual: Box<dyn Perceptual>,
    device: &Device,
    observer: &mut dyn Observer,
) -> Result<Ended, TrainError> {
    let options = inputs.options.clone();
    let device = device.clone().without_autodiff();
    let begin = || {
        check_memory::<T::Network>(&network, &device)?;
        let side = config.data.size as usize;
        check_batch(config.batch_size, 3 * side * side, &device)?;
        let replicas = config.pace().replicas(&device, &inputs.replicas)?;
        let fingerprint = autoencoder.fingerprint();
        let stage =
            AutoencoderStage::new(config.clone(), autoencoder, network, perceptual, &device);
        let shown = inputs.validation.as_ref().unwrap_or(&inputs.data);
        let identity = AutoencoderIdentity {
            encoder: fingerprint,
            perceptual: inputs.perceptual_name.clone(),
        };
        Ok(Begun {
            stage: stage.with_replicas(replicas),
            pace: config.pace(),
            document: config.to_json(),
            less_memory: config.less_memory(),
            beginning: Standing::new(Fingerprint::of(&inputs.data)?, identity),
            course: AutoencoderCourse {
                samples: Samples::spread(shown, config.samples, &config.data)?,
                data_name: inputs.data_name,
                perceptual_name: inputs.perceptual_name,
                device: device.clone(),
                stage: PhantomData,
                config: config.clone(),
            },
            source: ImageSource {
                seed: config.seed,
                batch_size: config.batch_size,
                pictures: Pictures::new(inputs.data, config.data, inputs.workers),
                device,
            },
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

struct AutoencoderCourse<T, C> {
    config: AutoencoderTraining<C>,
    data_name: String,
    perceptual_name: String,
    device: Device,
    samples: Samples,
    stage: PhantomData<T>,
}

impl<T: TrainableAutoencoder, C: NetworkKind> Course for AutoencoderCourse<T, C> {
    type Identity = AutoencoderIdentity;
    type Stage = AutoencoderStage<T, C>;
    type Source = ImageSource;

    const HEADLINES: &'static [Headline] = &[
        Headline::new("l1", "l1", 4),
        Headline::new("perceptual", "perceptual", 4),
        Headline::new("critic/loss", "critic", 3),
    ];

    fn learning_rate(&self, _number: u64) -> f64 {
        self.config.optimizer.learning_rate
    }

    fn show(&mut self, stage: &AutoencoderStage<T, C>) -> Result<Option<Shown>, TrainError> {
        let model = stage.model();
        let batch = self.config.batch_size;
        let (image, psnr) = self.samples.reconstruct(&*model, batch, &self.device);
        Ok(Some(Shown {
            scalars: Scalars::new().with("samples/psnr", psnr),
            image,
            caption: "originals over reconstructions".to_string(),
            summary: format!("samples {psnr:.2} dB"),
        }))
    }

    /// The model as a bundle in the folder of the run.
    fn finish(
        &self,
        stage: &AutoencoderStage<T, C>,
        out: &Path,
        step: u64,
    ) -> Result<PathBuf, TrainError> {
        let folder = out.join("bundle");
        let provenance = Provenance {
            made_by: format!("svg-train {}", env!("CARGO_PKG_VERSION")),
            source: self.data_name.clone(),
            steps: Some(step),
            perceptual: Some(self.perceptual_name.clone()),
            notes: vec![self.config.about.clone()],
        };
        let rest = stage.critic_tensors();
        let autoencoder = stage.autoencoder();
        let parts = autoencoder.parts(stage.network(), stage.averaged(), rest, provenance)?;
        Bundle::create(&folder, parts, true)?;
        Ok(folder)
    }
}

/// Pictures as images.
struct ImageSource {
    seed: u64,
    batch_size: usize,
    device: Device,
    pictures: Pictures,
}

impl Source for ImageSource {
    type Batch = Tensor<4>;

    fn batch(&mut self, _place: Place, cursor: u64) -> Result<Prepared<Tensor<4>>, TrainError> {
        let (batch, remarks) = self.pictures.batch(self.seed, cursor, self.batch_size)?;
        Ok(Prepared {
            data: batch.to_tensor(&self.device),
            cursor_after: batch.cursor_after,
            remarks,
        })
    }
}
