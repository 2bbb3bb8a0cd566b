//! The trainings of a demonstration, and what lies between them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use burn::prelude::*;
use svg_model::{Bundle, FLOW, Normalised, OpenOptions, Registry, SPACE};
use svg_roles::LatentSpace;
use svg_train::autoencoder::{AutoencoderTraining, Perceptual, RunInputs, train};
use svg_train::data::PictureBatch;
use svg_train::flow::{FlowInputs, FlowTraining, LatentSource, OnlineLatents};
use svg_train::run::{Ended, Observer, RunOptions};

use super::data::Data;
use crate::commands::bundle::with_encoder;
use crate::commands::pictures::PictureOptions;
use crate::commands::stats::gather;
use crate::encoder::EncoderFile;
use crate::interrupt::{Interrupt, Interrupted};

/// What all phases work with.
pub struct Setup {
    pub data: Data,
    pub encoder: EncoderFile,
    pub device: Device,
    pub interrupt: Interrupt,
}

/// A training in a folder, from the newest checkpoint if there is one. It stops after `max_steps`, if those of
/// its configuration are more.
pub fn run_in(out: &Path, max_steps: Option<u64>) -> RunOptions {
    RunOptions {
        resume: has_checkpoints(out),
        max_steps,
        ..RunOptions::new(out)
    }
}

/// Sees no difference between images.
struct Blind;

/// The name of that for the manifest.
const BLIND: &str = "none";

impl Setup {
    /// The first stage, from wherever it stands.
    pub fn autoencoder(
        &self,
        config: AutoencoderTraining,
        options: RunOptions,
        observer: &mut dyn Observer,
    ) -> Result<Bundle> {
        let inputs = RunInputs {
            options,
            data: self.data.reading.open_set(&self.data.train)?,
            data_name: format!("trained on {}", self.data.name),
            validation: Some(self.data.reading.open_set(&self.data.test)?),
            workers: 0,
            perceptual_name: BLIND.to_string(),
            replicas: vec![],
        };
        let blind = Box::new(Blind);
        let (encoder, part) = (self.encoder.encoder.clone(), self.encoder.part.clone());
        let device = &self.device;
        let ended = train(config, encoder, part, inputs, blind, device, observer)?;
        opened(ended)
    }

    /// Gives a bundle the statistics of its features over so many pictures.
    pub fn statistics(&self, bundle: &mut Bundle, limit: usize, what: &str) -> Result<()> {
        let space = Registry::standard().space(bundle, &self.options(), &self.device)?;
        let pictures = self.pictures(&self.data.train, limit);
        let (from, device) = (&self.data.name, &self.device);
        let stored = gather(&*space, bundle, &pictures, what, from, device)?;
        Ok(bundle.set_latent_statistics(&stored)?)
    }

    /// The second stage, from wherever it stands.
    pub fn flow(
        &self,
        config: FlowTraining,
        bundle: Bundle,
        options: RunOptions,
        observer: &mut dyn Observer,
    ) -> Result<Bundle> {
        let space: Arc<dyn LatentSpace> = Arc::new(self.space(&bundle)?);
        let online = |paths: &[PathBuf]| {
            let set = self.data.reading.open_set(paths)?;
            let (recipe, space) = (config.data.clone(), space.clone());
            let latents = OnlineLatents::new(set, recipe, space, 0, &self.device)?;
            anyhow::Ok(Box::new(latents) as Box<dyn LatentSource>)
        };
        let validation = self.data.complete.then(|| online(&self.data.test));
        let inputs = FlowInputs {
            options,
            source: online(&self.data.train)?,
            validation: validation.transpose()?,
            data_name: format!("trained on {}", self.data.name),
            bundle,
            space,
            replicas: vec![],
        };
        let ended = svg_train::flow::train(config, inputs, &self.device, observer)?;
        opened(ended)
    }

    pub fn space(&self, bundle: &Bundle) -> Result<Normalised> {
        Ok(Registry::standard().latents(bundle, &self.options(), &self.device)?)
    }

    /// How parts of a bundle are opened: with this encoder, wherever the bundle expects it.
    pub fn options(&self) -> OpenOptions {
        with_encoder(Some(self.encoder.path()))
    }

    /// Calls `work` for each batch of so many pictures of a set.
    pub fn for_each_batch(
        &self,
        paths: &[PathBuf],
        limit: usize,
        space: &Normalised,
        what: &str,
        work: impl FnMut(PictureBatch, Tensor<4>) -> Result<()>,
    ) -> Result<usize> {
        let pictures = self.pictures(paths, limit);
        let size = pictures.size_for(space.geometry())?;
        pictures.for_each_batch(size, what, &self.device, work)
    }

    fn pictures(&self, paths: &[PathBuf], limit: usize) -> PictureOptions {
        PictureOptions {
            images: paths.to_vec(),
            batch: 50,
            limit: Some(limit),
            interrupt: Some(self.interrupt),
            reading: self.data.reading,
            ..PictureOptions::default()
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
    let entries = entries.into_iter().flatten().flatten();
    let mut names = entries.map(|entry| entry.file_name());
    names.any(|name| name.to_string_lossy().starts_with("step-"))
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
