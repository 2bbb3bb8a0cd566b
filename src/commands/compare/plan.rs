//! What a comparison is: decided at the first start, obeyed by every later one.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use svg_roles::EncoderSpec;
use svg_store::{read_if_there, sealed_json, unsealed_json, write_bytes};
use svg_train::autoencoder::AutoencoderTraining;
use svg_train::flow::FlowTraining;
use svg_train::run::Training as _;

use super::Compare;
use super::variant::Variant;
use crate::commands::demo::plan::{Asked, Plan as Demonstration};

const NAME: &str = "compare.json";

/// The document `compare.json`, which holds a hash of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// What was said on the command line of data and encoder.
    pub asked: Asked,
    pub spaces: Vec<Variant>,
    pub seeds: Vec<u64>,
    /// The fingerprint of the encoder's weights.
    pub encoder: String,
    pub classes: Vec<String>,
    pub size: u32,
    /// The first stage of the method, of which the others are ablations.
    pub autoencoder: AutoencoderTraining,
    /// The second stage, of which the spaces change the number of channels alone.
    pub flow: FlowTraining,
    /// Pictures over which latent statistics are computed, at most.
    pub statistics: usize,
    /// Numbers of Euler steps, each from the same noise.
    pub steps: Vec<usize>,
    /// Samples of each number of steps.
    pub count: usize,
    pub guidance: f64,
    pub shift: f64,
    /// Pictures that probes are fitted to, and pictures that are reconstructed and classified.
    pub known: usize,
    pub held_out: usize,
    /// Samples whose paths are followed.
    pub followed: usize,
}

impl Plan {
    /// The plan for an encoder and classes.
    pub fn new(
        compare: &Compare,
        encoder: &EncoderSpec,
        fingerprint: String,
        classes: Vec<String>,
    ) -> Result<Self> {
        // Networks, batches and rates are those of the demonstration, with fewer steps.
        let demo = Demonstration::new(compare.asked(), encoder, fingerprint, classes)?;
        let demo = match compare.is_tiny() {
            true => demo,
            false => demo.with_steps(compare.autoencoder_steps, compare.flow_steps),
        };
        let few = |whole: usize, few: usize| if compare.is_tiny() { few } else { whole };
        Ok(Self {
            spaces: compare.spaces.clone(),
            seeds: (0..compare.seeds).map(|seed| compare.seed + seed).collect(),
            encoder: demo.encoder,
            classes: demo.classes,
            size: demo.size,
            statistics: demo.statistics,
            steps: compare.steps.clone(),
            count: compare.count,
            guidance: compare.guidance,
            shift: compare.shift,
            known: few(5_000, 40),
            held_out: few(1_000, 20),
            followed: few(200, 12),
            autoencoder: demo.autoencoder,
            flow: demo.flow,
            asked: demo.asked,
        })
    }

    /// The plan of an earlier start, if there is one.
    pub fn read(out: &Path) -> Result<Option<Self>> {
        let path = out.join(NAME);
        let text = read_if_there(&path).with_context(|| path.display().to_string())?;
        let Some(text) = text else {
            return Ok(None);
        };
        let read = unsealed_json(&text)
            .and_then(|text| serde_json::from_str(&text).map_err(|error| error.to_string()));
        let advice = "name another folder with --out, or remove it";
        let plan = read
            .map_err(|reason: String| anyhow::anyhow!("{}: {reason}; {advice}", path.display()))?;
        Ok(Some(plan))
    }

    /// Writes it.
    pub fn write(&self, out: &Path) -> Result<()> {
        Ok(write_bytes(out.join(NAME), sealed_json(self)?)?)
    }

    /// Whether a later start asks for what was begun.
    pub fn check(&self, now: &Self, out: &Path) -> Result<()> {
        let begun = Self {
            // More spaces and seeds are added to those that are there.
            spaces: now.spaces.clone(),
            seeds: now.seeds.clone(),
            ..self.clone()
        };
        ensure!(
            begun == *now,
            "{} was begun with other settings, data or encoder; name another folder with --out, or give the same",
            out.display()
        );
        Ok(())
    }

    /// The second stage in a space of so many channels, by a seed.
    pub fn flow_of(&self, channels: usize, seed: u64) -> Result<FlowTraining> {
        let mut flow = self.flow.clone();
        let sit = flow.network.sit_mut().context("the preset is a SiT")?;
        sit.in_channels = channels;
        flow.seed = seed;
        match flow.invalid() {
            Some(problem) => bail!(problem),
            None => Ok(flow),
        }
    }

    /// The first stage by a seed.
    pub fn autoencoder_of(&self, training: &AutoencoderTraining, seed: u64) -> AutoencoderTraining {
        AutoencoderTraining {
            seed,
            ..training.clone()
        }
    }

    /// The folder of a space and a seed.
    pub fn folder(&self, out: &Path, variant: Variant, seed: u64) -> PathBuf {
        out.join(format!("{variant}-{seed}"))
    }
}
