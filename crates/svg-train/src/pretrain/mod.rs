//! Making an encoder: self-distillation of a DINOv3 network, at any size.
//!
//! A student learns to say of a crop what its own moving average, the teacher, says of another crop of the
//! same picture, and of hidden patches what the teacher says that sees them (DINO, Caron et al., 2021, arXiv
//! 2104.14294; iBOT, Zhou et al., 2022, arXiv 2111.07832; put together in DINOv2, arXiv 2304.07193, and DINOv3,
//! arXiv 2508.10104). No label is used.
//!
//! - [`Pretraining`]: a training as a document, with presets
//! - [`train`]: a run, from its first step to its last, through interruptions
//! - [`PretrainStage`]: one step; [`Learner`], [`ProjectionHead`]: what is trained
//! - [`ViewsSettings`], [`Views`]: crops; [`MaskSettings`], [`Masks`]: hidden patches
//! - [`Targets`], [`sinkhorn_knopp`]: what the teacher says
//! - [`class_loss`], [`patch_loss`], [`spread_loss`]: what the student pays
//! - [`Judge`]: nearest neighbours, while it learns

mod augment;
mod config;
mod head;
mod judge;
mod learner;
mod loss;
mod mask;
mod presets;
mod run;
mod schedule;
mod stage;
mod state;
mod targets;
mod views;

pub use augment::ViewsSettings;
pub use config::{
    Balance, HeadSettings, JudgeSettings, LossWeights, PretrainOptimizer, Pretraining,
    TeacherSettings,
};
pub use head::ProjectionHead;
pub use judge::{Judge, Judgement};
pub use learner::Learner;
pub use loss::{class_loss, entropies, patch_loss, spread_loss};
pub use mask::{MaskSettings, Masks};
pub use run::{ORIGIN, PretrainInputs, train};
pub use stage::PretrainStage;
pub use state::PretrainIdentity;
pub use targets::{Targets, sinkhorn_knopp};
pub use views::Views;
