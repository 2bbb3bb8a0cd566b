//! Bundles: the manifest and every file of it.

use std::ops::ControlFlow;

use anyhow::Result;
use burn::prelude::*;
use svg_model::{Bundle, OpenOptions, Registry, Sampling};
use svg_roles::Condition;

use super::Target;
use crate::input::{Input, Seed};
use crate::verdict::Verdict;
use crate::world::{World, repository};

pub fn targets() -> Vec<Target> {
    vec![Target {
        name: "bundles",
        about: "manifests of all formats and the files that they list, to the first sample",
        share: 60,
        seeds: |world| {
            let mut seeds = Seed::folder(&world.path("flow/bundle"))?;
            seeds.extend(Seed::folder(&repository("tests/it/data/format-2"))?);
            Ok(seeds)
        },
        made: true,
        anew: false,
        check,
    }]
}

fn check(input: &Input, _: &World) -> Verdict {
    match sampled(input) {
        // Every file but the manifest has its hash there.
        Ok(()) if !input.same && !input.file.ends_with("manifest.json") => {
            Verdict::Wrong(format!("{} was changed", input.name.display()))
        }
        result => Verdict::of(result),
    }
}

/// Opens every part, and makes a sample of one step.
fn sampled(input: &Input) -> Result<()> {
    let bundle = Bundle::open(&input.place)?;
    let device = Device::default();
    let options = OpenOptions::default();
    let generator = Registry::standard().generator(&bundle, &options, &device)?;
    let class = Tensor::<1, Int>::from_ints([0], &device);
    let sampling = Sampling {
        steps: 1,
        ..Sampling::svg()
    };
    let noise = generator.noise(1, &[0]);
    let condition = Condition::Classes(class);
    let sampled = generator.latents(noise, &condition, &[0], &sampling, &mut |_| {
        ControlFlow::Continue(())
    })?;
    generator.images(sampled.latents);
    Ok(())
}
