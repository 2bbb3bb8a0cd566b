//! Figures on the terminal.

use std::fmt::Write as _;

use crate::evaluation::card::{Card, OfSamples};
use crate::evaluation::figures::Figure;
use crate::evaluation::request::Point;

/// All figures of a card, with the protocol that they belong to.
pub fn table(card: &Card) -> String {
    let mut text = format!(
        "protocol   {}\nfeatures   {}\n",
        card.request.protocol, card.features
    );
    let count = card
        .reference_count
        .map_or("statistics".to_string(), |count| format!("{count} images"));
    let reference: Vec<_> = card
        .request
        .reference
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    let _ = writeln!(text, "reference  {count}, {}", reference.join(", "));
    for of in &card.results {
        let _ = writeln!(text, "samples    {} images, {}", of.count, of.samples);
        text += &figures(of, card.request.level);
    }
    text
}

/// A line for each figure: the figure, its interval, and how that was had.
fn figures(of: &OfSamples, level: f64) -> String {
    let mut text = String::new();
    for figure in &of.figures {
        let Figure {
            name,
            value,
            low,
            high,
            method,
        } = figure;
        let _ = write!(text, "  {name:<18} {value:>12.6}");
        if let (Some(low), Some(high)) = (low, high) {
            let _ = write!(
                text,
                "   {:.0} %: {low:.6} to {high:.6} ({method})",
                100.0 * level
            );
        } else if !method.is_empty() {
            let _ = write!(text, "   {method}");
        }
        text += "\n";
    }
    text
}

/// A line for each combination of a grid, with a column for each figure.
pub fn grid(points: &[Point], results: &[OfSamples]) -> String {
    let names: Vec<&str> = match results.first() {
        Some(first) => first.figures.iter().map(|figure| &*figure.name).collect(),
        None => return String::new(),
    };
    let mut text = String::new();
    for name in &names {
        let _ = write!(text, "{name:>12} ");
    }
    text += "  samples\n";
    for (point, of) in points.iter().zip(results) {
        for name in &names {
            let figure = of.figures.iter().find(|figure| figure.name == *name);
            let value = figure.map_or("-".to_string(), |figure| format!("{:.4}", figure.value));
            let _ = write!(text, "{value:>12} ");
        }
        let _ = writeln!(
            text,
            "  {} of {}: {point}",
            of.count,
            point.bundle.display()
        );
    }
    text
}
