//! What one space is worth by one seed.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use burn::prelude::*;
use serde::{Deserialize, Serialize};
use svg_eval::{Confusion, LinearProbe};
use svg_model::{Bundle, Normalised, Registry};
use svg_nn::Precision;
use svg_roles::{Draw, LatentSpace};
use svg_store::{read_text, sealed_json, unsealed_json, write_bytes};

use super::paths::Paths;
use super::plan::Plan;
use super::variant::Variant;
use crate::commands::demo::stages::Setup;
use crate::commands::demo::views::{Views, label, plane};
use crate::evaluation::card::Card;
use crate::evaluation::figures::Figure;
use crate::evaluation::protocol::Rounding;
use crate::evaluation::request::{Point, Request, Samples};
use crate::evaluation::run::{Evaluated, Machine};

const NAME: &str = "measured.json";
/// Weight decay of the linear probes.
const DECAY: f64 = 1e-4;
/// Held-out pictures in a t-SNE, at most.
const DOTS: usize = 300;

/// The document `measured.json` of a space and a seed, which holds a hash of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    pub space: Variant,
    pub seed: u64,
    /// Channels of a latent.
    pub channels: usize,
    /// Parameters of the velocity network.
    pub velocity_parameters: usize,
    /// Accuracy of a linear probe of latents, on held-out pictures.
    pub probe: f64,
    /// Means and deviations of the channels of features: over all, and over those that a residual has added.
    pub channels_of: Vec<Channels>,
    pub paths: Paths,
    /// The plane of the t-SNE of latents: x, y and class of held-out pictures.
    pub dots: Vec<(f64, f64, usize)>,
}

/// How some channels of features are distributed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Channels {
    /// The encoder's, or the residual.
    pub of: String,
    pub count: usize,
    /// The mean over channels of their means, and of their deviations.
    pub mean: f64,
    pub deviation: f64,
}

/// Where the results of a space and a seed are.
pub struct Files {
    pub folder: PathBuf,
}

impl Files {
    pub fn samples(&self) -> PathBuf {
        self.folder.join("card.json")
    }

    pub fn reconstructions(&self) -> PathBuf {
        self.folder.join("reconstructions.json")
    }

    fn measured(&self) -> PathBuf {
        self.folder.join(NAME)
    }

    /// What an earlier start has measured: whole or not at all.
    pub fn row(&self) -> Option<Row> {
        let text = read_text(&self.measured()).ok()?;
        serde_json::from_str(&unsealed_json(&text).ok()?).ok()
    }

    /// Whether an earlier start that was asked the same has left its card.
    fn has_card(path: &Path, request: &Request) -> bool {
        Card::read(path).is_ok_and(|card| card.request == *request)
    }
}

/// What a bundle is measured with.
pub struct Measuring<'a> {
    pub plan: &'a Plan,
    pub setup: &'a Setup,
    /// A folder for features while they are gathered.
    pub parts: PathBuf,
}

impl Measuring<'_> {
    /// Everything of a bundle; what an earlier start has left is kept.
    pub fn row(&self, variant: Variant, seed: u64, bundle: &Bundle, files: &Files) -> Result<Row> {
        self.judged(&self.request(bundle, seed), &files.samples())?;
        self.judged(&self.reconstructed(bundle, seed), &files.reconstructions())?;
        if let Some(row) = files.row() {
            return Ok(row);
        }
        let (plan, setup) = (self.plan, self.setup);
        let space = setup.space(bundle)?;
        let gather = |paths: &[PathBuf], limit: usize, of: &str| {
            let what = format!("{variant}, seed {seed}, {of}");
            Views::gather(setup, &space, paths, limit, &what)
        };
        let known = gather(&setup.data.train, plan.known, "training pictures")?;
        let asked = gather(&setup.data.test, plan.held_out, "held-out pictures")?;
        let classes = plan.classes.len();
        let probe = LinearProbe::fit(known.latents.clone(), &known.labels, classes, DECAY);
        let said = probe.classify(asked.latents.clone());
        let registry = Registry::standard();
        let velocity = registry.velocity(bundle, &setup.options(), &setup.device)?;
        let (latents, labels) = self.some_latents(&space, plan.followed)?;
        let row = Row {
            space: variant,
            seed,
            channels: space.geometry().channels,
            velocity_parameters: velocity.parameters().unwrap_or(0),
            probe: Confusion::new(classes, &asked.labels, &said).accuracy(),
            channels_of: self.channels_of(&space),
            paths: Paths::of(&*velocity, &latents, &labels, seed)?,
            dots: plane(&asked.latents, &asked.labels, DOTS, seed)?,
        };
        write_bytes(files.measured(), sealed_json(&row)?)?;
        Ok(row)
    }

    /// Writes a card, unless an earlier start that was asked the same has left it.
    fn judged(&self, request: &Request, path: &Path) -> Result<()> {
        if Files::has_card(path, request) {
            return Ok(());
        }
        let machine = Machine {
            device: self.setup.device.clone(),
            precision: Precision::F32,
            batch: 50,
            folder: Some(self.parts.clone()),
            interrupt: Some(self.setup.interrupt),
        };
        let Evaluated { card, .. } = machine.run(request)?;
        card.write(path)
    }

    /// Samples of a bundle by each number of steps, against the training pictures.
    pub fn request(&self, bundle: &Bundle, seed: u64) -> Request {
        let plan = self.plan;
        let point = |&steps: &usize| Point {
            bundle: bundle.folder().to_path_buf(),
            solver: "euler".to_string(),
            steps,
            shift: plan.shift,
            guidance: plan.guidance,
            guidance_mode: "constant".to_string(),
        };
        let samples = Samples::Model {
            points: plan.steps.iter().map(point).collect(),
            count: plan.count,
            random_labels: false,
            seed,
            rounding: Rounding::Round,
            dtype: "f32".to_string(),
        };
        self.against(samples, &self.setup.data.train, seed)
    }

    /// Held-out pictures through a bundle's space and back.
    fn reconstructed(&self, bundle: &Bundle, seed: u64) -> Request {
        let samples = Samples::Reconstructions {
            bundle: bundle.folder().to_path_buf(),
        };
        self.against(samples, &self.setup.data.test, seed)
    }

    /// Judged by the one encoder, whatever the space.
    fn against(&self, samples: Samples, reference: &[PathBuf], seed: u64) -> Request {
        let encoder = self.setup.encoder.path().to_path_buf();
        Request {
            protocol: "own".to_string(),
            samples,
            reference: reference.to_vec(),
            reference_limit: Some(self.plan.known),
            inception: None,
            weights: Some(encoder.clone()),
            architecture: None,
            weights_key: self.plan.asked.weights_key.clone(),
            encoder: Some(encoder),
            size: Some(self.plan.size),
            exif: false,
            seed,
            resamples: 200,
            level: 0.95,
        }
    }

    /// Latents of held-out pictures and their classes.
    fn some_latents(&self, space: &Normalised, count: usize) -> Result<(Tensor<3>, Vec<usize>)> {
        let (setup, classes) = (self.setup, &self.plan.classes);
        let (mut latents, mut labels) = (Vec::new(), Vec::new());
        let what = "velocities";
        setup.for_each_batch(&setup.data.test, count, space, what, |batch, images| {
            for name in &batch.names {
                labels.push(label(name, classes)?);
            }
            latents.push(space.encode(images, Draw::Mode));
            Ok(())
        })?;
        Ok((Tensor::cat(latents, 0), labels))
    }

    /// How the encoder's channels and those of the residual are distributed.
    fn channels_of(&self, space: &Normalised) -> Vec<Channels> {
        let statistics = space.statistics();
        let (means, deviations) = (&statistics.mean, &statistics.std);
        let semantic = self.setup.encoder.encoder.spec().channels;
        let whole = means.len();
        let of = |name: &str, range: std::ops::Range<usize>| {
            let mean = |values: &[f64]| {
                let some = &values[range.clone()];
                some.iter().sum::<f64>() / some.len() as f64
            };
            Channels {
                of: name.to_string(),
                count: range.len(),
                mean: mean(means),
                deviation: mean(deviations),
            }
        };
        match whole > semantic && whole - semantic < semantic {
            true => vec![of("encoder", 0..semantic), of("residual", semantic..whole)],
            false => vec![of("all", 0..whole)],
        }
    }
}

/// A figure of a card, of the samples of that number.
pub fn figure<'a>(card: &'a Card, samples: usize, name: &str) -> Result<&'a Figure> {
    let of = card
        .results
        .get(samples)
        .context("a card without results")?;
    let found = of.figures.iter().find(|figure| figure.name == name);
    found.with_context(|| format!("a card without {name}"))
}
