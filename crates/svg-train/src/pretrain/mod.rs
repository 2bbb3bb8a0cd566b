//! Training an encoder by self-distillation.
//!
//! A student learns to predict from a crop what its own moving average, the teacher, predicts from another
//! crop of the same picture, and at hidden patches what the teacher predicts, which sees them (DINO, Caron et
//! al., 2021, arXiv 2104.14294; iBOT, Zhou et al., 2022, arXiv 2111.07832; put together in DINOv2, arXiv
//! 2304.07193, and DINOv3, arXiv 2508.10104). No label is used.
//!
//! - [`Pretraining`]: a training as a document
//! - [`train`]: a run, from its first step to its last, through interruptions; [`train_network`]: the same
//!   with an encoder of your own
//! - [`Backbone`]: what can be trained
//! - [`ViewsSettings`]: crops; [`MaskSettings`]: hidden patches

mod augment;
mod backbone;
mod config;
mod head;
mod hidden;
mod judge;
mod learner;
mod loss;
mod losses;
mod mask;
mod run;
mod schedule;
mod stage;
mod targets;
mod views;

pub use crate::kinds::dinov3::train;
pub use augment::ViewsSettings;
pub use backbone::Backbone;
pub use config::{
    Balance, HeadSettings, JudgeSettings, LossWeights, PretrainOptimizer, Pretraining,
    TeacherSettings,
};
pub(crate) use head::ProjectionHead;
pub(crate) use learner::Learner;
pub use mask::MaskSettings;
pub(crate) use mask::Masks;
pub use run::{ORIGIN, PretrainInputs, train_network};
pub(crate) use stage::{PretrainBatch, PretrainStage};
pub(crate) use targets::Targets;
pub(crate) use views::Views;

#[cfg(test)]
mod tests;
