//! The page of an evaluation.

use std::path::Path;

use anyhow::{Context as _, Result};
use image::imageops::{FilterType, resize};
use serde::Serialize;
use serde_json::{Value, json};
use svg_image::{RgbImage, adm_crop, encode_png, grid};
use svg_report::{Picture, render};
use svg_store::write_bytes;

use crate::evaluation::card::Card;
use crate::evaluation::realism::{Likeness, likeness};
use crate::evaluation::request::{Point, Request, Samples};
use crate::evaluation::run::{Judged, Session};

/// Samples at each end that are shown beside what they resemble.
const SHOWN: usize = 8;
/// Side of a picture on the page.
const SIDE: u32 = 96;

/// What the template shows.
#[derive(Serialize)]
struct Page<'a> {
    card: &'a Card,
    about: &'static str,
    own: bool,
    charts: Vec<Value>,
    /// The most and the least real samples, each left of its nearest reference images.
    best: Option<Picture>,
    worst: Option<Picture>,
}

/// Writes the page of a card. The pictures come of the samples that were judged last, if any were.
pub fn write(card: &Card, judged: Option<(&Session, &Judged)>, path: &Path) -> Result<()> {
    let protocol = card.request.protocol()?;
    let extremes = judged.map(|(session, last)| extremes(&card.request, session, last));
    let [best, worst] = extremes.transpose()?.unwrap_or([None, None]);
    let page = Page {
        card,
        about: protocol.about,
        own: protocol.own,
        charts: charts(card),
        best,
        worst,
    };
    let html = render(include_str!("report.html"), page);
    Ok(write_bytes(path, html)?)
}

/// A chart of each figure over what differs between the points, where there are several.
pub fn charts(card: &Card) -> Vec<Value> {
    let Samples::Model { points, .. } = &card.request.samples else {
        return Vec::new();
    };
    let Some(first) = card.results.first().filter(|_| points.len() > 1) else {
        return Vec::new();
    };
    let chart = |name: &String| {
        let mut series: Vec<(String, Vec<[f64; 2]>)> = Vec::new();
        for (point, of) in points.iter().zip(&card.results) {
            let figure = of.figures.iter().find(|figure| figure.name == *name);
            let Some(figure) = figure else { continue };
            let mut other = point.clone();
            other.steps = 0;
            let label = line_name(&other, points);
            let at = [point.steps as f64, figure.value];
            match series.iter_mut().find(|(known, _)| *known == label) {
                Some((_, line)) => line.push(at),
                None => series.push((label, vec![at])),
            }
        }
        let series: Vec<_> = series
            .into_iter()
            .map(|(name, mut points)| {
                points.sort_by(|a, b| a[0].total_cmp(&b[0]));
                json!({"name": name, "points": points})
            })
            .collect();
        json!({
            "title": format!("{name} by steps"), "x_label": "steps", "y_label": name,
            "log_x": true, "series": series,
        })
    };
    let names = first.figures.iter().map(|figure| &figure.name);
    names.map(chart).collect()
}

/// What of a point differs between the points, but for steps.
fn line_name(point: &Point, all: &[Point]) -> String {
    let mut words = Vec::new();
    if all.iter().any(|other| other.bundle != point.bundle) {
        words.push(point.bundle.display().to_string());
    }
    if all.iter().any(|other| other.solver != point.solver) {
        words.push(point.solver.clone());
    }
    if all.iter().any(|other| other.guidance != point.guidance) {
        words.push(format!("guidance {}", point.guidance));
    }
    if all
        .iter()
        .any(|other| other.guidance_mode != point.guidance_mode)
    {
        words.push(point.guidance_mode.clone());
    }
    if all.iter().any(|other| other.shift != point.shift) {
        words.push(format!("shift {}", point.shift));
    }
    match words.is_empty() {
        true => "samples".to_string(),
        false => words.join(", "),
    }
}

/// Sheets of the most and the least real samples, where all pictures are at hand.
fn extremes(request: &Request, session: &Session, last: &Judged) -> Result<[Option<Picture>; 2]> {
    let Some(pictures) = &session.reference_pictures else {
        return Ok([None, None]);
    };
    let both = (&last.side.features, &session.reference.features);
    let (Some(samples), Some(reference)) = both else {
        return Ok([None, None]);
    };
    let all = likeness(samples, reference);
    let shown = SHOWN.min(all.len() / 2);
    let sheet = |some: &[&Likeness]| -> Result<Option<Picture>> {
        let numbers: Vec<usize> = some.iter().map(|one| one.sample).collect();
        let Some(images) = sample_images(request, session, last, &numbers)? else {
            return Ok(None);
        };
        let mut cells = Vec::new();
        for (one, image) in some.iter().zip(images) {
            cells.push(fitted(&image));
            let near = session.read(pictures, &one.nearest)?;
            cells.extend(near.iter().map(fitted));
        }
        let columns = 2 * (1 + some.first().map_or(0, |one| one.nearest.len()));
        let png = encode_png(&grid(&cells, columns, 2), &[]);
        let drawn = Picture::new(&png);
        Ok(Some(
            drawn.context("a sheet that was just drawn is damaged")?,
        ))
    };
    let best: Vec<&Likeness> = all.iter().take(shown).collect();
    let worst: Vec<&Likeness> = all.iter().rev().take(shown).collect();
    Ok([sheet(&best)?, sheet(&worst)?])
}

/// Samples of these numbers as pictures: read again, or made again.
fn sample_images(
    request: &Request,
    session: &Session,
    last: &Judged,
    numbers: &[usize],
) -> Result<Option<Vec<RgbImage>>> {
    if let Some(pictures) = &last.pictures {
        return Ok(Some(session.read(pictures, numbers)?));
    }
    match &request.samples {
        Samples::Model { points, .. } => {
            let point = points.last().context("there are no samples")?;
            Ok(Some(session.images(&request.samples, point, numbers)?))
        }
        _ => Ok(None),
    }
}

/// A picture in a square of the page.
fn fitted(image: &RgbImage) -> RgbImage {
    match image.width().max(image.height()) < SIDE {
        true => resize(image, SIDE, SIDE, FilterType::Nearest),
        false => adm_crop(image, SIDE),
    }
}
