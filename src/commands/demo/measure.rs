//! What a demonstration is worth, in numbers.

use std::path::{Path, PathBuf};

use anyhow::Result;
use burn::prelude::*;
use serde::{Deserialize, Serialize};
use svg_eval::{Confusion, LinearProbe, Moments, NearestNeighbours, frechet_distance, psnr, ssim};
use svg_image::save_png;
use svg_model::Normalised;
use svg_roles::{Draw, Images, LatentSpace, Signed};
use svg_store::{Checked, first, outside, read_text, sealed_json, unsealed_json, write_bytes};
use svg_train::autoencoder::spread;
use svg_train::log::comparison_sheet;

use super::Demonstration;
use super::plan::Plan;
use super::samples;
use super::views::{Views, plane, some};
use crate::commands::reconstruct::SSIM_SIDE;

const NAME: &str = "measurements.json";
/// Weight decay of the linear probes.
const DECAY: f64 = 1e-4;
/// No dot of a plane lies farther from its middle on an axis.
const DOTS: f64 = 1e9;

/// The document `measurements.json`, which holds a hash of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measurements {
    /// Training pictures among which neighbours are sought.
    pub known: usize,
    /// Held-out pictures that are classified.
    pub asked: usize,
    /// The accuracy of always guessing the class that is asked for most.
    pub chance: f64,
    pub accuracies: Vec<Accuracy>,
    /// Held-out pictures through the autoencoder and back, in dB.
    pub psnr: f64,
    /// The same as structural similarity; `None` for pictures smaller than its window.
    pub ssim: Option<f64>,
    /// The Fréchet distance of as many held-out pictures as there are samples, or of all: what samples
    /// cannot beat but by chance.
    pub floor: f64,
    /// Whether training pictures and samples are more than channels, without which distances are far too
    /// large.
    pub enough: bool,
    pub steps: Vec<OfSteps>,
    /// The plane of the t-SNE of pixels: x, y and class of held-out pictures.
    pub pixels: Vec<(f64, f64, usize)>,
    /// The same of latents.
    pub latents: Vec<(f64, f64, usize)>,
}

/// How well a view of pictures tells classes apart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accuracy {
    /// Pixels, the encoder's tokens, or latents.
    pub of: String,
    /// Of 20 nearest neighbours by cosine.
    pub neighbours: f64,
    /// Of a linear probe; `None` where it was not fitted.
    pub linear: Option<f64>,
}

/// What samples of so many steps are worth.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfSteps {
    pub steps: usize,
    pub count: usize,
    /// Fréchet distance to the training pictures in the encoder's class tokens.
    pub distance: f64,
    /// The share that neighbours among training pictures give the class that was asked for.
    pub neighbours: f64,
    /// The same of a linear probe.
    pub linear: f64,
}

impl Measurements {
    /// Those of an earlier start, if they are there, as they were written and of this plan.
    pub fn read(out: &Path, plan: &Plan) -> Option<Self> {
        let text = read_text(&out.join(NAME)).ok()?;
        let read: Self = serde_json::from_str(&unsealed_json(&text).ok()?).ok()?;
        let mut dots = read.pixels.iter().chain(&read.latents);
        let steps = read.steps.iter().map(|of| of.steps);
        let of_plan = dots.all(|(.., class)| *class < plan.classes.len())
            && steps.eq(plan.samples.steps.iter().copied());
        (of_plan && read.problem().is_none()).then_some(read)
    }

    /// Measures the model and its samples, and draws the sheet of reconstructions.
    pub fn make(demo: &Demonstration, space: &Normalised, title: &str) -> Result<Self> {
        let Demonstration { out, plan, setup } = demo;
        let what = |of: &str| format!("{title}, {of}");
        let gather = |paths: &[PathBuf], limit: usize, of: &str| {
            Views::gather(setup, space, paths, limit, &what(of))
        };
        let known = gather(&setup.data.train, plan.measured.known, "training pictures")?;
        let asked = gather(&setup.data.test, plan.measured.asked, "held-out pictures")?;
        let (psnr, ssim) = reconstructions(demo, space, &what("reconstructions"))?;
        let classes = setup.data.classes.len();
        let share =
            |said: &[usize], truth: &[usize]| Confusion::new(classes, truth, said).accuracy();
        let by_neighbours = |known_view: &Tensor<2>, view: &Tensor<2>| {
            let nearest = NearestNeighbours::default();
            nearest.classify(known_view.clone(), &known.labels, view.clone())
        };
        let probe =
            |view: &Tensor<2>| LinearProbe::fit(view.clone(), &known.labels, classes, DECAY);
        let of_encoder = probe(&known.class_token);
        let accuracy = |of: &str, view: fn(&Views) -> &Tensor<2>, probe: Option<&LinearProbe>| {
            let (known_view, view) = (view(&known), view(&asked));
            let linear = probe.map(|probe| share(&probe.classify(view.clone()), &asked.labels));
            Accuracy {
                of: of.to_string(),
                neighbours: share(&by_neighbours(known_view, view), &asked.labels),
                linear,
            }
        };
        let of_patches = probe(&known.patches);
        let of_latents = probe(&known.latents);
        let accuracies = vec![
            accuracy("pixels", |views| &views.pixels, None),
            accuracy("class token", |views| &views.class_token, Some(&of_encoder)),
            accuracy("patch tokens", |views| &views.patches, Some(&of_patches)),
            accuracy("latents", |views| &views.latents, Some(&of_latents)),
        ];

        let reference = moments(&known.class_token);
        let (mut steps, mut enough) = (Vec::new(), reference.is_enough());
        for &number in &plan.samples.steps {
            let folder = samples::folder(out, number);
            let made = gather(&[folder], usize::MAX, &format!("samples of {number} steps"))?;
            let said = by_neighbours(&known.class_token, &made.class_token);
            let of_made = moments(&made.class_token);
            enough &= of_made.is_enough();
            steps.push(OfSteps {
                steps: number,
                count: made.labels.len(),
                distance: frechet_distance(&reference, &of_made)?,
                neighbours: share(&said, &made.labels),
                linear: share(&of_encoder.classify(made.class_token), &made.labels),
            });
        }
        let count = steps.first().map_or(0, |first| first.count);
        let as_many = moments(&some(&asked.class_token, count));
        let measurements = Self {
            known: known.labels.len(),
            asked: asked.labels.len(),
            chance: Confusion::new(classes, &asked.labels, &asked.labels).chance(),
            accuracies,
            psnr,
            ssim,
            floor: frechet_distance(&reference, &as_many)?,
            enough,
            steps,
            pixels: plane(
                &asked.pixels,
                &asked.labels,
                plan.measured.dots,
                plan.asked.seed,
            )?,
            latents: plane(
                &asked.latents,
                &asked.labels,
                plan.measured.dots,
                plan.asked.seed,
            )?,
        };
        write_bytes(out.join(NAME), sealed_json(&measurements)?)?;
        Ok(measurements)
    }
}

/// What the report draws and prints.
impl Checked for Measurements {
    fn problem(&self) -> Option<String> {
        let share = |name: &str, share: f64| outside(name, share, 0.0..=1.0);
        let (mut dots, mut steps) = (self.pixels.iter().chain(&self.latents), self.steps.iter());
        first([
            share("chance", self.chance),
            self.accuracies.iter().find_map(|of| {
                let linear = of.linear.unwrap_or_default();
                share("neighbours", of.neighbours).or_else(|| share("linear", linear))
            }),
            steps.find_map(|of| {
                let shares = share("neighbours", of.neighbours);
                shares.or_else(|| share("linear", of.linear))
            }),
            dots.find_map(|(x, y, _)| {
                let place = |axis| outside("a dot", axis, -DOTS..=DOTS);
                place(*x).or_else(|| place(*y))
            }),
        ])
    }
}

fn moments(view: &Tensor<2>) -> Moments {
    let mut moments = Moments::new();
    moments.push(view.clone());
    moments
}

/// Where the sheet of reconstructions is.
pub fn pairs(out: &Path) -> PathBuf {
    out.join("reconstructions.png")
}

/// Means over held-out pictures, and a sheet of some.
fn reconstructions(
    demo: &Demonstration,
    space: &Normalised,
    what: &str,
) -> Result<(f64, Option<f64>)> {
    let Demonstration { out, plan, setup } = demo;
    let held_out = setup.data.counts[1].min(plan.measured.asked);
    let shown = spread(held_out, plan.measured.shown);
    let [mut originals, mut images] = [const { Vec::new() }; 2];
    let (mut psnrs, mut ssims) = (Vec::new(), Vec::new());
    let test = &setup.data.test;
    setup.for_each_batch(test, held_out, space, what, |batch, reference| {
        let features = space.features();
        let encoded = features.encode(reference.clone(), Draw::Mode);
        let decoded = features.decode(encoded, space.geometry().grid());
        if plan.size >= SSIM_SIDE {
            ssims.extend(ssim(decoded.clone(), reference));
        }
        let decoded = Images::<Signed>::from_tensor(decoded).to_rgb();
        for (original, image) in batch.images.into_iter().zip(decoded) {
            if shown.contains(&psnrs.len()) {
                originals.push(original.clone());
                images.push(image.clone());
            }
            psnrs.push(psnr(&image, &original));
        }
        Ok(())
    })?;
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let sheet = comparison_sheet(&originals, &images);
    let note = "originals over reconstructions of held-out pictures";
    save_png(&sheet, pairs(out), &[("Comment", note)])?;
    Ok((mean(&psnrs), (!ssims.is_empty()).then(|| mean(&ssims))))
}

#[cfg(test)]
mod tests {
    use svg_store::extremes;

    use super::*;
    use crate::commands::demo::plan::tests::{encoder, plan};

    fn measurements(plan: &Plan) -> Measurements {
        let steps = plan.samples.steps.iter().map(|&steps| OfSteps {
            steps,
            count: 20,
            distance: 3.5,
            neighbours: 0.75,
            linear: 0.5,
        });
        Measurements {
            known: 100,
            asked: 50,
            chance: 0.25,
            accuracies: vec![Accuracy {
                of: "pixels".to_string(),
                neighbours: 0.5,
                linear: Some(0.25),
            }],
            psnr: 21.5,
            ssim: Some(0.75),
            floor: 1.5,
            enough: true,
            steps: steps.collect(),
            pixels: vec![(1.5, -2.0, 3)],
            latents: vec![(0.5, 0.25, 1)],
        }
    }

    #[test]
    fn measurements_of_which_a_bit_has_changed_are_made_anew() {
        let (place, plan) = (tempfile::tempdir().unwrap(), plan(&encoder(128, 8)));
        let path = place.path().join(NAME);
        let (read, expected) = (
            || Measurements::read(place.path(), &plan),
            measurements(&plan),
        );
        assert_eq!(read(), None);
        let whole = sealed_json(&expected).unwrap().into_bytes();
        std::fs::write(&path, &whole).unwrap();
        assert_eq!(read(), Some(expected));
        for bit in 0..8 * whole.len() {
            let mut changed = whole.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&path, changed).unwrap();
            assert_eq!(read(), None, "bit {bit}");
        }
    }

    #[test]
    fn every_number_of_measurements_without_a_hash_is_drawn_or_made_anew() {
        let (place, plan) = (tempfile::tempdir().unwrap(), plan(&encoder(128, 8)));
        let document = serde_json::to_value(measurements(&plan)).unwrap();
        let (mut refused, mut taken) = (0, 0);
        for (_, changed) in extremes(&document) {
            std::fs::write(place.path().join(NAME), changed.to_string()).unwrap();
            match Measurements::read(place.path(), &plan) {
                Some(read) => {
                    taken += 1;
                    assert_eq!(read.problem(), None);
                }
                None => refused += 1,
            }
        }
        assert!(refused > 200 && taken > 50, "{refused} and {taken}");
    }
}
