//! The second stage: a velocity network that carries noise to latents.
//!
//! - [`FlowTraining`]: a training as a document
//! - [`train`]: a run, from its first step to its last, through interruptions; [`train_network`]: the same
//!   with a network of your own
//! - [`FlowNetwork`], [`FlowStage`], [`FlowBatch`], [`flow_gradients`]: one step
//! - [`LatentSource`], [`LatentBatch`], [`OnlineLatents`]: where latents come from

mod config;
mod draws;
mod identity;
mod network;
mod online;
mod rate;
mod run;
mod samples;
mod source;
mod stage;
mod validation;

pub use crate::kinds::sit::train;
pub(crate) use config::misfit;
pub use config::{AdamWSettings, ComputeType, FlowSamplesSettings, FlowTraining, RateSchedule};
pub use network::{FlowNetwork, flow_gradients};
pub use online::OnlineLatents;
pub use run::{FlowInputs, train_network};
pub use source::{LatentBatch, LatentSource};
pub use stage::{FlowBatch, FlowStage};
