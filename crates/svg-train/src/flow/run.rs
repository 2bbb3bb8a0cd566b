//! The training of a flow as a run.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::prelude::*;
use svg_model::{Bundle, FLOW, ModelError, NewFlow, Provenance};
use svg_nn::Precision;
use svg_roles::LatentSpace;
use svg_store::list_differences;

use crate::TrainError;
use crate::flow::identity::FlowIdentity;
use crate::flow::samples::samples;
use crate::flow::validation::Validation;
use crate::flow::{FlowBatch, FlowNetwork, FlowStage, FlowTraining, LatentSource, misfit};
use crate::log::Scalars;
use crate::run::{
    Begun, Course, Ended, Headline, Network, NetworkKind, Observer, Place, Prepared, RunOptions,
    Shown, Source, Standing, Training, check_batch, check_memory, run,
};

/// What a run needs beside its configuration.
pub struct FlowInputs {
    /// Where it is, and how it is to go on.
    pub options: RunOptions,
    /// What is learned.
    pub source: Box<dyn LatentSource>,
    /// What is measured on; latents of the training, in another order, if there is none.
    pub validation: Option<Box<dyn LatentSource>>,
    /// Where the data are, for people.
    pub data_name: String,
    /// The model without its flow, which is copied into the folder `base` of the run at its beginning, and with the flow
    /// into `bundle` at its end.
    pub bundle: Bundle,
    /// The space of the latents, normalised, for samples.
    pub space: Arc<dyn LatentSpace>,
    /// More devices, which share every batch with the first.
    pub replicas: Vec<Device>,
}

/// As [`train`](super::train), of a network that `network` configures.
///
/// `config` is what the run keeps as its document; its field of the network is for you to fill.
///
/// # Errors
///
/// As [`train`](super::train).
pub fn train_network<N: FlowNetwork, C: NetworkKind>(
    config: FlowTraining<C>,
    network: N::Config,
    mut inputs: FlowInputs,
    device: &Device,
    observer: &mut dyn Observer,
) -> Result<Ended, TrainError> {
    let device = device.clone().without_autodiff();
    let options = inputs.options.clone();
    let begin = || {
        let unfit = |reason| TrainError::Unfit { reason };
        let (geometry, classes) = (inputs.space.geometry(), inputs.source.classes());
        if let Some(reason) = misfit(N::spec_of(&network), N::FIELDS, geometry, classes) {
            return Err(unfit(reason));
        }
        check_memory::<N>(&network, &device)?;
        let numbers = geometry.tokens() * geometry.channels;
        check_batch(config.batch_size, numbers, &device)?;
        let replicas = config.pace().replicas(&device, &inputs.replicas)?;
        let precision = config.precision.precision();
        // f32 is what the process computes in already, or the TF32 that its user has chosen.
        if precision != Precision::F32 && !precision.select(&device) {
            return Err(unfit(format!(
                "precision is {precision:?}, in which this device cannot compute; set it to \"f32\""
            )));
        }
        let bundle = &inputs.bundle;
        let statistics = bundle.required_latent_statistics()?;
        let identity = FlowIdentity {
            features: bundle.features_fingerprint(),
            statistics: statistics.statistics.fingerprint(),
            latents: inputs.source.kind(),
        };
        let validation = match &mut inputs.validation {
            Some(source) if source.classes() != inputs.source.classes() => {
                let differences = list_differences(
                    source.classes(),
                    "in the validation data",
                    inputs.source.classes(),
                    "in the training data",
                );
                return Err(unfit(format!(
                    "the validation data have other classes ({}); give pictures in folders of the same names",
                    differences.unwrap_or_default()
                )));
            }
            Some(source) => Validation::new(&config, &mut **source, config.seed, &device)?,
            None => {
                let seed = config.seed.wrapping_add(1);
                Validation::new(&config, &mut *inputs.source, seed, &device)?
            }
        };
        let stage = FlowStage::<N, C>::new(config.clone(), network.clone(), &device);
        let null = stage.null();
        let FlowInputs {
            source, data_name, ..
        } = inputs;
        Ok(Begun {
            stage: stage.with_replicas(replicas),
            pace: config.pace(),
            document: config.to_json(),
            less_memory: config.less_memory(),
            beginning: Standing::new(source.fingerprint().clone(), identity),
            course: FlowCourse {
                config: config.clone(),
                network,
                classes: source.classes().to_vec(),
                data_name,
                bundle: inputs.bundle,
                space: inputs.space,
                device,
                validation,
            },
            source: FlowSource {
                null,
                config,
                latents: source,
            },
        })
    };
    run(options, begin, observer)
}

struct FlowCourse<N: FlowNetwork, C> {
    config: FlowTraining<C>,
    network: N::Config,
    /// The names of the classes of the data.
    classes: Vec<String>,
    data_name: String,
    bundle: Bundle,
    space: Arc<dyn LatentSpace>,
    device: Device,
    validation: Validation,
}

impl<N: FlowNetwork, C: NetworkKind> Course for FlowCourse<N, C> {
    type Identity = FlowIdentity;
    type Stage = FlowStage<N, C>;
    type Source = FlowSource<C>;

    const HEADLINES: &'static [Headline] = &[Headline::new("loss", "loss", 4)];

    fn learning_rate(&self, number: u64) -> f64 {
        self.config.optimizer.rate(number, self.config.steps)
    }

    fn show(&mut self, stage: &FlowStage<N, C>) -> Result<Option<Shown>, TrainError> {
        let network = stage.network();
        let loss = self.validation.loss(network);
        let space = self.space.clone();
        let (image, caption) = samples(&self.config, network, space, &self.device)?;
        Ok(Some(Shown {
            scalars: Scalars::new().with("validation/loss", loss),
            image,
            caption,
            summary: format!("validation loss {loss:.4}"),
        }))
    }

    /// The bundle as it is: another process may change or remove it, hours before it is needed.
    fn keep(&mut self, out: &Path) -> Result<(), TrainError> {
        let (folder, given) = (out.join("base"), &self.bundle);
        let kept = Bundle::open(&folder).ok();
        let kept = kept.filter(|kept| is_same(kept, given).unwrap_or(false));
        self.bundle = match kept {
            Some(kept) => kept,
            None => given.copy_without(&folder, FLOW)?,
        };
        Ok(())
    }

    /// The bundle that was given, with the averaged network as its flow.
    fn finish(
        &self,
        stage: &FlowStage<N, C>,
        out: &Path,
        step: u64,
    ) -> Result<PathBuf, TrainError> {
        let network = stage.network();
        let flow = NewFlow {
            kind: N::KIND,
            config: &self.network,
            spec: network.spec(),
            tensors: Network::tensors(network),
            classes: self.classes.clone(),
            provenance: Provenance {
                made_by: format!("svg-train {}", env!("CARGO_PKG_VERSION")),
                source: self.data_name.clone(),
                steps: Some(step),
                perceptual: None,
                notes: vec![self.config.about.clone()],
            },
        };
        let bundle = &self.bundle;
        let part = bundle.flow_part(flow)?;
        let made = bundle.copy_with(&out.join("bundle"), FLOW, part)?;
        Ok(made.folder().to_path_buf())
    }
}

/// Latents, and what is random at their place.
struct FlowSource<C> {
    config: FlowTraining<C>,
    /// The class that stands for none.
    null: usize,
    latents: Box<dyn LatentSource>,
}

impl<C: NetworkKind> Source for FlowSource<C> {
    type Batch = FlowBatch;

    fn batch(&mut self, place: Place, cursor: u64) -> Result<Prepared<FlowBatch>, TrainError> {
        let (seed, size) = (self.config.seed, self.config.batch_size);
        let batch = self.latents.batch(seed, cursor, size)?;
        let data = FlowBatch::new(batch.latents, batch.labels);
        Ok(Prepared {
            data: data.drawn(&self.config, self.null, place),
            cursor_after: batch.cursor_after,
            remarks: batch.remarks,
        })
    }
}

/// Whether the latents of two bundles are the same.
fn is_same(one: &Bundle, other: &Bundle) -> Result<bool, ModelError> {
    let of = |bundle: &Bundle| {
        let stored = bundle.required_latent_statistics()?;
        let statistics = stored.statistics.fingerprint();
        Ok::<_, ModelError>((bundle.features_fingerprint(), statistics))
    };
    Ok(of(one)? == of(other)?)
}
