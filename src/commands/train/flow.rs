//! `svg train flow`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use burn::prelude::*;
use clap::Args;
use svg_image::ImageSet;
use svg_model::{Bundle, Registry};
use svg_roles::LatentSpace;
use svg_train::cache::LatentCache;
use svg_train::flow::{FlowInputs, FlowTraining, LatentSource, OnlineLatents, train};

use super::options::TrainingOptions;
use super::watch::watched;
use crate::commands::bundle::BundleOptions;
use crate::commands::outputs::Outputs;
use crate::device::DeviceOptions;
use crate::progress::status;

/// Train the velocity network in the latents of a bundle
///
/// The class of a picture is the first folder below PATH, or its label. RUN gets the configuration, steps.csv, TensorBoard
/// events (tensorboard --logdir RUN), sheets of samples in samples/, checkpoints, and at the end a bundle:
/// the one given, with the averaged network as its flow. Ctrl-C, SIGTERM and SIGHUP end the step, write a
/// checkpoint and exit with 130; a second one exits at once. Whatever happens, --resume goes on from the newest
/// whole checkpoint, exactly.
#[derive(Args)]
#[command(after_help = "Examples:
  svg train flow --config flow_svg_xl_256 --cache imagenet.cache --bundle svg/ --out runs/xl
  svg train flow --config flow_cifar10 --data cifar10/train --validation cifar10/test \\
      --bundle runs/cifar10/bundle --out runs/flow
  svg train flow --resume --data cifar10/train --bundle runs/cifar10/bundle --out runs/flow")]
pub struct TrainFlow {
    /// A configuration: a JSON file, or the name of one that is built in
    ///
    /// Built in are those under configs/: flow_svg_xl_256 and others; a wrong name lists them. With --resume
    /// the run's own is used.
    #[arg(long, value_name = "FILE|NAME", required_unless_present = "resume")]
    config: Option<String>,
    /// Pictures to train on, encoded as they come: folders of classes, archives of such (tar, zip), WebDataset
    /// shards, lists with labels
    #[arg(long, num_args = 1.., value_name = "PATH", required_unless_present = "cache")]
    data: Vec<PathBuf>,
    /// Features to train on, made by `svg cache`
    #[arg(long, value_name = "FOLDER", conflicts_with = "data")]
    cache: Option<PathBuf>,
    /// Pictures whose loss is measured [default: some of those trained on]
    #[arg(long, num_args = 1.., value_name = "PATH")]
    validation: Vec<PathBuf>,
    #[command(flatten)]
    bundle: BundleOptions,
    #[command(flatten)]
    options: TrainingOptions,
}

impl TrainFlow {
    pub fn run(self, device: &DeviceOptions) -> Result<()> {
        let config: FlowTraining = self.options.configuration(self.config.as_deref())?;
        let open = |paths: &[PathBuf]| match paths {
            [] => Ok(None),
            paths => self.options.reading.open_classes(paths).map(Some),
        };
        let (data, validation) = (open(&self.data)?, open(&self.validation)?);
        let outputs = self.options.written_by(Outputs::default());
        let outputs = self.bundle.read_by(outputs);
        let outputs = outputs.pictures("--data", data.as_deref());
        outputs
            .pictures("--validation", validation.as_deref())
            .check()?;
        let device = device.open_f32()?;
        let replicas = self.options.open_replicas()?;
        let bundle = self.bundle.open()?;
        let registry = Registry::standard();
        let space = registry.latents(&bundle, &self.bundle.options(), &device)?;
        let space: Arc<dyn LatentSpace> = Arc::new(space);
        let online = |set: Arc<ImageSet>| -> Result<Box<dyn LatentSource>> {
            let (recipe, workers) = (config.data.clone(), self.options.workers);
            let latents = OnlineLatents::new(set, recipe, space.clone(), workers, &device)?;
            Ok(Box::new(latents))
        };
        let (source, data_name) = match (data, &self.cache) {
            (Some(data), _) => (online(data)?, self.options.data_name(&self.data)),
            (None, Some(folder)) => {
                let source = cached(folder, &bundle, &*space, &device)?;
                (source, format!("trained on {}", folder.display()))
            }
            (None, None) => bail!("name pictures by --data, or features by --cache"),
        };
        let (made, asked) = (
            source.fingerprint().orientation,
            self.options.reading.orientation,
        );
        ensure!(
            made == asked || (asked.is_default() && self.validation.is_empty()),
            "the cache holds pictures that were read with --orientation {made}; say that instead of {asked}"
        );
        let validation = validation.map(online).transpose()?;
        let (count, classes) = (source.fingerprint().count, source.classes().len());
        status!("{count} pictures of {classes} classes: {}", source.kind());
        let inputs = FlowInputs {
            options: self.options.of_run(),
            source,
            validation,
            data_name,
            bundle,
            space,
            replicas,
        };
        watched(self.options.grace(), |watch| {
            train(config, inputs, &device, watch)
        })
    }
}

/// The latents of a cache that was made of this space.
fn cached(
    folder: &Path,
    bundle: &Bundle,
    space: &dyn LatentSpace,
    device: &Device,
) -> Result<Box<dyn LatentSource>> {
    let cache = LatentCache::open(folder)?;
    cache.check_features(&bundle.features_fingerprint())?;
    cache.check_geometry(space.geometry())?;
    let statistics = bundle.latent_statistics()?;
    let statistics = statistics.context("the latent statistics are gone")?;
    Ok(Box::new(cache.latents(statistics, device)?))
}
