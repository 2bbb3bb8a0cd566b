//! The second stage: a velocity network that carries noise to latents.
//!
//! - [`FlowTraining`]: a training as a document, with presets
//! - [`train`]: a run, from its first step to its last, through interruptions
//! - [`FlowStage`]: one step; [`FlowBatch`]: what it learns from; [`flow_gradients`]: its loss
//! - [`LatentSource`]: the role of the data, played by [`OnlineLatents`] and by a cache on disk

mod config;
mod draws;
mod online;
mod presets;
mod rate;
mod run;
mod samples;
mod source;
mod stage;
mod state;
mod validation;

pub use config::{
    AdamWSettings, ComputeType, FlowSamplesSettings, FlowTraining, RateSchedule, TimeSettings,
};
pub use online::OnlineLatents;
pub use run::{FlowInputs, train};
pub use source::{LatentBatch, LatentSource};
pub use stage::{FlowBatch, FlowStage, flow_gradients};
pub use state::FlowIdentity;
