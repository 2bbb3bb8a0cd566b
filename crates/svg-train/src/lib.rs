//! Making SVG models: pictures in, a bundle out, and nothing lost on the way.
//!
//! A training is a document, [`autoencoder::AutoencoderTraining`] or [`flow::FlowTraining`], and a folder:
//! checkpoints, a table of steps, TensorBoard events, pictures of what has been learned, and at the end the
//! bundle that [`svg_model::Bundle`] opens.
//!
//! The one design decision: **a run is a function of its step.** What a step sees and draws, which
//! pictures, how they are cut, which samples are masked, what dropout leaves, follows from the seed and
//! the number of the step, and parameters are named by their paths. So there is no generator whose state
//! could be forgotten: a run that is killed at any moment and resumed is, on one machine, bit for bit the
//! run that was not.
//!
//! ```
//! use svg_train::autoencoder::{AutoencoderTraining, Start};
//!
//! let mut config = AutoencoderTraining::cifar10();
//! config.steps = 1_000;
//! let json = config.to_json();
//! assert_eq!(AutoencoderTraining::from_json(&json).unwrap(), config);
//!
//! // A typo is an error that names what is known.
//! let error = AutoencoderTraining::from_json(&json.replace("\"steps\"", "\"stesp\"")).unwrap_err();
//! assert!(error.contains("stesp"));
//!
//! // The published counter counts the steps of both players.
//! assert!(!Start::OptimizerSteps(5_001).generator_is_active(2_500));
//! ```
//!
//! - [`pretrain`]: an encoder of one's own
//! - [`autoencoder`]: the first stage, its losses and its run
//! - [`flow`]: the second stage, a velocity network in the space of the first
//! - [`mod@run`]: what all trainings share: folder, loop, checkpoints, logs
//! - [`cache`]: features on disk, encoded once
//! - [`data`]: endless batches that can be entered anywhere
//! - [`log`]: tables, TensorBoard, sheets
//! - [`Checkpoints`]: whole or absent
//! - [`AdamW`]: Burn's, in one pass over memory
//! - [`Average`], [`name_parameters`]: moving averages, and parameters that keep their identity
//! - [`Replicas`]: one step on several devices

mod adamw;
mod average;
mod checkpoints;
mod error;
mod gradients;
mod identity;
mod optimizer;
mod parallel;
mod random;

pub mod autoencoder;
pub mod cache;
pub mod data;
pub mod flow;
pub mod log;
pub mod pretrain;
pub mod run;

pub use adamw::AdamW;
pub use average::Average;
pub use checkpoints::{Checkpoints, Found};
pub use error::TrainError;
pub use gradients::MeanGradients;
pub use identity::name_parameters;
pub use parallel::{Reduction, Replicas};
