//! Checkpoints of trainings.

use serde_json::Value;
use svg_train::TrainError;
use svg_train::run::{CheckpointFound, Checkpoints};

use super::Target;
use crate::input::{Input, Seed};
use crate::verdict::Verdict;
use crate::world::World;

pub fn targets() -> Vec<Target> {
    vec![Target {
        name: "runs",
        about: "the pages of checkpoints and the files that they list",
        share: 40,
        seeds: |world| {
            let mut seeds = Vec::new();
            for run in ["pretraining", "autoencoder", "flow"] {
                let all = Seed::folder(&world.path(run))?.into_iter();
                seeds.extend(all.filter(|seed| seed.file.starts_with("checkpoints")));
            }
            Ok(seeds)
        },
        made: true,
        anew: true,
        check,
    }]
}

fn check(input: &Input, _: &World) -> Verdict {
    let found = newest(input);
    match &found {
        Ok(Some(found)) if is_covered(input) && input.file.starts_with(&found.folder) => {
            Verdict::Wrong(format!("{} was changed", kind_of(input)))
        }
        Ok(None) => Verdict::Refused("no checkpoint is whole".to_string()),
        _ => Verdict::of(found),
    }
}

fn newest(input: &Input) -> Result<Option<CheckpointFound<Value>>, TrainError> {
    Checkpoints::open(&input.place.join("checkpoints"), 2)?.newest::<Value>()
}

/// Whether a hash covers the change. The page has one of every file and of itself; pages of earlier versions have none
/// of themselves.
fn is_covered(input: &Input) -> bool {
    let text = std::fs::read(&input.file).unwrap_or_default();
    let is_page = input.file.ends_with("checkpoint.json");
    let sealed =
        || serde_json::from_slice::<Value>(&text).is_ok_and(|page| page["sha256"].is_string());
    !input.same && (!is_page || sealed())
}

/// The name of the file without its step.
fn kind_of(input: &Input) -> String {
    let name = input.file.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}
