//! `svg verify`: the figures of a card, computed again.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::{Result, bail, ensure};
use clap::Args;

use crate::commands::evaluate::options::machine;
use crate::commands::print;
use crate::device::DeviceOptions;
use crate::evaluation::card::{Card, OfSamples};
use crate::evaluation::figures::Figure;
use crate::evaluation::request::{Request, Samples};
use crate::progress::status;

/// Figures that differ by less, relatively, are the same: processors sum in different orders.
const SAME: f64 = 1e-6;

/// Compute the figures of a card again, and say whether they hold
///
/// A card is what `svg evaluate --out` and `svg sweep` leave: figures, and everything that they follow from, with hashes.
/// First the hashes of model, network and pictures are compared, and each that differs is named. Then the figures are
/// computed again; one holds if it lies within the card's interval, or is the same where there is none. The exit code
/// is 0 if all hold and 1 if not.
#[derive(Args)]
#[command(after_help = "Examples:
  svg verify evaluation/card.json
  svg verify card.json --bundle downloads/model --reference imagenet/val --device cuda
  svg verify card.json --hashes-only")]
pub struct Verify {
    /// The card
    #[arg(value_name = "CARD.json")]
    card: PathBuf,
    /// The model, where it is no longer at the card's place; one for each of several
    #[arg(long, num_args = 1.., value_name = "FOLDER")]
    bundle: Vec<PathBuf>,
    /// The encoder's weights, likewise
    #[arg(long, value_name = "FILE")]
    encoder: Option<PathBuf>,
    /// The reference, likewise
    #[arg(long, num_args = 1.., value_name = "PATH")]
    reference: Vec<PathBuf>,
    /// The samples, likewise
    #[arg(long, num_args = 1.., value_name = "PATH")]
    samples: Vec<PathBuf>,
    /// Inception's weights, likewise
    #[arg(long, value_name = "FILE")]
    inception: Option<PathBuf>,
    /// The judging encoder's weights, likewise
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// Images that go through the networks at once; no part of the result
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..))]
    batch: u16,
    /// Compare the hashes of model and network, and compute nothing
    #[arg(long)]
    hashes_only: bool,
    /// Compute the figures also if hashes differ
    #[arg(long, conflicts_with = "hashes_only")]
    anyway: bool,
    /// Write the card of this run
    #[arg(long, value_name = "FILE.json")]
    out: Option<PathBuf>,
}

impl Verify {
    pub fn run(self, device: &DeviceOptions) -> Result<()> {
        let card = Card::read(&self.card)?;
        let request = self.moved(&card.request)?;
        let (program, commit) = Card::program();
        if (&program, &commit) != (&card.program, &card.commit) {
            let of = |program: &str, commit: &str| match commit.get(..12) {
                Some(commit) => format!("{program} ({commit})"),
                None => program.to_string(),
            };
            status!(
                "note: the card is of {}, this is {}",
                of(&card.program, &card.commit),
                of(&program, &commit)
            );
        }
        // What costs no pass of a network comes first.
        let known = crate::evaluation::card::model_hashes(&request)?;
        let early = known.iter();
        let early: Vec<String> = early
            .filter_map(|(name, hash)| card.difference(name, Some(hash)))
            .collect();
        if !early.is_empty() && !self.anyway {
            print(&format!("{}\n", early.join("\n")))?;
            bail!(
                "the card does not hold here: {} of its files are others",
                early.len()
            );
        }
        if self.hashes_only {
            return print(&format!(
                "{} hashes of the model are the card's\n",
                known.len()
            ));
        }
        let machine = machine(device, self.batch, None)?;
        let evaluated = machine.run(&request)?;
        let here = &evaluated.card;
        if let Some(path) = &self.out {
            here.write(path)?;
        }
        let differences = card.differences(here);
        let (text, failed) = compare(&card, here)?;
        print(&text)?;
        for line in &differences {
            print(&format!("{line}\n"))?;
        }
        ensure!(
            differences.is_empty() || self.anyway,
            "the card does not hold here: {} of its inputs are others",
            differences.len()
        );
        ensure!(failed == 0, "{failed} figures do not hold");
        print("the card holds\n")
    }

    /// The card's request with what is elsewhere now.
    fn moved(&self, request: &Request) -> Result<Request> {
        let mut request = request.clone();
        if !self.reference.is_empty() {
            request.reference = self.reference.clone();
        }
        let options = [
            (&mut request.inception, &self.inception),
            (&mut request.weights, &self.weights),
            (&mut request.encoder, &self.encoder),
        ];
        for (of, moved) in options {
            if moved.is_some() {
                *of = moved.clone();
            }
        }
        match &mut request.samples {
            Samples::Pictures { paths, .. } if !self.samples.is_empty() => {
                *paths = self.samples.clone()
            }
            Samples::Reconstructions { bundle } => {
                if let [moved] = &self.bundle[..] {
                    *bundle = moved.clone();
                }
            }
            Samples::Model { points, .. } if !self.bundle.is_empty() => {
                let mut known: Vec<PathBuf> = Vec::new();
                for point in points.iter() {
                    if !known.contains(&point.bundle) {
                        known.push(point.bundle.clone());
                    }
                }
                ensure!(
                    known.len() == self.bundle.len(),
                    "the card is of {} models, and --bundle names {}",
                    known.len(),
                    self.bundle.len()
                );
                for point in points {
                    let place = known.iter().position(|folder| *folder == point.bundle);
                    point.bundle = self.bundle[place.unwrap_or_default()].clone();
                }
            }
            _ => {}
        }
        Ok(request)
    }
}

/// A line for each figure, and how many do not hold.
fn compare(card: &Card, here: &Card) -> Result<(String, usize)> {
    let (mut text, mut failed) = (String::new(), 0);
    writeln!(text, "{:<20} {:>14} {:>14}", "figure", "card", "here")?;
    ensure!(
        card.results.len() == here.results.len(),
        "the card has figures of {} sets of samples, here are {}",
        card.results.len(),
        here.results.len()
    );
    for (theirs, ours) in card.results.iter().zip(&here.results) {
        writeln!(text, "{}", theirs.samples)?;
        for figure in &theirs.figures {
            let Some(found) = find(ours, &figure.name) else {
                writeln!(
                    text,
                    "  {:<18} {:>14.6} {:>14}  missing",
                    figure.name, figure.value, ""
                )?;
                failed += 1;
                continue;
            };
            let verdict = verdict(figure, found);
            failed += usize::from(verdict.is_err());
            let words = verdict.unwrap_or_else(|words| words);
            let (name, value, found) = (&figure.name, figure.value, found.value);
            writeln!(text, "  {name:<18} {value:>14.6} {found:>14.6}  {words}")?;
        }
    }
    Ok((text, failed))
}

fn find<'a>(of: &'a OfSamples, name: &str) -> Option<&'a Figure> {
    of.figures.iter().find(|figure| figure.name == name)
}

/// Whether a figure holds, in words.
fn verdict(card: &Figure, here: &Figure) -> Result<String, String> {
    let apart = (card.value - here.value).abs();
    if apart <= SAME * card.value.abs().max(1e-3) {
        return Ok("the same".to_string());
    }
    match (card.low, card.high) {
        (Some(low), Some(high)) if (low..=high).contains(&here.value) => {
            Ok(format!("holds: within {low:.6} to {high:.6}"))
        }
        (Some(low), Some(high)) => Err(format!("does not hold: outside {low:.6} to {high:.6}")),
        _ => Err("does not hold: another number".to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_holds_if_it_is_the_same_or_within_the_interval() {
        let card = Figure::exact("FID", 10.0);
        let here = |value: f64| Figure::exact("FID", value);
        assert_eq!(verdict(&card, &here(10.000001)).unwrap(), "the same");
        assert!(verdict(&card, &here(10.1)).is_err());
        let card = Figure {
            low: Some(9.5),
            high: Some(10.5),
            ..card
        };
        assert!(verdict(&card, &here(10.1)).unwrap().starts_with("holds"));
        assert!(verdict(&card, &here(10.6)).unwrap_err().contains("outside"));
    }
}
