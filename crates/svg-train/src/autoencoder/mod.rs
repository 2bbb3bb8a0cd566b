//! The first stage: an autoencoder, trained against a critic.
//!
//! - [`AutoencoderTraining`]: a training as a document
//! - [`train`]: a run, from its first step to its last, through interruptions; [`train_network`]: the same
//!   with an autoencoder of your own
//! - [`TrainableAutoencoder`], [`Pass`], [`AutoencoderStage`]: one step; [`Objective`]: its losses
//! - [`Critic`]: the adversary
//! - [`Perceptual`]: trait for perceptual distances, such as LPIPS and [`FeatureDistance`]

mod config;
mod critic;
mod feature_distance;
mod loss;
mod perceptual;
mod run;
mod samples;
mod stage;
mod trainable;

pub use crate::kinds::svg::train;
pub use config::{AdamSettings, Adversary, AutoencoderTraining, Start};
pub use critic::{Critic, CriticBlock, CriticConfig};
pub use feature_distance::FeatureDistance;
pub use loss::{CriticStep, GeneratorStep, Objective, Reconstruction};
pub use perceptual::Perceptual;
pub use run::{AutoencoderIdentity, RunInputs, train_network};
pub use samples::spread;
pub use stage::{AutoencoderStage, Players};
pub use trainable::{Pass, TrainableAutoencoder};
