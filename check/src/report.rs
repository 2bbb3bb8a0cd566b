//! What was found, written anew after every row, so that nothing is lost when the time is over.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use burn::prelude::*;
use serde::Serialize;
use svg_store::{read_text, write_bytes, write_json};

use crate::support::Times;

/// A golden, and what became of it.
#[derive(Serialize)]
pub struct Compared {
    pub name: &'static str,
    /// The number type of products.
    pub dtype: &'static str,
    /// What differs, if it does.
    pub fault: Option<String>,
    /// The largest difference from the reference that was allowed for, and its bound.
    pub off: Option<[f64; 2]>,
    pub seconds: f64,
}

/// A work, and its times.
#[derive(Serialize)]
pub struct Timed {
    pub name: String,
    pub times: Result<Times, String>,
}

/// All rows.
#[derive(Serialize)]
pub struct Report {
    device: String,
    goldens: Vec<Compared>,
    works: Vec<Timed>,
    notes: Vec<String>,
    faults: usize,
    /// Seconds elsewhere.
    beside: BTreeMap<String, f64>,
    #[serde(skip)]
    out: PathBuf,
}

impl Report {
    pub fn new(device: &Device, out: &Path, beside: Option<&Path>) -> Result<Self> {
        std::fs::create_dir_all(out).with_context(|| out.display().to_string())?;
        let beside = match beside {
            None => BTreeMap::new(),
            Some(file) => {
                let text = read_text(file).with_context(|| file.display().to_string())?;
                serde_json::from_str(&text).with_context(|| file.display().to_string())?
            }
        };
        Ok(Self {
            device: format!("{device:?}"),
            goldens: Vec::new(),
            works: Vec::new(),
            notes: Vec::new(),
            faults: 0,
            beside,
            out: out.to_path_buf(),
        })
    }

    pub fn compared(&mut self, row: Compared) -> Result<()> {
        self.faults += usize::from(row.fault.is_some());
        eprintln!("{}", line(&row));
        self.goldens.push(row);
        self.write()
    }

    pub fn timed(&mut self, name: String, times: Result<Times>) -> Result<()> {
        let times = times.map_err(|error| format!("{error:#}"));
        let row = Timed { name, times };
        eprintln!("{}", self.row(&row));
        self.works.push(row);
        self.write()
    }

    /// Something to know that is no fault.
    pub fn note(&mut self, text: &str) -> Result<()> {
        eprintln!("{text}");
        self.notes.push(text.to_string());
        self.write()
    }

    pub fn fault(&mut self, text: &str) -> Result<()> {
        self.faults += 1;
        self.note(text)
    }

    pub fn is_good(&self) -> bool {
        self.faults == 0
    }

    fn row(&self, Timed { name, times }: &Timed) -> String {
        let times = match times {
            Ok(times) => times,
            Err(error) => return format!("| {name} | {error} | | | | | |"),
        };
        let beside = self.beside.get(name).map(|seconds| {
            let ratio = times.median_s / seconds;
            format!("{:.1} ms, {ratio:.2} of it", seconds * 1e3)
        });
        format!(
            "| {name} | {:.1} ms | {:.1} to {:.1} ms | {:.1} s | {:.2} | {} | {} |",
            times.median_s * 1e3,
            times.min_s * 1e3,
            times.max_s * 1e3,
            times.first_s,
            times.images_per_s,
            times
                .peak_mib
                .map_or("-".to_string(), |mib| format!("{mib:.0}")),
            beside.unwrap_or_else(|| "-".to_string()),
        )
    }

    /// All of it as Markdown.
    pub fn text(&self) -> String {
        let mut text = format!("# {}\n\n", self.device);
        if !self.goldens.is_empty() {
            text += "| Golden | Products | Largest difference | Allowed | Time | |\n|---|---|--:|--:|--:|---|\n";
            self.goldens
                .iter()
                .for_each(|row| text += &(line(row) + "\n"));
            text += "\n";
        }
        if !self.works.is_empty() {
            text += "| Work, images at once, products | Median | From, to | First call | Images/s | MiB | Elsewhere |\n";
            text += "|---|--:|--:|--:|--:|--:|---|\n";
            self.works
                .iter()
                .for_each(|row| text += &(self.row(row) + "\n"));
            text += "\n";
        }
        self.notes
            .iter()
            .for_each(|note| text += &format!("- {note}\n"));
        text
    }

    fn write(&self) -> Result<()> {
        write_bytes(self.out.join("check.md"), self.text())?;
        Ok(write_json(self.out.join("check.json"), self)?)
    }
}

fn line(row: &Compared) -> String {
    let number = |at: usize| {
        row.off
            .map_or("-".to_string(), |off| format!("{:.1e}", off[at]))
    };
    let fault = row.fault.as_ref().and_then(|fault| fault.lines().next());
    format!(
        "| {} | {} | {} | {} | {:.1} s | {} |",
        row.name.replace('_', " "),
        row.dtype,
        number(0),
        number(1),
        row.seconds,
        fault.unwrap_or("holds")
    )
}
