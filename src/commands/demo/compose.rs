//! The report of a demonstration: what the other phases left, on one page.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::{Value, json};
use svg_image::{DecodeOptions, decode};
use svg_model::{Bundle, Registry, SPACE, svg};
use svg_report::{Picture, render};
use svg_store::write_bytes;
use svg_train::run::Training;

use super::Demonstration;
use super::measure::{self, Measurements};
use super::plan::Plan;
use super::stages::Setup;
use super::timings::Timings;
use super::{features, next, samples};
use crate::steps::{Curves, Steps};

/// What the template shows.
#[derive(Serialize)]
struct Report<'a> {
    /// The command that goes on with the demonstration.
    again: String,
    plan: &'a Plan,
    /// Training pictures.
    learned_from: usize,
    /// Whether there are held-out pictures of all classes.
    complete: bool,
    sizes: Value,
    measured: &'a Measurements,
    /// Numbers of steps and their sheets.
    sheets: Vec<(usize, Picture)>,
    comparison: Picture,
    colours: Picture,
    pairs: Picture,
    /// Pictures in a step of the autoencoder and of the flow.
    images_per_step: [u64; 2],
    /// The tables of their steps.
    autoencoder: Curves,
    flow: Curves,
    timings: &'a Timings,
    /// Seconds of all phases.
    total: f64,
    /// Descriptions and command lines.
    commands: Vec<(String, String)>,
}

/// Writes `report.html`. The section of timings is all that differs between equal runs.
pub fn write(
    demo: &Demonstration,
    bundle: &Bundle,
    measured: &Measurements,
    timings: &Timings,
) -> Result<()> {
    let Demonstration { out, plan, setup } = demo;
    let last = measured.steps.last().context("there are no samples")?;
    let picture = |path: PathBuf| -> Result<Picture> {
        let advice = || {
            let path = path.display();
            format!("{path} is damaged; remove it, and the same command makes it again")
        };
        let png = svg_store::read_file(&path).with_context(|| path.display().to_string())?;
        decode(&png, &DecodeOptions::default()).with_context(advice)?;
        Picture::new(&png).with_context(advice)
    };
    let sheets = plan.samples.steps.iter();
    let sheets = sheets.map(|&steps| Ok((steps, picture(samples::sheet(out, steps))?)));
    let report = Report {
        again: next::again(&plan.asked, out),
        plan,
        learned_from: setup.data.counts[0],
        complete: setup.data.complete,
        sizes: sizes(plan, setup, bundle, last.steps)?,
        measured,
        sheets: sheets.collect::<Result<_>>()?,
        comparison: picture(samples::comparison(out))?,
        colours: picture(features::path(out))?,
        pairs: picture(measure::pairs(out))?,
        images_per_step: [
            plan.autoencoder.images_per_step(),
            plan.flow.images_per_step(),
        ],
        autoencoder: curves(&out.join("autoencoder"))?,
        flow: curves(&out.join("flow"))?,
        timings,
        total: timings.total(),
        commands: next::commands(out, plan, setup.data.complete),
    };
    let html = render(include_str!("report.html"), report);
    Ok(write_bytes(out.join("report.html"), html)?)
}

/// The table of a training that has ended.
fn curves(run: &Path) -> Result<Curves> {
    let read = Steps::read(&run.join("steps.csv"));
    let advice = || {
        let run = run.display();
        format!(
            "the table of the training in {run} is lost; remove that folder, and the same command trains again"
        )
    };
    Ok(read.with_context(advice)?.curves())
}

/// The sizes of the method, as `pipeline.html` calls them.
fn sizes(plan: &Plan, setup: &Setup, bundle: &Bundle, steps: usize) -> Result<Value> {
    let spec = setup.encoder.encoder.spec();
    let file = bundle.tensors(SPACE, svg::AUTOENCODER)?;
    let numbers = |stems: &[&str]| -> usize {
        let of = |name: &str| stems.iter().any(|stem| name.starts_with(stem));
        let tensors = file.tensors().iter().filter(|tensor| of(&tensor.name));
        tensors
            .map(|tensor| tensor.shape.iter().product::<usize>())
            .sum()
    };
    let flow = Registry::standard().velocity(bundle, &setup.options(), &setup.device)?;
    Ok(json!({
        "image_side": plan.size,
        "grid": [plan.grid(), plan.grid()],
        "semantic": spec.channels,
        "residual": bundle.geometry()?.channels - spec.channels,
        "encoder": match plan.asked.encoder {
            None => "DINO, nano".to_string(),
            Some(_) => spec.name,
        },
        "encoder_parameters": setup.encoder.encoder.parameters().unwrap_or(0),
        "residual_parameters": numbers(&["extra_vit.", "mask_token"]),
        "decoder_parameters": numbers(&["decoder."]),
        "velocity_parameters": flow.parameters().unwrap_or(0),
        "steps": steps,
    }))
}
