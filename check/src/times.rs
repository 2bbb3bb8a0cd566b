//! Times of what a user waits for.

use anyhow::Result;
use burn::prelude::*;
use svg_nn::Precision;
use svg_sit::SitConfig;
use svg_train::flow::ComputeType;

use crate::Budget;
use crate::report::Report;
use crate::support::{Timing, works};

/// Works by what they are, how many images at once, and in which number type; the most wanted first.
const WORKS: [(&str, usize, ComputeType); 15] = [
    ("velocity xl", 32, ComputeType::Bf16),
    ("velocity xl", 32, ComputeType::F32),
    ("step of xl", 32, ComputeType::Bf16),
    ("decode", 16, ComputeType::F32),
    ("encode", 64, ComputeType::F32),
    ("velocity xl", 32, ComputeType::Tf32),
    ("decode", 16, ComputeType::Tf32),
    ("encode", 64, ComputeType::Tf32),
    ("step of the autoencoder", 16, ComputeType::Tf32),
    ("step of b", 64, ComputeType::Bf16),
    ("velocity xl", 1, ComputeType::Bf16),
    ("velocity b", 32, ComputeType::Bf16),
    ("step of xl", 32, ComputeType::Tf32),
    ("step of the autoencoder", 16, ComputeType::F32),
    ("step of xl", 32, ComputeType::F32),
];
/// Of them in a quick check.
const QUICK: usize = 5;

pub fn run(budget: Budget, device: &Device, report: &mut Report) -> Result<()> {
    let timing = Timing::of(2, if budget.quick { 5 } else { 10 });
    let works = WORKS
        .iter()
        .take(if budget.quick { QUICK } else { WORKS.len() });
    let mut left_out = Vec::new();
    for &(what, batch, dtype) in works {
        let precision = dtype.precision();
        let name = format!(
            "{what}, {batch}, {}",
            format!("{precision:?}").to_lowercase()
        );
        if !precision.select(device) {
            continue;
        }
        if !budget.is_left() {
            left_out.push(name);
            continue;
        }
        report.doing(&name)?;
        let sit = |words: &str| {
            let size = words.rsplit(' ').next().and_then(SitConfig::preset);
            size.expect("a preset").with_learn_sigma(true)
        };
        let times = match what {
            "decode" => works::decode(batch, &timing, device),
            "encode" => works::encode(batch, &timing, device),
            "step of the autoencoder" => works::autoencoder_step(batch, &timing, device),
            step if step.starts_with("step") => {
                works::flow_step(sit(step), dtype, batch, &timing, device)
            }
            velocity => works::velocity(sit(velocity), dtype, batch, &timing, device),
        };
        report.timed(name, times)?;
    }
    if !left_out.is_empty() {
        let names = left_out.join("; ");
        report.note(&format!("times, left out for lack of time: {names}"))?;
    }
    Precision::F32.select(device);
    Ok(())
}
