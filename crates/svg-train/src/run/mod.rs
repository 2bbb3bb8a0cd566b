//! What all trainings share.
//!
//! A training provides a [`Stage`]: its networks, the gradients of a micro-batch, and a step along them.
//! Everything else is here: the folder of a run, the loop, checkpoints and logs, accumulation over
//! micro-batches, several devices and processes, norms and clipping of gradients, steps that are left out,
//! optimisers and moving averages.
//!
//! - [`RunOptions`]: where a run is, and whether to go on with it
//! - [`Observer`], [`Headline`], [`Ended`]: watching a run
//! - [`Stage`], [`Place`], [`Found`], [`Group`], [`StepReport`]: one step of any training
//! - [`Unread`], [`UnreadReport`]: numbers that are still on a device
//! - [`Training`], [`Pace`]: a training as a document; [`NetworkKind`]: which network it asks for
//! - [`Network`]: what a checkpoint can hold
//! - [`Replicas`], [`Team`], [`Shard`], [`Reduction`]: a step on several devices
//! - [`AdamW`], [`Average`]: optimiser and moving average
//! - [`Checkpoints`], [`Files`], [`Standing`], [`Identity`]: what a run goes on from

mod adamw;
mod ahead;
mod average;
mod checkpoints;
mod course;
pub(crate) mod document;
mod driver;
mod files;
pub(crate) mod gradients;
mod identity;
mod memory;
mod network;
mod observer;
mod options;
mod player;
mod reduce;
mod replicas;
mod resume;
pub(crate) mod schedule;
mod stage;
mod standing;
mod team;
#[cfg(test)]
mod tests;
mod unread;
mod writing;

pub use adamw::AdamW;
pub(crate) use ahead::{Ahead, Needs, Prepared, Source};
pub use average::Average;
pub use checkpoints::{CheckpointFound, Checkpoints};
pub(crate) use course::{Begun, Course, Shown, pace};
pub use course::{Pace, StepReport, UnreadReport};
pub use document::{NetworkKind, Training};
pub(crate) use driver::run;
pub use files::Files;
pub use gradients::Group;
pub(crate) use identity::name_parameters;
pub use network::Network;
pub(crate) use network::{check_batch, check_memory};
pub use observer::{Ended, Headline, Observer};
pub use options::RunOptions;
pub(crate) use player::{Player, PlayerNames, stored};
pub use replicas::{Reduction, Replicas};
pub use stage::{Found, Place, Stage};
pub use standing::{Identity, Standing};
pub use team::{Shard, Team};
pub use unread::Unread;
pub(crate) use writing::Writing;
