//! The first stage: a residual encoder and a decoder, trained against a critic.
//!
//! - [`AutoencoderTraining`]: a training as a document, with presets
//! - [`train`]: a run, from its first step to its last, through interruptions
//! - [`Stage`]: one step; [`Objective`]: its losses; [`Generator`] and [`Critic`]: the players
//! - [`Perceptual`]: the role of the eye, played by LPIPS and by [`FeatureDistance`]

mod config;
mod critic;
mod feature_distance;
mod loss;
mod perceptual;
mod players;
mod presets;
mod run;
mod samples;
mod stage;
mod state;

pub use crate::run::{Ended, Observer, StepReport};
pub use config::{AdamSettings, Adversary, AutoencoderTraining, Start};
pub use critic::{Critic, CriticBlock, CriticConfig};
pub use feature_distance::FeatureDistance;
pub use loss::{
    AdversarialTerms, CriticStep, CriticTerms, GeneratorStep, GeneratorTerms, Objective,
    Reconstruction,
};
pub use perceptual::Perceptual;
pub use players::Generator;
pub use run::{RunInputs, train};
pub use samples::{Reconstructed, Samples, spread};
pub use stage::Stage;
pub use state::{AutoencoderIdentity, RunState};
