//! The tables and the page of a comparison.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;
use serde::Serialize;
use serde_json::{Value, json};
use svg_report::render;
use svg_store::write_bytes;

use super::paths::TIMES;
use super::plan::Plan;
use super::row::{Files, Row, figure};
use super::variant::Variant;
use super::{FIRST, MEASURING, SECOND};
use crate::commands::demo::timings::Timings;
use crate::evaluation::card::Card;
use crate::evaluation::figures::Figure;

/// Steps between which the penalty of few steps is told, where both were sampled.
const FEW_AND_MANY: [usize; 2] = [5, 250];

/// What all seeds of a space say.
#[derive(Serialize)]
struct Summary {
    space: String,
    about: &'static str,
    channels: usize,
    /// By each number of steps.
    distances: Vec<Estimate>,
    penalty: Option<Estimate>,
    psnr: Estimate,
    ssim: Option<Estimate>,
    reconstruction_distance: Estimate,
    probe: Estimate,
    curvature: Estimate,
    seconds: [f64; 3],
    parts: Vec<super::row::Channels>,
}

/// A mean, and between which numbers it would probably lie.
#[derive(Clone, Copy, Serialize)]
struct Estimate {
    mean: f64,
    low: Option<f64>,
    high: Option<f64>,
}

impl Estimate {
    /// Of one number for each seed. The interval of several is Student's; of one seed there is none.
    fn of(values: &[f64]) -> Self {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        if values.len() < 2 {
            return Self {
                mean,
                low: None,
                high: None,
            };
        }
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let reach = student(values.len() - 1) * (squares / (n - 1.0) / n).sqrt();
        Self {
            mean,
            low: Some(mean - reach),
            high: Some(mean + reach),
        }
    }

    /// Of figures: of one seed, its own interval.
    fn of_figures(figures: &[&Figure]) -> Self {
        match figures {
            [one] => Self {
                mean: one.value,
                low: one.low,
                high: one.high,
            },
            several => {
                let values: Vec<f64> = several.iter().map(|figure| figure.value).collect();
                Self::of(&values)
            }
        }
    }

    fn words(&self, digits: usize) -> String {
        match (self.low, self.high) {
            (Some(low), Some(high)) => {
                format!("{:.digits$} ({low:.digits$} to {high:.digits$})", self.mean)
            }
            _ => format!("{:.digits$}", self.mean),
        }
    }
}

/// How many standard errors a 95 % interval reaches with so many degrees of freedom (Student's distribution).
fn student(freedom: usize) -> f64 {
    const TABLE: [f64; 10] = [
        12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
    ];
    let beyond = 1.96 + 2.4 / freedom.max(1) as f64;
    TABLE.get(freedom.max(1) - 1).copied().unwrap_or(beyond)
}

/// Writes the page.
pub fn write(plan: &Plan, rows: &[(Row, Files)], path: &Path) -> Result<()> {
    let summaries = summaries(plan, rows)?;
    let distances: Vec<Value> = summaries
        .iter()
        .map(|summary| {
            let points = plan.steps.iter().zip(&summary.distances);
            let points: Vec<_> = points.map(|(steps, of)| [*steps as f64, of.mean]).collect();
            json!({"name": summary.space, "points": points})
        })
        .collect();
    let mut planes = Vec::new();
    let mut seen: Vec<Variant> = Vec::new();
    for (row, _) in rows {
        if !seen.contains(&row.space) {
            seen.push(row.space);
            planes.push(json!({"space": row.space.to_string(), "dots": row.dots}));
        }
    }
    let page = json!({
        "plan": plan,
        "summaries": summaries,
        "distance_chart": {
            "title": "Fréchet distance by steps", "x_label": "Euler steps", "y_label": "FD",
            "log_x": true, "log_y": true, "series": distances,
        },
        "velocity_charts": velocity_charts(rows),
        "planes": planes,
        "has_penalty": summaries.iter().any(|summary| summary.penalty.is_some()),
        "few_and_many": FEW_AND_MANY,
    });
    Ok(write_bytes(
        path,
        render(include_str!("report.html"), page),
    )?)
}

/// How velocities of one class and of two agree by time, means over seeds.
fn velocity_charts(rows: &[(Row, Files)]) -> Vec<Value> {
    let chart = |title: &str, of: fn(&Row) -> Vec<f64>| {
        let mut series: Vec<(Variant, Vec<Vec<f64>>)> = Vec::new();
        for (row, _) in rows {
            match series.iter_mut().find(|(space, _)| *space == row.space) {
                Some((_, all)) => all.push(of(row)),
                None => series.push((row.space, vec![of(row)])),
            }
        }
        let series: Vec<Value> = series
            .into_iter()
            .map(|(space, all)| {
                let mean = |at: usize| all.iter().map(|of| of[at]).sum::<f64>() / all.len() as f64;
                let points = TIMES.iter().enumerate();
                let points: Vec<_> = points.map(|(at, time)| [*time, mean(at)]).collect();
                json!({"name": space.to_string(), "points": points})
            })
            .collect();
        json!({"title": title, "x_label": "time, from noise to data", "y_label": "cosine", "series": series})
    };
    let apart = |row: &Row| {
        let both = row.paths.within.iter().zip(&row.paths.between);
        both.map(|(within, between)| within - between).collect()
    };
    vec![
        chart("Velocities of one class: mean cosine", |row| {
            row.paths.within.clone()
        }),
        chart("The same, less that of two classes", apart),
    ]
}

fn summaries(plan: &Plan, rows: &[(Row, Files)]) -> Result<Vec<Summary>> {
    let mut all = Vec::new();
    for &space in &plan.spaces {
        let of_space: Vec<_> = rows.iter().filter(|(row, _)| row.space == space).collect();
        let Some((first, _)) = of_space.first() else {
            continue;
        };
        let mut cards = Vec::new();
        for (_, files) in &of_space {
            cards.push((
                Card::read(&files.samples())?,
                Card::read(&files.reconstructions())?,
            ));
        }
        let of_steps = |at: usize| -> Result<Estimate> {
            let figures: Result<Vec<&Figure>> = cards
                .iter()
                .map(|(samples, _)| figure(samples, at, "FD"))
                .collect();
            Ok(Estimate::of_figures(&figures?))
        };
        let of_pictures = |name: &str| -> Result<Estimate> {
            let figures: Result<Vec<&Figure>> = cards
                .iter()
                .map(|(_, pictures)| figure(pictures, 0, name))
                .collect();
            Ok(Estimate::of_figures(&figures?))
        };
        let places =
            FEW_AND_MANY.map(|wanted| plan.steps.iter().position(|steps| *steps == wanted));
        let penalty = match places {
            [Some(few), Some(many)] => {
                let ratio = |samples: &Card| -> Result<f64> {
                    Ok(figure(samples, few, "FD")?.value / figure(samples, many, "FD")?.value)
                };
                let ratios: Result<Vec<f64>> =
                    cards.iter().map(|(samples, _)| ratio(samples)).collect();
                Some(Estimate::of(&ratios?))
            }
            _ => None,
        };
        let of_rows = |of: fn(&Row) -> f64| {
            let values: Vec<f64> = of_space.iter().map(|(row, _)| of(row)).collect();
            Estimate::of(&values)
        };
        let timings: Vec<Timings> = of_space
            .iter()
            .map(|(_, files)| Timings::read(&files.folder))
            .collect();
        let seconds = [FIRST, SECOND, MEASURING].map(|phase| {
            let all = timings.iter().map(|timings| timings.seconds(phase));
            all.sum::<f64>() / timings.len() as f64
        });
        all.push(Summary {
            space: space.to_string(),
            about: space.about(),
            channels: first.channels,
            distances: (0..plan.steps.len()).map(of_steps).collect::<Result<_>>()?,
            penalty,
            psnr: of_pictures("PSNR")?,
            ssim: of_pictures("SSIM").ok(),
            reconstruction_distance: of_pictures("FD")?,
            probe: of_rows(|row| row.probe),
            curvature: of_rows(|row| row.paths.curvature),
            seconds,
            parts: first.channels_of.clone(),
        });
    }
    Ok(all)
}

/// The tables as text.
pub fn table(plan: &Plan, rows: &[(Row, Files)]) -> Result<String> {
    let mut text = String::from("Fréchet distance of samples by Euler steps, 95 % intervals\n");
    let summaries = summaries(plan, rows)?;
    for summary in &summaries {
        writeln!(text, "{}: {}", summary.space, summary.about)?;
        for (steps, of) in plan.steps.iter().zip(&summary.distances) {
            writeln!(text, "  {steps:>4} steps  {}", of.words(2))?;
        }
        if let Some(penalty) = &summary.penalty {
            let [few, many] = FEW_AND_MANY;
            writeln!(text, "  FD({few}) / FD({many})  {}", penalty.words(2))?;
        }
        writeln!(text, "  PSNR        {}", summary.psnr.words(2))?;
        writeln!(
            text,
            "  FD of reconstructions  {}",
            summary.reconstruction_distance.words(2)
        )?;
        writeln!(text, "  probe       {}", summary.probe.words(3))?;
        writeln!(text, "  curvature   {}", summary.curvature.words(3))?;
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_seeds_have_students_interval_and_one_has_none() {
        let of = Estimate::of(&[1.0, 2.0, 3.0]);
        // The deviation of the mean is 1 / sqrt(3), and Student's quantile of two degrees of freedom 4.303.
        let reach = 4.303 / 3f64.sqrt();
        assert!((of.low.unwrap() - (2.0 - reach)).abs() < 1e-9);
        assert!((of.high.unwrap() - (2.0 + reach)).abs() < 1e-9);
        assert!(Estimate::of(&[4.0]).low.is_none());
        assert!((student(30) - 2.042).abs() < 0.02);
    }
}
