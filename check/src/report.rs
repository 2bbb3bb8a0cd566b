//! What was found, written anew after every row, so that nothing is lost when the time is over.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use burn::prelude::*;
use serde::{Deserialize, Serialize};
use svg_store::{read_text, write_bytes, write_json};

use crate::Options;
use crate::parts::Part;
use crate::support::Times;

/// A golden, and what became of it.
#[derive(Serialize, Deserialize)]
pub struct Compared {
    pub name: String,
    /// The number type of products.
    pub dtype: String,
    /// What differs, if it does.
    pub fault: Option<String>,
    /// The largest difference from the reference that was allowed for, and its bound.
    pub off: Option<[f64; 2]>,
    pub seconds: f64,
}

/// A work, and its times.
#[derive(Serialize, Deserialize)]
pub struct Timed {
    pub name: String,
    pub times: Result<Times, String>,
}

/// All rows.
#[derive(Default, Serialize, Deserialize)]
pub struct Found {
    pub device: String,
    pub goldens: Vec<Compared>,
    pub works: Vec<Timed>,
    pub notes: Vec<String>,
    pub faults: usize,
    /// Seconds elsewhere.
    pub beside: BTreeMap<String, f64>,
    /// What a part is in the middle of.
    pub doing: Option<String>,
}

impl Found {
    /// What a part has written.
    pub fn read(file: &Path) -> Option<Self> {
        serde_json::from_str(&read_text(file).ok()?).ok()
    }

    /// The rows of another part behind these.
    pub fn append(&mut self, mut other: Self) {
        if !other.device.is_empty() {
            self.device = other.device;
        }
        self.goldens.append(&mut other.goldens);
        self.works.append(&mut other.works);
        self.notes.append(&mut other.notes);
        self.faults += other.faults;
        self.beside.append(&mut other.beside);
    }

    pub fn is_good(&self) -> bool {
        self.faults == 0
    }

    /// `check.md` and `check.json` in a folder.
    pub fn write(&self, out: &Path) -> Result<()> {
        write_bytes(out.join("check.md"), self.text())?;
        Ok(write_json(out.join("check.json"), self)?)
    }

    /// All of it as Markdown.
    pub fn text(&self) -> String {
        let mut text = format!("# svg-check on {}\n\n", self.device);
        text += match self.faults {
            0 => "No fault was found.\n\n",
            _ => "**Something differs from what it should be; see below.**\n\n",
        };
        if !self.goldens.is_empty() {
            text += "Equality with the recorded outputs of PyTorch:\n\n";
            text += "| Golden | Products in | Largest difference | Allowed | Time | |\n|---|---|--:|--:|--:|---|\n";
            self.goldens
                .iter()
                .for_each(|row| text += &(line(row) + "\n"));
            text += "\n";
        }
        if !self.works.is_empty() {
            let elsewhere = if self.beside.is_empty() {
                ""
            } else {
                " Elsewhere |"
            };
            let rule = if self.beside.is_empty() { "" } else { "---|" };
            text += "Times, with random weights of the released sizes:\n\n";
            text += &format!(
                "| Work, images at once, products in | Median | From, to | First call | Images/s | Memory, MiB |{elsewhere}\n\
                 |---|--:|--:|--:|--:|--:|{rule}\n"
            );
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

    fn row(&self, Timed { name, times }: &Timed) -> String {
        let times = match times {
            Ok(times) => times,
            Err(error) => return format!("| {name} | {} | | | | |", one_line(error)),
        };
        let beside = self.beside.get(name).map(|seconds| {
            let ratio = times.median_s / seconds;
            format!(" {:.1} ms, {ratio:.2} of it |", seconds * 1e3)
        });
        let without = if self.beside.is_empty() { "" } else { " - |" };
        format!(
            "| {name} | {:.1} ms | {:.1} to {:.1} ms | {:.1} s | {:.2} | {} |{}",
            times.median_s * 1e3,
            times.min_s * 1e3,
            times.max_s * 1e3,
            times.first_s,
            times.images_per_s,
            times
                .peak_mib
                .map_or("-".to_string(), |mib| format!("{mib:.0}")),
            beside.unwrap_or_else(|| without.to_string()),
        )
    }
}

/// The rows of one part, and the file in which they are.
pub struct Report {
    found: Found,
    file: PathBuf,
}

impl Report {
    pub fn new(part: Part, device: &Device, options: &Options) -> Result<Self> {
        let beside = match &options.beside {
            None => BTreeMap::new(),
            Some(file) => {
                let text = read_text(file).with_context(|| file.display().to_string())?;
                serde_json::from_str(&text).with_context(|| file.display().to_string())?
            }
        };
        let found = Found {
            device: format!("{device:?}"),
            beside,
            ..Found::default()
        };
        let file = options.out.join(part.file());
        Ok(Self { found, file })
    }

    /// What comes next; a card that it holds up is known by it.
    pub fn doing(&mut self, what: &str) -> Result<()> {
        self.found.doing = Some(what.to_string());
        self.write()
    }

    pub fn compared(&mut self, row: Compared) -> Result<()> {
        self.found.faults += usize::from(row.fault.is_some());
        eprintln!("{}", line(&row));
        self.found.goldens.push(row);
        self.write()
    }

    pub fn timed(&mut self, name: String, times: Result<Times>) -> Result<()> {
        let times = times.map_err(|error| format!("{error:#}"));
        self.found.faults += usize::from(times.is_err());
        let row = Timed { name, times };
        eprintln!("{}", self.found.row(&row));
        self.found.works.push(row);
        self.write()
    }

    /// Something to know that is no fault.
    pub fn note(&mut self, text: &str) -> Result<()> {
        eprintln!("{text}");
        self.found.notes.push(text.to_string());
        self.write()
    }

    pub fn fault(&mut self, text: &str) -> Result<()> {
        self.found.faults += 1;
        self.note(text)
    }

    /// The last line of a part.
    pub fn ended(&mut self, text: &str) -> Result<()> {
        self.found.doing = None;
        self.note(text)
    }

    fn write(&self) -> Result<()> {
        Ok(write_json(&self.file, &self.found)?)
    }
}

fn one_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

fn line(row: &Compared) -> String {
    let number = |at: usize| {
        row.off
            .map_or("-".to_string(), |off| format!("{:.1e}", off[at]))
    };
    format!(
        "| {} | {} | {} | {} | {:.1} s | {} |",
        row.name.replace('_', " "),
        row.dtype,
        number(0),
        number(1),
        row.seconds,
        row.fault.as_deref().map_or("holds", one_line)
    )
}
