//! The trainings of a demonstration, and what lies between them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use burn::prelude::*;
use svg_image::ImageSet;
use svg_model::{
    Accumulator, Bundle, FLOW, LatentStatistics, Normalised, OpenOptions, Registry, SPACE,
    StoredLatentStatistics,
};
use svg_roles::{Draw, Geometry, LatentSpace};
use svg_train::autoencoder::{AutoencoderTraining, Perceptual, RunInputs, train};
use svg_train::flow::{FlowInputs, FlowTraining, OnlineLatents};
use svg_train::run::{Ended, Observer, RunOptions};

use super::data::Data;
use crate::commands::pictures::{PictureBatch, PictureOptions};
use crate::encoder::EncoderFile;
use crate::interrupt::{Interrupt, Interrupted};

/// What all phases work with.
pub struct Setup {
    pub data: Data,
    pub encoder: EncoderFile,
    pub device: Device,
    pub interrupt: Interrupt,
}

/// Where a training goes, and when it stops.
pub struct Run<'a> {
    pub out: &'a Path,
    /// Steps to stop after, before those of the configuration.
    pub max_steps: Option<u64>,
    pub observer: &'a mut dyn Observer,
}

impl Run<'_> {
    /// From the newest checkpoint, if there is one.
    fn options(&self) -> RunOptions {
        RunOptions {
            out: self.out.to_path_buf(),
            resume: has_checkpoints(self.out),
            force_data: false,
            max_steps: self.max_steps,
        }
    }
}

/// Sees no difference between images.
struct Blind;

/// The name of that for the manifest.
const BLIND: &str = "none";

impl Setup {
    /// The first stage, from wherever it stands.
    pub fn autoencoder(&self, config: AutoencoderTraining, run: Run) -> Result<Bundle> {
        let inputs = RunInputs {
            options: run.options(),
            data: Arc::new(ImageSet::open(&self.data.train)?),
            data_name: format!("trained on {}", self.data.name),
            validation: Some(Arc::new(ImageSet::open(&self.data.test)?)),
            workers: 0,
            perceptual_name: BLIND.to_string(),
            replicas: vec![],
        };
        let blind = Box::new(Blind);
        let (encoder, part) = (self.encoder.encoder.clone(), self.encoder.part.clone());
        let (device, observer) = (&self.device, run.observer);
        let ended = train(config, encoder, part, inputs, blind, device, observer)?;
        opened(ended)
    }

    /// Gives a bundle the statistics of its features over so many pictures.
    pub fn statistics(&self, bundle: &mut Bundle, limit: usize, what: &str) -> Result<()> {
        let space = Registry::standard().space(bundle, &self.options(), &self.device)?;
        let mut all = Accumulator::new();
        let pictures = self.pictures(&self.data.train, limit, space.geometry());
        let size = pictures.size_for(space.geometry())?;
        let gather = |batch: PictureBatch| {
            all.push(space.encode(batch.images, Draw::Mode));
            Ok(self.interrupt.check()?)
        };
        let count = pictures.for_each_batch(size, what, &self.device, gather)?;
        let statistics = LatentStatistics::of(&all).context("there are too few tokens")?;
        if let Some(channel) = statistics.std.iter().position(|std| *std <= 0.0) {
            bail!("channel {channel} has the same value in all pictures; give more, or others");
        }
        let stored = StoredLatentStatistics {
            statistics,
            features: bundle.features_fingerprint(),
            tokens: all.count(),
            source: format!("{count} images of {size} x {size} from {}", self.data.name),
        };
        Ok(bundle.set_latent_statistics(&stored)?)
    }

    /// The second stage, from wherever it stands.
    pub fn flow(&self, config: FlowTraining, bundle: Bundle, run: Run) -> Result<Bundle> {
        let space: Arc<dyn LatentSpace> = Arc::new(self.space(&bundle)?);
        let online = |paths: &[PathBuf]| {
            let set = Arc::new(ImageSet::open(paths)?);
            let (recipe, space) = (config.data.clone(), space.clone());
            anyhow::Ok(OnlineLatents::new(set, recipe, space, 0, &self.device)?)
        };
        let source = Box::new(online(&self.data.train)?);
        let validation = match self.data.complete {
            true => Some(online(&self.data.test)?),
            false => None,
        };
        let inputs = FlowInputs {
            options: run.options(),
            source,
            validation: validation.map(|latents| Box::new(latents) as _),
            data_name: format!("trained on {}", self.data.name),
            bundle,
            space,
            replicas: vec![],
        };
        let ended = svg_train::flow::train(config, inputs, &self.device, run.observer)?;
        opened(ended)
    }

    /// The space of a bundle's latents.
    pub fn space(&self, bundle: &Bundle) -> Result<Normalised> {
        Ok(Registry::standard().latents(bundle, &self.options(), &self.device)?)
    }

    /// How parts of a bundle are opened: with this encoder, wherever the bundle expects it.
    pub fn options(&self) -> OpenOptions {
        OpenOptions {
            encoder: Some(self.encoder.path().to_path_buf()),
            ..OpenOptions::default()
        }
    }

    /// So many pictures of a set, for a loop over them.
    pub fn pictures(&self, paths: &[PathBuf], limit: usize, geometry: Geometry) -> PictureOptions {
        PictureOptions {
            images: paths.to_vec(),
            size: Some(geometry.image[0] as u32),
            batch: 50,
            limit: Some(limit),
            strict: false,
        }
    }
}

/// The bundle in a run's folder, if the training has reached its last step.
pub fn finished(run: &Path, steps: u64) -> Option<Bundle> {
    let bundle = Bundle::open(&run.join("bundle")).ok()?;
    let part = bundle.find(FLOW).or_else(|| bundle.find(SPACE))?;
    (part.provenance.steps == Some(steps)).then_some(bundle)
}

/// A copy of a bundle under another name, unless it is there already.
pub fn publish(bundle: &Bundle, folder: &Path) -> Result<Bundle> {
    if let Ok(there) = Bundle::open(folder)
        && there.manifest() == bundle.manifest()
    {
        return Ok(there);
    }
    Ok(bundle.copy_to(folder)?)
}

fn opened(ended: Ended) -> Result<Bundle> {
    match ended {
        Ended::Finished(folder) => Ok(Bundle::open(&folder)?),
        Ended::Interrupted(_) => Err(Interrupted.into()),
    }
}

fn has_checkpoints(run: &Path) -> bool {
    let entries = std::fs::read_dir(run.join("checkpoints"));
    entries.is_ok_and(|mut entries| {
        entries.any(|entry| {
            entry.is_ok_and(|entry| entry.file_name().to_string_lossy().starts_with("step-"))
        })
    })
}

impl Perceptual for Blind {
    fn distance(&self, images: Tensor<4>, _: Tensor<4>) -> Tensor<1> {
        let [batch, ..] = images.dims();
        Tensor::zeros([batch], &images.device())
    }

    fn differentiate(&self, images: Tensor<4>, reference: Tensor<4>) -> (Tensor<1>, Tensor<4>) {
        let gradient = images.zeros_like();
        (self.distance(images, reference), gradient)
    }

    fn to_device(&self, _device: &Device) -> Box<dyn Perceptual> {
        Box::new(Self)
    }
}
