//! The samples of a demonstration: from the same noise with more and more steps.

use std::path::{Path, PathBuf};

use anyhow::Result;
use svg_flow::Guidance;
use svg_image::{DecodeOptions, RgbImage, grid, read_image, save_png};
use svg_model::{Bundle, Registry, Sampling};

use super::plan::Plan;
use super::stages::Setup;
use crate::commands::generate::{Sampler, number};
use crate::commands::sample::notes;
use crate::progress::evaluation_bar;

/// Pixels between pictures.
const GAP: u32 = 2;

/// A sheet is enlarged while it stays within so many pixels.
const WIDTH: u32 = 1400;

/// The folder of the samples of so many steps: a data set, with a folder for each class.
pub fn folder(out: &Path, steps: usize) -> PathBuf {
    out.join("samples").join(format!("steps-{steps:02}"))
}

/// The sheet of the samples of so many steps: a row for each class.
pub fn sheet(out: &Path, steps: usize) -> PathBuf {
    folder(out, steps).with_extension("png")
}

/// What becomes of one noise: a column for each class, a row for each number of steps.
pub fn comparison(out: &Path) -> PathBuf {
    out.join("samples.png")
}

/// Makes the samples that are not there, and the sheets of all.
pub fn make(plan: &Plan, setup: &Setup, bundle: &Bundle, out: &Path, title: &str) -> Result<()> {
    let missing = missing(plan, out);
    if !missing.is_empty() {
        let registry = Registry::standard();
        let generator = registry.generator(bundle, &setup.options(), &setup.device)?;
        let each = plan.samples.each;
        let evaluations = missing.iter().map(|(steps, _)| (steps * each) as u64);
        let bar = evaluation_bar(evaluations.sum(), title);
        for &(steps, class) in &missing {
            let sampler = Sampler {
                generator: generator.clone(),
                sampling: sampling(plan, steps),
                words: words(plan, steps),
                interrupt: Some(setup.interrupt),
            };
            let samples: Vec<_> = (0..each).map(|index| number(class, index)).collect();
            let noise = sampler.noise(plan.asked.seed, &samples);
            let made = sampler.make(&noise, &vec![class; each], &samples, &bar)?;
            std::fs::create_dir_all(folder(out, steps).join(&plan.classes[class]))?;
            for (index, image) in made.to_rgb().iter().enumerate() {
                let note = format!("class {class}, sample {index}, {}", sampler.words);
                save_png(image, file(plan, out, steps, class, index), &notes(&note))?;
            }
        }
        bar.finish_and_clear();
    }
    save_sheets(plan, out)
}

/// Steps and classes of which a picture is missing or damaged.
fn missing(plan: &Plan, out: &Path) -> Vec<(usize, usize)> {
    let samples = &plan.samples;
    let all = samples.steps.iter().flat_map(|&steps| {
        let classes = samples.classes.iter();
        classes.map(move |&class| (steps, class))
    });
    let whole = |path: PathBuf| read_image(path, &DecodeOptions::default()).is_ok();
    let lacks = |&(steps, class): &(usize, usize)| {
        (0..samples.each).any(|index| !whole(file(plan, out, steps, class, index)))
    };
    all.filter(lacks).collect()
}

fn sampling(plan: &Plan, steps: usize) -> Sampling {
    Sampling {
        steps,
        shift: plan.samples.shift,
        guidance: Guidance::constant(plan.samples.guidance),
        seed: plan.asked.seed,
        ..Sampling::svg()
    }
}

fn words(plan: &Plan, steps: usize) -> String {
    let sampling = sampling(plan, steps);
    format!(
        "seed {}, {}, {steps} steps, shift {}, guidance {}",
        sampling.seed, sampling.solver, sampling.shift, sampling.guidance.scale
    )
}

fn file(plan: &Plan, out: &Path, steps: usize, class: usize, index: usize) -> PathBuf {
    let folder = folder(out, steps).join(&plan.classes[class]);
    folder.join(format!("{index:03}.png"))
}

fn save_sheets(plan: &Plan, out: &Path) -> Result<()> {
    let samples = &plan.samples;
    let sheet_of = |places: &[[usize; 3]], columns: usize| {
        let images = places.iter().map(|&[steps, class, index]| {
            let file = file(plan, out, steps, class, index);
            read_image(file, &DecodeOptions::default())
        });
        anyhow::Ok(grid(&images.collect::<Result<Vec<_>, _>>()?, columns, GAP))
    };
    let columns = samples.columns.min(samples.each);
    for &steps in &samples.steps {
        let row = |&class| (0..columns).map(move |index| [steps, class, index]);
        let places: Vec<_> = samples.classes.iter().flat_map(row).collect();
        let drawn = sheet_of(&places, columns)?;
        save_png(&drawn, sheet(out, steps), &notes(&words(plan, steps)))?;
    }
    let row = |&steps| samples.classes.iter().map(move |&class| [steps, class, 0]);
    let places: Vec<_> = samples.steps.iter().flat_map(row).collect();
    let rows: Vec<_> = samples.steps.iter().map(usize::to_string).collect();
    let note = format!("rows: {} steps of the same noise", rows.join(", "));
    let sheet = enlarged(sheet_of(&places, samples.classes.len())?);
    Ok(save_png(&sheet, comparison(out), &notes(&note))?)
}

/// Small pictures in blocks of pixels, so that a page need not blur them.
fn enlarged(sheet: RgbImage) -> RgbImage {
    let times = (WIDTH / sheet.width()).max(1);
    let (width, height) = (times * sheet.width(), times * sheet.height());
    image::imageops::resize(&sheet, width, height, image::imageops::Nearest)
}
