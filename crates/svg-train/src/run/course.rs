//! The role of what is trained.

use std::path::{Path, PathBuf};

use svg_image::RgbImage;

use crate::TrainError;
use crate::data::Fingerprint;
use crate::log::Scalars;
use crate::run::{Headline, Identity, Observer};

/// How long a run is, and when it does what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Optimiser steps.
    pub steps: u64,
    /// Images of one of them.
    pub images_per_step: u64,
    /// Steps between checkpoints.
    pub checkpoint_every: u64,
    /// Checkpoints that are kept.
    pub checkpoints_kept: usize,
    /// Steps between pictures of what has been learned.
    pub samples_every: u64,
    /// Dropped steps in a row until training goes back to the last checkpoint.
    pub patience: u64,
}

/// What a step said.
#[derive(Clone, Debug)]
pub struct StepReport {
    /// Losses and what explains them, in the order of the log.
    pub scalars: Scalars,
    /// Whether a loss or gradient was not finite, so that nothing was learned from the step.
    pub dropped: bool,
}

/// A step that was taken.
pub struct Taken<C> {
    /// What is trained, one step further.
    pub course: C,
    /// Where the order of the data stands now.
    pub cursor: u64,
    /// What the step said.
    pub report: StepReport,
}

/// What has been learned so far, to look at.
pub struct Shown {
    /// Numbers for the logs.
    pub scalars: Scalars,
    /// The picture, if there is one.
    pub picture: Option<Picture>,
    /// One line for people, such as `samples 23.10 dB`.
    pub summary: Option<String>,
}

/// A picture for the folder of samples.
pub struct Picture {
    /// The picture.
    pub image: RgbImage,
    /// What is on it.
    pub caption: String,
}

/// A training as the run sees it: the networks, the optimisers and the source of their data.
///
/// A step must be a function of its number, the cursor and the weights, so that there is nothing to store
/// beside [`save`](Self::save) and the [`Standing`](crate::run::Standing).
pub trait Course: Sized {
    /// What a resumed run must share with the one that was begun.
    type Identity: Identity;

    /// What to watch.
    const HEADLINES: &'static [Headline];

    /// How long, and when.
    fn pace(&self) -> Pace;

    /// The configuration as the file `config.json`.
    fn document(&self) -> String;

    /// What this training is, beside its configuration and its data.
    fn identity(&self) -> &Self::Identity;

    /// Which pictures it learns from.
    fn data(&self) -> &Fingerprint;

    /// The learning rate of step `number`, counted from 0, before any halving.
    fn learning_rate(&self, number: u64) -> f64;

    /// Takes step `number`, counted from 0, with the data from `cursor` on.
    ///
    /// # Errors
    ///
    /// [`TrainError`] if there are no data.
    fn step(
        self,
        number: u64,
        cursor: u64,
        learning_rate: f64,
        observer: &mut dyn Observer,
    ) -> Result<Taken<Self>, TrainError>;

    /// Writes everything that learning goes on from into a folder.
    ///
    /// # Errors
    ///
    /// [`TrainError`] if a file cannot be written.
    fn save(&self, folder: &Path) -> Result<(), TrainError>;

    /// Takes up what [`save`](Self::save) has written.
    ///
    /// # Errors
    ///
    /// [`TrainError`] if a file cannot be read or does not fit.
    fn restore(self, folder: &Path) -> Result<Self, TrainError>;

    /// What it has learned after `step` steps.
    ///
    /// # Errors
    ///
    /// [`TrainError`] if there is nothing to show it with.
    fn show(&mut self, step: u64) -> Result<Shown, TrainError>;

    /// Puts the model into the folder of the run and says where it is.
    ///
    /// # Errors
    ///
    /// [`TrainError`] if it cannot be written.
    fn finish(&self, out: &Path, step: u64) -> Result<PathBuf, TrainError>;
}
