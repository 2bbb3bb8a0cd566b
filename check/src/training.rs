//! A short training: whether the loss falls, and as in f32 on the same numbers.

use std::time::Instant;

use anyhow::{Context, Result};
use burn::prelude::*;
use svg_nn::Precision;
use svg_sit::SitConfig;
use svg_train::flow::ComputeType;
use svg_train::run::Stage;

use crate::Budget;
use crate::report::Report;
use crate::support::works;

/// Images at once.
const BATCH: usize = 32;
/// So many steps are done, whatever the time.
const AT_LEAST: usize = 6;
/// The loss of one batch that is learned by heart falls at least to so much of what it was.
const FALLS: f64 = 0.9;
/// After so many steps.
const LEARNT: usize = 50;

pub fn run(budget: Budget, device: &Device, report: &mut Report) -> Result<()> {
    let steps = if budget.quick { 10 } else { LEARNT as u64 };
    for dtype in [ComputeType::Bf16, ComputeType::Tf32, ComputeType::F32] {
        let precision = dtype.precision();
        if !precision.select(device) {
            continue;
        }
        if !budget.is_left() {
            report.note(&format!(
                "training in {precision:?}, left out for lack of time"
            ))?;
            continue;
        }
        report.doing(&format!("the training in {precision:?}"))?;
        let config = SitConfig::s().with_learn_sigma(true);
        let (mut stage, data) = works::flow_stage(config, dtype, BATCH, device)?;
        let (mut losses, mut begun) = (Vec::new(), Instant::now());
        for step in 0..steps {
            if losses.len() >= AT_LEAST && !budget.is_left() {
                break;
            }
            let report = stage.step(step, 3e-4, vec![data.clone()]);
            losses.push(
                report
                    .scalars
                    .get("loss")
                    .context("a step tells its loss")?,
            );
            if step == 0 {
                begun = Instant::now();
            }
        }
        let seconds = begun.elapsed().as_secs_f64();
        let (first, last) = (mean(&losses[..3]), mean(&losses[losses.len() - 3..]));
        let text = format!(
            "training of S, {BATCH} at once, {precision:?}: loss {first:.4} to {last:.4} in {} steps, {:.1} images/s \
             after the first",
            losses.len(),
            (BATCH * (losses.len() - 1)) as f64 / seconds
        );
        match last.is_finite() && (losses.len() < LEARNT || last < FALLS * first) {
            true => report.note(&text)?,
            false => report.fault(&format!("{text}: it does not fall"))?,
        }
    }
    Precision::F32.select(device);
    Ok(())
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}
