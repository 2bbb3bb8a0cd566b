//! What can go wrong between a folder and a model.

use std::path::PathBuf;

use svg_dino::DinoError;
use svg_nn::LoadError;
use svg_store::{LockError, PathError, WriteError};
use svg_vit::VitError;

/// Why a model could not be opened, checked or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// A weight file cannot be read or written, or holds other tensors.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The encoder's weights cannot be used.
    #[error(transparent)]
    Encoder(#[from] DinoError),
    /// The weights of an encoder that is no DINOv3 cannot be used.
    #[error(transparent)]
    Transformer(#[from] VitError),
    /// A small file could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The system could not read, make or rename a file or folder.
    #[error(transparent)]
    System(#[from] PathError),
    /// Another process changes the bundle.
    #[error(transparent)]
    Locked(#[from] LockError),
    /// Another process has changed parts of the bundle that a change or a reader depends on.
    #[error(
        "another process has changed {parts} of {} since it was opened here, so nothing is made of what it was; run \
         the command again", path.display()
    )]
    Exchanged {
        /// The bundle.
        path: PathBuf,
        /// The parts.
        parts: String,
    },
    /// This folder is not a bundle.
    #[error(
        "{} is not a bundle: it has no manifest.json. A bundle is the folder that `svg train` and \
         `svg import` write", .0.display()
    )]
    NotABundle(PathBuf),
    /// The manifest cannot be used.
    #[error("{}: {reason}", path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// There is no part of that name.
    #[error(
        "{} has no part {name:?}: it was made by another program, or is damaged. `svg info` lists its parts",
        path.display()
    )]
    NoPart {
        /// The bundle.
        path: PathBuf,
        /// The part.
        name: String,
    },
    /// Nothing in this program opens a part of that kind.
    #[error(
        "the part {part:?} of {} is of the kind {kind:?}, which this program, svg-model {}, does not open here; \
         it opens {known}. Use a newer version, or the program that made the bundle",
        path.display(), env!("CARGO_PKG_VERSION")
    )]
    UnknownKind {
        /// The bundle.
        path: PathBuf,
        /// The part.
        part: String,
        /// Its kind.
        kind: String,
        /// The kinds that can be opened.
        known: String,
    },
    /// A part cannot be opened by the function that a program has registered for its kind.
    #[error("the part {part:?} of {} cannot be opened: {reason}", path.display())]
    Part {
        /// The bundle.
        path: PathBuf,
        /// The part.
        part: String,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// A file of the bundle is missing or not the one that the manifest describes.
    #[error(
        "{}, of the part {part:?}: {reason}. The bundle is damaged or was copied in part: fetch it again, or train or import \
         it anew", path.display()
    )]
    Changed {
        /// The file.
        path: PathBuf,
        /// The part that it belongs to.
        part: String,
        /// How it differs.
        reason: String,
    },
    /// The folder to write to exists and is not empty.
    #[error("{} exists and is not empty; name another folder, or say --force to replace it", .0.display())]
    Taken(PathBuf),
    /// The folder in which a bundle is to be replaced exists, is not empty and holds none.
    #[error(
        "{} is not empty and holds no bundle that could be replaced; remove it, or name another folder", .0.display()
    )]
    NothingToReplace(PathBuf),
    /// The encoder's weights are not where the bundle says.
    #[error(
        "the encoder's weights are not at {}, where this bundle was made with them. Name them with \
         --encoder FILE: {name}, fingerprint {fingerprint}", path.display()
    )]
    EncoderMissing {
        /// Where they were expected.
        path: PathBuf,
        /// The architecture.
        name: String,
        /// The fingerprint to look for.
        fingerprint: String,
    },
    /// Another encoder than the one trained with.
    #[error(
        "{} is not the encoder that this model was trained with: {reason}. Features of another encoder \
         mean nothing to this decoder", path.display()
    )]
    OtherEncoder {
        /// The weights that were given.
        path: PathBuf,
        /// How they differ.
        reason: String,
    },
    /// Frozen alignment was asked for, and the bundle in this folder has no statistics.
    #[error(
        "{} has no alignment statistics yet. Compute them with `svg align-stats --bundle {} --images \
         PATH`. `svg encode` and `svg reconstruct` also have --align batch, with which an image's features \
         depend on its batch",
        .0.display(), .0.display()
    )]
    NoStatistics(PathBuf),
    /// The statistics file cannot be used.
    #[error("{}: {reason}; compute the statistics again with `svg align-stats`", path.display())]
    Statistics {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The bundle in this folder has no statistics to normalise features by.
    #[error(
        "{} has no latent statistics yet, so there are no latents. Compute them with `svg stats --bundle {} \
         --images PATH`", .0.display(), .0.display()
    )]
    NoLatentStatistics(PathBuf),
    /// The file of latent statistics cannot be used.
    #[error("{}: {reason}. Compute the statistics again with `svg stats`", path.display())]
    LatentStatistics {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Something belongs to features that are no longer the bundle's.
    #[error(
        "the {what} of {} belong to features with the fingerprint {belongs}, but those of the bundle have \
         {bundle}: its alignment has changed since. {advice}", path.display()
    )]
    OtherFeatures {
        /// The bundle.
        path: PathBuf,
        /// What belongs to them.
        what: &'static str,
        /// Their fingerprint.
        belongs: String,
        /// The bundle's.
        bundle: String,
        /// What to do.
        advice: &'static str,
    },
    /// The flow makes latents that are normalised in another way.
    #[error(
        "the flow of {} makes latents of statistics with the fingerprint {flow}, but those of the bundle have \
         {bundle}. Train the flow again, or import it with its statistics", path.display()
    )]
    OtherStatistics {
        /// The bundle.
        path: PathBuf,
        /// What the flow was trained with.
        flow: String,
        /// What the bundle has.
        bundle: String,
    },
    /// The bundle in this folder has no velocity network.
    #[error(
        "{} has no flow yet, so it cannot make images. Train one with `svg train flow --bundle {}`, or import \
         one with `svg import flow FILE --bundle {}`", .0.display(), .0.display(), .0.display()
    )]
    NoFlow(PathBuf),
    /// The file is not a published checkpoint.
    #[error("{} holds no {network}: {reason}", path.display())]
    NotACheckpoint {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        network: &'static str,
        /// What was looked for.
        reason: String,
    },
    /// A flow and a space of latents, or its classes, do not belong together: both sides, and what to do.
    #[error("the flow does not fit: {0}")]
    Misfit(String),
    /// What was asked of a sampler cannot be done: what was asked, what there is, and what to do.
    #[error("{0}")]
    Sampling(String),
    /// Weights could not be read back from the device, for this reason.
    #[error("weights cannot be read back from the device: {0}")]
    Device(String),
}
