//! `svg info`: what a file or folder is, and whether it is whole.

mod arrays;
mod bundle;
mod document;
mod folder;
mod kind;
mod numbers;
mod vae;
mod weights;

use std::fmt::{Display, Write as _};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use svg_image::{DecodeOptions, ImageSet, read_image};
use svg_nn::StoredTensor;
use svg_store::{printable, printable_path};

use crate::causes::in_words;
use crate::commands::print;
use crate::device::DeviceOptions;
use crate::encoder::Hints;

/// Say what a file or folder is, and what is wrong with it
///
/// Knows weights (DINOv3, autoencoders, velocity networks, VGG16), bundles and each of their files, caches,
/// runs and their checkpoints, configurations, features, statistics, noise, arrays of NumPy, pictures and sets of
/// pictures.
/// Every number is read; with --brief only headers are. Ends with a failure if something has a problem.
#[derive(Args)]
#[command(after_help = "Examples:
  svg info dinov3_vits16plus_pretrain_lvd1689m-4057cbaa.pth
  svg info --brief dinov3-vit7b16/ svg_autoencoder.ckpt
  svg info run/ cache/ tokens.safetensors")]
pub struct Info {
    /// Files and folders
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Architecture, where the file does not say it: vits16, vits16plus, vitb16, ...
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Which network of the weight file, where it holds several: the names before its tensors, such as ema or
    /// student.backbone [default: averaged weights, where there are any]
    #[arg(long, value_name = "KEY")]
    weights_key: Option<String>,
    /// Read headers only, and leave out the table of tensors
    #[arg(long)]
    brief: bool,
}

/// One look at a file or folder.
pub struct Look<'a> {
    /// What the file may not say.
    hints: Hints<'a>,
    /// Headers only.
    brief: bool,
    device: &'a DeviceOptions,
    /// What is to be printed.
    text: String,
}

impl Info {
    pub fn run(self, device: &DeviceOptions) -> Result<()> {
        let mut problems = 0;
        for (index, path) in self.files.iter().enumerate() {
            let mut look = Look {
                hints: Hints {
                    model: self.model.as_deref(),
                    key: self.weights_key.as_deref(),
                },
                brief: self.brief,
                device,
                text: String::from(if index > 0 { "\n" } else { "" }),
            };
            writeln!(look.text, "{}", printable_path(path))?;
            if let Err(error) = describe(path, &mut look) {
                writeln!(look.text, "problem: {}", in_words(&error))?;
                problems += 1;
            }
            print(&look.text)?;
        }
        match problems {
            0 => Ok(()),
            _ => bail!("{problems} of {} files have problems", self.files.len()),
        }
    }
}

impl Look<'_> {
    /// Adds a line.
    fn row(&mut self, label: &str, value: impl Display) -> Result<()> {
        let value = value.to_string();
        Ok(writeln!(self.text, "  {label:<13} {}", printable(&value))?)
    }
}

fn describe(path: &Path, look: &mut Look) -> Result<()> {
    if path.is_dir() {
        return folder::describe(path, look);
    }
    let journal = PathBuf::from(format!("{}.json", path.display()));
    if path.extension().is_some_and(|ending| ending == "partial") && journal.is_file() {
        return document::describe(&journal, look);
    }
    if let Some(what) = by_name(path).filter(|_| path.is_file()) {
        look.row("holds", what)?;
        return look.row("problems", "none looked for");
    }
    if path.extension().is_some_and(|ending| ending == "bpk") {
        return folder::record(path, look);
    }
    let mut start = Vec::new();
    let file = svg_store::open_file(path);
    let read = file.and_then(|file| file.take(16).read_to_end(&mut start));
    read.with_context(|| path.display().to_string())?;
    if arrays::are_arrays(path, &start) {
        return arrays::describe(path, look);
    }
    if document::is_document(&start) {
        return document::describe(path, look);
    }
    if is_picture(&start) {
        let picture = read_image(path, &DecodeOptions::default())?;
        let (width, height) = picture.dimensions();
        look.row("picture", format!("{width} x {height} pixels"))?;
        return look.row("problems", "none; it was decoded");
    }
    match weights::describe(path, look) {
        // The reason why it is no set is of use for what looks like one only.
        Err(_) if is_set(path) => pictures(path, look),
        other => other,
    }
}

/// What a file is that this program writes for people and other programs, by its name.
fn by_name(path: &Path) -> Option<&'static str> {
    let name = path.file_name()?.to_str()?;
    let known = [
        ("steps.csv", "the table of a training, for `svg plot`"),
        ("probe.json", "accuracies of `svg probe`"),
        ("dataset.json", "the parameters of `svg dataset shapes`"),
        ("demo.json", "the plan of `svg demo`"),
        ("measurements.json", "what `svg demo` has measured"),
        ("timings.json", "what the phases of `svg demo` took"),
    ];
    let known = known.into_iter().find(|(known, _)| *known == name);
    known.map(|(_, what)| what).or_else(|| match name {
        _ if name.starts_with("events.out.tfevents") => {
            Some("events of a training, for TensorBoard")
        }
        _ if name.ends_with(".svg") => Some("a chart"),
        _ if name.ends_with(".html") => Some("a page, for a browser"),
        _ => None,
    })
}

/// Whether a file begins as PNG, JPEG, GIF, WebP, BMP, TIFF or PNM.
fn is_picture(start: &[u8]) -> bool {
    let begins: [&[u8]; 8] = [
        b"\x89PNG",
        b"\xff\xd8\xff",
        b"GIF8",
        b"RIFF",
        b"BM",
        b"II*\0",
        b"MM\0*",
        b"II+\0",
    ];
    let is_pnm = matches!(start, [b'P', b'1'..=b'6', b' ' | b'\n' | b'\r' | b'\t', ..]);
    is_pnm || begins.iter().any(|begin| start.starts_with(begin))
}

/// Whether a file has the name of a list or an archive of pictures.
fn is_set(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str());
    let known = [
        "txt", "csv", "jsonl", "tar", "tgz", "gz", "zip", "zst", "parquet",
    ];
    ending.is_some_and(|ending| known.contains(&ending.to_ascii_lowercase().as_str()))
}

/// Pictures in a folder, an archive or a list.
fn pictures(path: &Path, look: &mut Look) -> Result<()> {
    let set = ImageSet::open(&[path.to_path_buf()])?;
    let classes = (0..set.len()).filter_map(|index| set.class_name(index));
    let classes: std::collections::BTreeSet<_> = classes.collect();
    look.row("pictures", grouped(set.len()))?;
    look.row("folders", format!("{} with pictures", classes.len()))?;
    look.row("first", set.name(0))?;
    look.row(
        "problems",
        "none in the listing; pictures are not decoded here",
    )
}

fn count<'a>(tensors: impl IntoIterator<Item = &'a StoredTensor>) -> usize {
    let tensors = tensors.into_iter();
    tensors.map(|tensor| tensor.shape.num_elements()).sum()
}

/// `28,697,472`
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let groups = digits.as_bytes().rchunks(3).rev();
    let groups: Vec<_> = groups.map(String::from_utf8_lossy).collect();
    groups.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!(grouped(7), "7");
        assert_eq!(grouped(1000), "1,000");
        assert_eq!(grouped(28_697_472), "28,697,472");
    }
}
