//! Whose weights they are.

use crate::commands::init;

/// Whether weights say that they were made here, so that a copy of them may travel with a model.
pub fn is_ours(origin: Option<&str>) -> bool {
    let ours = [init::ORIGIN, svg_train::pretrain::ORIGIN];
    origin.is_some_and(|origin| ours.iter().any(|made| origin.starts_with(made)))
}
