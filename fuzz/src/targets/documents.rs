//! Configurations of trainings.

use burn::prelude::Device;
use svg_train::autoencoder::AutoencoderTraining;
use svg_train::flow::FlowTraining;
use svg_train::kinds::{AutoencoderKind, EncoderKind};
use svg_train::pretrain::Pretraining;
use svg_train::run::Training;

use super::Target;
use crate::input::{Input, Seed};
use crate::rows;
use crate::verdict::Verdict;
use crate::world::{World, repository};

/// Networks of more parameters are not made.
const MOST_PARAMETERS: usize = 1 << 22;

pub fn targets() -> Vec<Target> {
    vec![
        Target {
            name: "trainings",
            about: "configurations of the three trainings",
            share: 120,
            seeds: |_| Seed::files(&repository("configs"), &["json"]),
            made: false,
            anew: false,
            check: training,
        },
        Target {
            name: "journals",
            about: "how far a file is that is written row by row",
            share: 40,
            seeds: |world| Seed::folder(&world.path("partial")),
            made: true,
            anew: true,
            check: |input, _| Verdict::of(rows::go_on(&input.place)),
        },
    ]
}

fn training(input: &Input, _: &World) -> Verdict {
    let text = match std::fs::read_to_string(&input.file) {
        Ok(text) => text,
        Err(error) => return Verdict::Refused(error.to_string()),
    };
    let name = input.file.file_name().unwrap_or_default();
    let name = name.to_string_lossy();
    match name.split('_').next() {
        Some("flow") => Verdict::of(FlowTraining::from_json(&text).map(|config| made(&config))),
        Some("pretrain") => Verdict::of(Pretraining::<EncoderKind>::from_json(&text)),
        _ => Verdict::of(AutoencoderTraining::<AutoencoderKind>::from_json(&text)),
    }
}

/// Makes the network of a configuration that was accepted, if it is small.
fn made(config: &FlowTraining) {
    if let Some(sit) = config.network.sit()
        && sit.n_params() <= MOST_PARAMETERS
    {
        sit.init(&Device::default());
    }
}
