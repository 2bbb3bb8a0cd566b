//! Training of SVG models: from pictures to a bundle, with exact resume.
//!
//! A training is a document, such as [`autoencoder::AutoencoderTraining`] or [`flow::FlowTraining`], and a
//! folder: checkpoints, a table of steps, TensorBoard events, pictures of what has been learned, and at the
//! end the bundle that [`svg_model::Bundle`] opens. Networks of your own train by the same runs: see
//! [`flow::FlowNetwork`], [`autoencoder::TrainableAutoencoder`] and [`pretrain::Backbone`].
//!
//! The one design decision: **a run is a function of its step.** What a step sees and draws (which
//! pictures, how they are cut, which samples are masked, what dropout leaves) follows from the seed and
//! the number of the step, and parameters are named by their paths. So there is no generator whose state
//! must be stored: a run that is killed at any moment and resumed is, on one machine, bit for bit the
//! run that was not interrupted.
//!
//! ```
//! use svg_train::autoencoder::{AutoencoderTraining, Start};
//! use svg_train::kinds::AutoencoderKind;
//! use svg_train::run::Training;
//!
//! let mut config = AutoencoderTraining::tiny();
//! config.steps = 1_000;
//! let json = config.to_json();
//! assert_eq!(AutoencoderTraining::from_json(&json), Ok(config));
//!
//! // A typo is an error that names what is known.
//! let typo = json.replace("\"steps\"", "\"stesp\"");
//! let error = AutoencoderTraining::<AutoencoderKind>::from_json(&typo).unwrap_err();
//! assert!(error.contains("stesp"));
//!
//! // The published counter counts the steps of both players.
//! assert!(!Start::OptimizerSteps(5_001).generator_is_active(2_500));
//! ```
//!
//! - [`pretrain`]: training an encoder
//! - [`autoencoder`]: the first stage, its losses and its run
//! - [`flow`]: the second stage, a velocity network in the space of the first
//! - [`mod@run`]: what all trainings share: folder, loop, checkpoints, devices, optimisers
//! - [`kinds`]: the networks that configurations name
//! - [`cache`]: features on disk, encoded once
//! - [`data`]: batches of pictures, endless ones from any place
//! - [`log`]: tables, TensorBoard, sheets

mod error;
mod random;

pub mod autoencoder;
pub mod cache;
pub mod data;
pub mod flow;
pub mod kinds;
pub mod log;
pub mod pretrain;
pub mod run;

pub use error::TrainError;
