//! Whether the run that is asked for is the one that was begun.

use std::path::Path;

use svg_store::{Checked as _, read_if_there};

use super::document::differences;
use super::{Identity, Observer, Standing};
use crate::TrainError;

/// The configuration, in the folder of a run and in each of its checkpoints.
pub(super) const DOCUMENT: &str = "config.json";

/// Refuses a configuration, the one asked for or the one in the folder of the run, that is not the one that the
/// checkpoint was written with. Checkpoints of earlier versions do not hold it.
pub(super) fn unedited(run: &Path, checkpoint: &Path, document: &str) -> Result<(), TrainError> {
    let read = |folder: &Path| {
        let path = folder.join(DOCUMENT);
        read_if_there(&path).map_err(TrainError::system(&path))
    };
    let begun = read(checkpoint)?.unwrap_or_else(|| document.to_string());
    for now in [Some(document.to_string()), read(run)?].iter().flatten() {
        let differing = differences(&begun, now);
        if !differing.is_empty() {
            return Err(TrainError::OtherRun {
                reason: format!(
                    "{DOCUMENT} is not what the run began with: {}; put that back, or begin another run with \
                     the new one by --config",
                    differing.join(", ")
                ),
            });
        }
    }
    Ok(())
}

/// The stored state, if the run that is asked for is the one that was stored.
pub(super) fn agreed<I: Identity>(
    stored: Standing<I>,
    now: Standing<I>,
    force_data: bool,
    observer: &mut dyn Observer,
) -> Result<Standing<I>, TrainError> {
    if let Some(problem) = stored.problem() {
        let reason = format!(
            "the newest checkpoint cannot be gone on with: {problem}; remove its folder to go on from the one before"
        );
        return Err(TrainError::OtherRun { reason });
    }
    if let Some(reason) = stored.identity.differs(&now.identity) {
        return Err(TrainError::OtherRun { reason });
    }
    match stored.data.compare(&now.data) {
        Ok(()) => Ok(stored),
        Err(error) if force_data => {
            observer.remark(&format!("going on with other data, as forced: {error}"));
            // The cursor of the old order has no meaning in the new one, but keeps epochs distinct.
            Ok(Standing {
                data: now.data,
                ..stored
            })
        }
        Err(error) => Err(error.into()),
    }
}
