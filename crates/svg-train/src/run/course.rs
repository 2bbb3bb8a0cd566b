//! Trait for a training as the run sees it.

use std::iter;
use std::path::{Path, PathBuf};

use burn::prelude::*;
use svg_image::RgbImage;
use svg_store::{first, outside};

use super::{Headline, Identity, Replicas, Source, Stage, Standing, Unread};
use crate::TrainError;
use crate::log::Scalars;

/// How long a run is, and when it does what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Optimiser steps.
    pub steps: u64,
    /// Images of a micro-batch.
    pub batch_size: usize,
    /// Micro-batches of a step.
    pub accumulation: usize,
    /// Steps between checkpoints.
    pub checkpoint_every: u64,
    /// Checkpoints that are kept.
    pub checkpoints_kept: usize,
    /// Steps between pictures of what has been learned.
    pub samples_every: u64,
    /// Dropped steps in a row until training goes back to the last checkpoint.
    pub patience: u64,
}

/// The [`Pace`] of a configuration, which names its fields alike in all trainings.
macro_rules! pace {
    ($config:expr, $accumulation:expr) => {
        $crate::run::Pace {
            steps: $config.steps,
            batch_size: $config.batch_size,
            accumulation: $accumulation,
            checkpoint_every: $config.checkpoint_every,
            checkpoints_kept: $config.checkpoints_kept,
            samples_every: $config.samples_every,
            patience: $config.patience,
        }
    };
}
pub(crate) use pace;

impl Pace {
    /// Images of a step.
    pub fn images_per_step(&self) -> u64 {
        (self.batch_size * self.accumulation) as u64
    }

    /// The same images in a step with fewer at once, in words.
    pub(crate) fn smaller_batches(&self) -> String {
        let (size, accumulation) = (self.batch_size, self.accumulation);
        let now = format!("now {size} and {accumulation}");
        match size {
            0 | 1 => format!("smaller networks: batch_size is {size}"),
            even if even % 2 == 0 => {
                let (half, twice) = (size / 2, accumulation * 2);
                format!("batch_size {half} and accumulation {twice}, the same step ({now})")
            }
            _ => format!("a smaller batch_size and more accumulation ({now})"),
        }
    }

    /// The first field that is outside its range, in words.
    pub fn invalid(&self) -> Option<String> {
        let batches = 1..=(1 << 20);
        first([
            outside("steps", self.steps, 1..=1_000_000_000_000),
            outside("batch_size", self.batch_size, batches.clone()),
            outside("accumulation", self.accumulation, batches),
            outside("checkpoint_every", self.checkpoint_every, 1..=u64::MAX),
            outside("checkpoints_kept", self.checkpoints_kept, 1..=usize::MAX),
            outside("samples_every", self.samples_every, 1..=u64::MAX),
            outside("patience", self.patience, 1..=u64::MAX),
        ])
    }

    /// A device and others that share every batch with it; an error if batches do not divide among them.
    pub(crate) fn replicas(
        &self,
        first: &Device,
        others: &[Device],
    ) -> Result<Replicas, TrainError> {
        let devices: Vec<_> = iter::once(first).chain(others).cloned().collect();
        let (size, count) = (self.batch_size, devices.len());
        match size.is_multiple_of(count) {
            true => Ok(Replicas::new(devices)),
            false => Err(TrainError::Unfit {
                reason: format!(
                    "batch_size is {size}, which does not divide among {count} devices; set it to a multiple"
                ),
            }),
        }
    }
}

/// What a step reported.
#[derive(Clone, Debug)]
pub struct StepReport {
    /// Losses and what explains them, in the order of the log.
    pub scalars: Scalars,
    /// Whether a loss or gradient was not finite, so that nothing was learned from the step.
    pub dropped: bool,
}

/// What a step reported that nobody has read yet.
#[derive(Debug)]
pub struct UnreadReport {
    /// Losses and norms.
    pub(super) scalars: Unread,
    /// Numbers that decide nothing.
    pub(super) remarks: Unread,
    /// Whether what is known already is finite.
    pub(super) finite: bool,
}

impl UnreadReport {
    /// Reads what several steps have reported, in one transfer. The first that is dropped has spoilt what was learned
    /// after it.
    pub fn read_all(all: Vec<Self>) -> Vec<StepReport> {
        let finite: Vec<bool> = all.iter().map(|one| one.finite).collect();
        let unread = all.into_iter().flat_map(|one| [one.scalars, one.remarks]);
        let mut read = Unread::read_all(unread.collect()).into_iter();
        let report = |finite| {
            let mut next = || read.next().expect("two for each");
            let (mut scalars, remarks) = (next(), next());
            let dropped = !(finite && scalars.are_finite());
            scalars.append(remarks);
            StepReport { scalars, dropped }
        };
        finite.into_iter().map(report).collect()
    }
}

/// What has been learned so far, to look at.
pub(crate) struct Shown {
    /// Numbers for the logs.
    pub scalars: Scalars,
    /// A picture for the folder of samples.
    pub image: RgbImage,
    /// What is on it.
    pub caption: String,
    /// One line for people, such as `samples 23.10 dB`.
    pub summary: String,
}

/// A training that begins or goes on.
pub(crate) struct Begun<C: Course> {
    /// How to show what it has learned.
    pub course: C,
    /// Where its data come from.
    pub source: C::Source,
    /// What learns.
    pub stage: C::Stage,
    /// How long, and when.
    pub pace: Pace,
    /// The configuration as the file `config.json`.
    pub document: String,
    /// Changes to it after which a step needs less memory.
    pub less_memory: Vec<String>,
    /// Where a new run of this training begins: its data and its identity.
    pub beginning: Standing<C::Identity>,
}

/// A training as the run sees it, beside its stage.
pub(crate) trait Course {
    /// What a resumed run must share with the one that was begun.
    type Identity: Identity;
    /// What learns.
    type Stage: Stage;
    /// Where its data come from.
    type Source: Source<Batch = <Self::Stage as Stage>::Batch>;

    /// What to watch.
    const HEADLINES: &'static [Headline];

    /// The learning rate of step `number`, counted from 0, before any halving.
    fn learning_rate(&self, number: u64) -> f64;

    /// What has been learned; `None` if there is nothing to show it with.
    fn show(&mut self, stage: &Self::Stage) -> Result<Option<Shown>, TrainError>;

    /// Copies what is needed at the end into the folder of a run, when it is agreed that it begins or goes on there,
    /// so that the run ends whatever happens elsewhere.
    fn keep(&mut self, _out: &Path) -> Result<(), TrainError> {
        Ok(())
    }

    /// Puts the model into the folder of the run and returns its path.
    fn finish(&self, stage: &Self::Stage, out: &Path, step: u64) -> Result<PathBuf, TrainError>;
}
