//! Cards: figures with everything that they follow from, so that somebody else can have them again.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, ensure};
use serde::{Deserialize, Serialize};
use svg_model::Bundle;
use svg_store::{Checked, checked_json, read_text, sealed_json, unsealed_json, write_bytes};

use crate::evaluation::figures::Figure;
use crate::evaluation::request::{Request, Samples};

/// The version of the format.
const FORMAT: u32 = 1;

/// The document `card.json`, which holds a hash of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// Version of the format.
    pub format: u32,
    /// Name and version of the program.
    pub program: String,
    /// The commit that it was built from; empty if that is not known.
    pub commit: String,
    /// Where it computed, and in which number type.
    pub device: String,
    /// What was asked for.
    pub request: Request,
    /// The features that were compared, and the weights of their network.
    pub features: String,
    /// SHA-256 of what the figures follow from, by names such as `bundle/flow.safetensors` and `reference`.
    pub hashes: BTreeMap<String, String>,
    /// Images of the reference; `None` for statistics that do not say it.
    pub reference_count: Option<u64>,
    /// Figures of each set of samples.
    pub results: Vec<OfSamples>,
}

/// Figures of one set of samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfSamples {
    /// What the samples are: a path, or the settings that they were made with.
    pub samples: String,
    /// How many.
    pub count: u64,
    /// The figures.
    pub figures: Vec<Figure>,
}

impl Card {
    /// The program that runs.
    pub fn program() -> (String, String) {
        let program = concat!("svg ", env!("CARGO_PKG_VERSION")).to_string();
        (program, env!("SVG_COMMIT").to_string())
    }

    /// A new card of this program.
    pub fn new(device: String, request: Request) -> Self {
        let (program, commit) = Self::program();
        Self {
            format: FORMAT,
            program,
            commit,
            device,
            request,
            features: String::new(),
            hashes: BTreeMap::new(),
            reference_count: None,
            results: Vec::new(),
        }
    }

    /// Writes the card.
    pub fn write(&self, path: &Path) -> Result<()> {
        Ok(write_bytes(path, sealed_json(self)?)?)
    }

    /// Reads a card.
    pub fn read(path: &Path) -> Result<Self> {
        let text = read_text(path).with_context(|| path.display().to_string())?;
        let read = unsealed_json(&text).and_then(|text| checked_json::<Self>(&text));
        let card = read.map_err(|reason| {
            anyhow!(
                "{} is no card of `svg evaluate`, or was changed: {reason}",
                path.display()
            )
        })?;
        ensure!(
            card.format == FORMAT,
            "{} is of format {}, and this program knows {FORMAT}; use the program that it names, {} {}",
            path.display(),
            card.format,
            card.program,
            card.commit
        );
        Ok(card)
    }

    /// Lines that say which hashes differ from another card's, with names that only one of them has.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let names = self.hashes.keys().chain(other.hashes.keys());
        let names: BTreeSet<_> = names.collect();
        let line = |name: &String| self.difference(name, other.hashes.get(name));
        names.into_iter().filter_map(line).collect()
    }

    /// A line if the hash of this name is another here.
    pub fn difference(&self, name: &String, here: Option<&String>) -> Option<String> {
        let card = self.hashes.get(name);
        let short = |hash: Option<&String>| match hash {
            Some(hash) => hash.chars().take(16).collect(),
            None => "nothing".to_string(),
        };
        (card != here).then(|| {
            format!(
                "{name}: the card has {}, here is {}",
                short(card),
                short(here)
            )
        })
    }
}

impl Checked for Card {
    fn problem(&self) -> Option<String> {
        let figures = self.results.iter().flat_map(|of| &of.figures);
        let mut problems = figures.filter_map(Figure::problem);
        problems.next().or_else(|| {
            let level = self.request.level;
            (!(level > 0.0 && level < 1.0)).then(|| format!("level is {level}"))
        })
    }
}

/// Hashes of the files of the models that are judged.
pub fn model_hashes(request: &Request) -> Result<BTreeMap<String, String>> {
    let folders: Vec<PathBuf> = match &request.samples {
        Samples::Pictures { .. } => Vec::new(),
        Samples::Model { points, .. } => {
            let mut folders: Vec<_> = points.iter().map(|point| point.bundle.clone()).collect();
            folders.dedup();
            folders
        }
        Samples::Reconstructions { bundle } => vec![bundle.clone()],
    };
    let mut hashes = BTreeMap::new();
    for (index, folder) in folders.iter().enumerate() {
        let bundle = Bundle::open_checking(folder)?;
        bundle.check()?;
        let name = match folders.len() {
            1 => "bundle".to_string(),
            _ => format!("bundle {}", index + 1),
        };
        for (part, of) in &bundle.manifest().parts {
            // The name of a file has its hash in it; that of its part says what it is.
            for (file, entry) in &of.files {
                let stem = file.split(['-', '.']).next().unwrap_or(file);
                hashes.insert(format!("{name}/{part}/{stem}"), entry.sha256.clone());
            }
            if let Some(fingerprint) = &of.fingerprint {
                hashes.insert(format!("{name}/{part}"), fingerprint.clone());
            }
        }
    }
    Ok(hashes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::request::tests::request;

    fn card() -> Card {
        let mut card = Card::new("cpu, f32".to_string(), request());
        card.hashes.insert("reference".to_string(), "ab".repeat(32));
        card.results.push(OfSamples {
            samples: "gen".to_string(),
            count: 10,
            figures: vec![Figure::exact("FID", 3.5)],
        });
        card
    }

    #[test]
    fn a_card_is_read_as_it_was_written_and_every_changed_bit_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("card.json");
        card().write(&path).unwrap();
        assert_eq!(Card::read(&path).unwrap(), card());
        let whole = std::fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            std::fs::write(&path, changed).unwrap();
            assert!(Card::read(&path).is_err(), "byte {at}");
        }
    }

    #[test]
    fn the_hash_that_differs_is_named() {
        let mut other = card();
        assert!(card().differences(&other).is_empty());
        other
            .hashes
            .insert("reference".to_string(), "cd".repeat(32));
        let lines = card().differences(&other);
        assert_eq!(lines.len(), 1);
        assert!(
            lines[0].starts_with("reference: the card has abababab"),
            "{lines:?}"
        );
    }

    #[test]
    fn a_figure_that_is_no_number_is_refused() {
        let mut other = card();
        other.results[0].figures[0].value = f64::INFINITY;
        assert!(other.problem().is_some());
    }
}
