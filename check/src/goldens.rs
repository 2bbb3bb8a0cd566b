//! The goldens, one after the other, in f32 and in TF32 where there is such.

use std::panic::catch_unwind;
use std::time::Instant;

use anyhow::Result;
use burn::prelude::*;
use svg_nn::Precision;

use crate::Budget;
use crate::golden::GOLDENS;
use crate::golden::compare::{allow_at_least, worst};
use crate::report::{Compared, Report};

/// What TF32 may be off by, on outputs of unit variance: 2^-11 of each operand, through as many layers as there are.
const TF32: f64 = 5e-3;

/// Networks of released size, which take minutes on software drivers.
fn is_large(name: &str) -> bool {
    [
        "released",
        "full_size",
        "published",
        "the_encoder_of_svg",
        "perceptual",
    ]
    .iter()
    .any(|word| name.contains(word))
}

pub fn run(budget: Budget, report: &mut Report) -> Result<()> {
    let device = Device::default();
    for (precision, dtype, at_least) in [
        (Precision::F32, "f32", 0.0),
        (Precision::Tf32, "tf32", TF32),
    ] {
        if !precision.select(&device) {
            continue;
        }
        allow_at_least(at_least);
        let mut left_out = Vec::new();
        for &(name, golden) in GOLDENS {
            if budget.quick && is_large(name) {
                continue;
            }
            if !budget.is_left() {
                left_out.push(name.replace('_', " "));
                continue;
            }
            report.doing(name)?;
            let begun = Instant::now();
            worst();
            let fault = catch_unwind(golden).err().map(|panic| {
                let text = panic.downcast_ref::<String>().cloned();
                text.unwrap_or_else(|| "it panicked".to_string())
            });
            report.compared(Compared {
                name: name.to_string(),
                dtype: dtype.to_string(),
                fault,
                off: worst(),
                seconds: begun.elapsed().as_secs_f64(),
            })?;
        }
        if !left_out.is_empty() {
            let names = left_out.join("; ");
            report.note(&format!("{dtype}, left out for lack of time: {names}"))?;
        }
    }
    Precision::F32.select(&device);
    allow_at_least(0.0);
    Ok(())
}
