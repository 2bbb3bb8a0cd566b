//! The report of a demonstration: what the other phases left, on one page.

use std::path::Path;

use anyhow::{Context, Result};
use svg_model::{Bundle, Registry, SPACE, svg};
use svg_report::{
    Block, Chart, Dot, Figure, Page, Picture, Pipeline, Scatter, Section, Series, Table,
};
use svg_store::write_bytes;
use svg_train::run::Training;

use super::curves::chart;
use super::measure::{self, Accuracy, Measurements, OfSteps};
use super::plan::Plan;
use super::stages::Setup;
use super::timings::Timings;
use super::{features, next, samples};

/// Writes `report.html`. The section of timings is all that differs between equal runs.
pub fn write(
    out: &Path,
    plan: &Plan,
    setup: &Setup,
    bundle: &Bundle,
    measurements: &Measurements,
    timings: &Timings,
) -> Result<()> {
    let report = Report {
        out,
        plan,
        setup,
        bundle,
        measurements,
    };
    let html = report.page(timings)?.html();
    Ok(write_bytes(out.join("report.html"), html)?)
}

struct Report<'a> {
    out: &'a Path,
    plan: &'a Plan,
    setup: &'a Setup,
    bundle: &'a Bundle,
    measurements: &'a Measurements,
}

impl Report<'_> {
    fn page(&self, timings: &Timings) -> Result<Page> {
        let last = self
            .measurements
            .steps
            .last()
            .context("there are no samples")?;
        let lead = format!(
            "Latent diffusion without a variational autoencoder (https://arxiv.org/abs/2510.15301), done from \
             the first picture to the last sample by one command, `{}`. {} pictures of {} classes, {} pixels \
             to a side, were learned from. Of {} samples made in {} steps, {} are taken for their class by a \
             linear probe of the encoder's features.",
            next::again(&self.plan.asked, self.out),
            self.setup.data.counts[0],
            self.plan.classes.len(),
            self.plan.size,
            last.count,
            last.steps,
            percent(last.linear),
        );
        Ok(Page {
            title: "SVG: a demonstration".to_string(),
            lead,
            sections: vec![
                self.method()?,
                self.samples()?,
                self.features()?,
                self.reconstructions()?,
                self.losses()?,
                self.distances(),
                self.timings(timings),
                self.next(),
            ],
        })
    }

    fn method(&self) -> Result<Section> {
        let semantic = self.setup.encoder.spec().channels;
        let file = self.bundle.tensors(SPACE, svg::AUTOENCODER)?;
        let numbers = |stems: &[&str]| -> usize {
            let of = |name: &str| stems.iter().any(|stem| name.starts_with(stem));
            let tensors = file.tensors().iter().filter(|tensor| of(&tensor.name));
            tensors
                .map(|tensor| tensor.shape.iter().product::<usize>())
                .sum()
        };
        let registry = Registry::standard();
        let flow = registry.velocity(self.bundle, &self.setup.options(), &self.setup.device)?;
        let grid = self.plan.grid();
        let pipeline = Pipeline {
            image_side: self.plan.size as usize,
            grid: [grid, grid],
            semantic,
            residual: self.bundle.geometry()?.channels - semantic,
            encoder: match self.plan.asked.encoder {
                None => "DINO, nano".to_string(),
                Some(_) => self.setup.encoder.spec().name,
            },
            encoder_parameters: self.setup.encoder.encoder.parameters().unwrap_or(0),
            residual_parameters: numbers(&["extra_vit.", "mask_token"]),
            decoder_parameters: numbers(&["decoder."]),
            velocity_parameters: flow.parameters().unwrap_or(0),
            steps: self.measurements.steps.last().map_or(0, |last| last.steps),
        };
        let text = "A frozen, self-supervised encoder says what is in a picture; a small residual encoder adds \
                    what it forgets. Both together are the features from which a decoder makes the picture \
                    again. Normalised, they are latents, and a velocity network learns to carry noise to them.";
        Ok(Section {
            id: "method".to_string(),
            heading: "The method, at the size of this run".to_string(),
            blocks: vec![Block::Text(text.to_string()), Block::Pipeline(pipeline)],
        })
    }

    fn samples(&self) -> Result<Section> {
        let plan = &self.plan.samples;
        let names = plan.classes.iter();
        let names = names.map(|&class| self.plan.classes[class].as_str());
        let names = names.collect::<Vec<_>>().join(", ");
        let steps: Vec<_> = plan.steps.iter().map(usize::to_string).collect();
        let steps = steps.join(", ");
        let mut sheets = Vec::new();
        for &number in &plan.steps {
            sheets.push(Figure::Picture(picture(
                &samples::sheet(self.out, number),
                &format!("Samples in a row for each class: {names}"),
                &format!("{number} {}", if number == 1 { "step" } else { "steps" }),
            )?));
        }
        let text = format!(
            "Each row is a class, from above: {names}. The noise of a sample is the same in all sheets; only \
             the number of Euler steps differs. Guidance {}, shift {}. Nothing is picked.",
            plan.guidance, plan.shift
        );
        let comparison = picture(
            &samples::comparison(self.out),
            &format!("One sample of each class with {steps} steps"),
            &format!("One noise for each class, with {steps} steps from above."),
        )?;
        Ok(Section {
            id: "samples".to_string(),
            heading: "Samples".to_string(),
            blocks: vec![
                Block::Text(text),
                Block::Figures(sheets),
                Block::Picture(comparison),
            ],
        })
    }

    fn features(&self) -> Result<Section> {
        let measured = self.measurements;
        let cell = |value: Option<f64>| value.map_or("-".to_string(), percent);
        let row = |accuracy: &Accuracy| {
            vec![
                accuracy.of.clone(),
                percent(accuracy.neighbours),
                cell(accuracy.linear),
            ]
        };
        let mut rows: Vec<_> = measured.accuracies.iter().map(row).collect();
        rows.push(vec![
            "guessing".to_string(),
            percent(measured.chance),
            "-".to_string(),
        ]);
        let table = Table {
            head: vec!["View".into(), "20 neighbours".into(), "Linear probe".into()],
            rows,
            caption: format!(
                "Accuracy on {} held-out pictures, with {} known ones. The class token is what the encoder says \
                 of a whole picture; patch tokens and latents are taken side by side.",
                measured.asked, measured.known
            ),
        };
        let scatter = |of: &str, dots: &[(f64, f64, usize)]| {
            let dot = |&(x, y, class): &(f64, f64, usize)| Dot { at: [x, y], class };
            Figure::Scatter(Scatter {
                title: format!("{of} of {} held-out pictures (t-SNE)", dots.len()),
                classes: self.plan.classes.clone(),
                points: dots.iter().map(dot).collect(),
            })
        };
        let colours = picture(
            &features::path(self.out),
            "Pictures, each with two images of coarse colours beside it",
            "Held-out pictures; beside each its semantic channels and its residual ones, with their three main \
             directions as red, green and blue. One colour means one thing in all of them.",
        )?;
        Ok(Section {
            id: "features".to_string(),
            heading: "What the latents know".to_string(),
            blocks: vec![
                Block::Picture(colours),
                Block::Table(table),
                Block::Figures(vec![
                    scatter("Latents", &measured.latents),
                    scatter("Pixels", &measured.pixels),
                ]),
            ],
        })
    }

    fn reconstructions(&self) -> Result<Section> {
        let measured = self.measurements;
        let ssim = measured.ssim;
        let ssim = ssim.map_or(String::new(), |ssim| format!(" and a SSIM of {ssim:.3}"));
        let caption = format!(
            "Held-out pictures over their reconstructions. Over {} of them the mean PSNR is {:.2} dB{ssim}.",
            measured.asked, measured.psnr
        );
        let pairs = picture(
            &measure::pairs(self.out),
            "Pictures, each with its reconstruction below",
            &caption,
        )?;
        Ok(Section {
            id: "reconstructions".to_string(),
            heading: "Through the autoencoder and back".to_string(),
            blocks: vec![Block::Picture(pairs)],
        })
    }

    fn losses(&self) -> Result<Section> {
        let first = self.out.join("autoencoder/steps.csv");
        let second = self.out.join("flow/steps.csv");
        let judged = match self.setup.data.complete {
            true => "held-out pictures",
            false => "training pictures in another order",
        };
        let blocks = vec![
            Figure::Chart(chart(
                &first,
                "Autoencoder: mean absolute error",
                "error",
                true,
                &[("l1", "training")],
            )?),
            Figure::Chart(chart(
                &first,
                "Autoencoder: held-out pictures",
                "PSNR, dB",
                false,
                &[("samples/psnr", "held-out pictures")],
            )?),
            Figure::Chart(chart(
                &second,
                "Flow: loss",
                "loss",
                true,
                &[("loss", "training"), ("validation/loss", judged)],
            )?),
        ];
        let text = format!(
            "{} steps of {} pictures for the autoencoder, {} steps of {} for the flow. The tables are \
             `autoencoder/steps.csv` and `flow/steps.csv`.",
            self.plan.autoencoder.steps,
            self.plan.autoencoder.images_per_step(),
            self.plan.flow.steps,
            self.plan.flow.images_per_step(),
        );
        Ok(Section {
            id: "losses".to_string(),
            heading: "Losses".to_string(),
            blocks: vec![Block::Text(text), Block::Figures(blocks)],
        })
    }

    fn distances(&self) -> Section {
        let measured = self.measurements;
        let row = |of: &OfSteps| {
            vec![
                of.steps.to_string(),
                format!("{:.4}", of.distance),
                percent(of.neighbours),
                percent(of.linear),
            ]
        };
        let mut rows: Vec<_> = measured.steps.iter().map(row).collect();
        let dash = || "-".to_string();
        rows.push(vec![
            "held-out".into(),
            format!("{:.4}", measured.floor),
            dash(),
            dash(),
        ]);
        let count = measured.steps.first().map_or(0, |first| first.count);
        let few = match measured.enough {
            true => "",
            false => " There are fewer pictures than channels, so all distances are far too large.",
        };
        let held_out = count.min(measured.asked);
        let table = Table {
            head: [
                "Steps",
                "Fréchet distance",
                "Class by neighbours",
                "Class by probe",
            ]
            .map(String::from)
            .to_vec(),
            rows,
            caption: format!(
                "{count} samples for each number of steps against {} training pictures, in the encoder's class \
                 tokens. The last row is {held_out} held-out pictures.{few}",
                measured.known
            ),
        };
        let points = |value: fn(&OfSteps) -> f64| {
            let point = |of: &OfSteps| [of.steps as f64, value(of)];
            measured.steps.iter().map(point).collect::<Vec<_>>()
        };
        let ends = [measured.steps.first(), measured.steps.last()];
        let floor = ends.into_iter().flatten();
        let chart = Chart {
            title: "Fréchet distance by number of steps".to_string(),
            x_label: "Euler steps".to_string(),
            y_label: "distance".to_string(),
            log_x: false,
            log_y: true,
            series: vec![
                Series {
                    name: "samples".to_string(),
                    points: points(|of| of.distance),
                },
                Series {
                    name: "held-out pictures".to_string(),
                    points: floor.map(|of| [of.steps as f64, measured.floor]).collect(),
                },
            ],
        };
        let text = "The distance is a metric of this project and no FID: it compares with nothing but itself, \
                    for the same encoder, size and number of pictures.";
        Section {
            id: "distances".to_string(),
            heading: "How few steps are enough".to_string(),
            blocks: vec![
                Block::Text(text.to_string()),
                Block::Chart(chart),
                Block::Table(table),
            ],
        }
    }

    fn timings(&self, timings: &Timings) -> Section {
        let phases = timings.phases.iter();
        let rows = phases.map(|phase| vec![phase.name.clone(), format!("{:.1}", phase.seconds)]);
        let mut rows: Vec<_> = rows.collect();
        rows.push(vec![
            "together".to_string(),
            format!("{:.1}", timings.total()),
        ]);
        let mut text = format!("{} threads, ", timings.threads);
        if let Some(bytes) = timings.peak_bytes {
            text += &format!(
                "at most {:.2} GiB of memory, ",
                bytes as f64 / f64::from(1 << 30)
            );
        }
        text += &match timings.starts {
            1 => "in one go.".to_string(),
            starts => format!("in {starts} starts of the program."),
        };
        Section {
            id: "timings".to_string(),
            heading: "Timings".to_string(),
            blocks: vec![
                Block::Table(Table {
                    head: vec!["Phase".into(), "Seconds".into()],
                    rows,
                    caption: "Seconds of each phase, over all starts".to_string(),
                }),
                Block::Text(text),
            ],
        }
    }

    fn next(&self) -> Section {
        let complete = self.setup.data.complete;
        let commands = next::commands(self.out, self.plan, complete);
        Section {
            id: "next".to_string(),
            heading: "To go on".to_string(),
            blocks: vec![Block::Commands(commands)],
        }
    }
}

fn picture(path: &Path, alt: &str, caption: &str) -> Result<Picture> {
    Ok(Picture {
        png: std::fs::read(path).with_context(|| path.display().to_string())?,
        alt: alt.to_string(),
        caption: caption.to_string(),
    })
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}
