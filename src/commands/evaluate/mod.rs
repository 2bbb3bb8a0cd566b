//! `svg evaluate`: figures of samples, by the rules of a named protocol.

pub mod options;
pub mod table;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Result, bail, ensure};
use clap::Args;

use crate::commands::evaluate::options::{GridOptions, JudgingOptions};
use crate::commands::evaluate::table::table;
use crate::commands::outputs::{Outputs, hold_folder};
use crate::commands::print;
use crate::device::DeviceOptions;
use crate::evaluation::page;
use crate::evaluation::parts::{PARTS, remove_parts};
use crate::evaluation::request::Samples;
use crate::evaluation::run::Evaluated;
use crate::evaluation::side::Side;
use crate::memory::peak_bytes;
use crate::progress::status;
use crate::ranges::{SOME, within};

/// Measure how good samples are: FID and its relatives, by the rules of a named protocol, with intervals
///
/// Judges pictures (--samples), or makes samples of a model and judges them (--bundle), or judges what a model makes of
/// the reference (--bundle with --reconstructions). The same name of a metric means different numbers in different
/// tools, so every figure stands under its protocol. With --out a folder receives a page (report.html), a card
/// (card.json), which `svg verify` repeats, and features while they are gathered, from which the same command goes on.
#[derive(Args)]
#[command(after_help = "Examples:
  svg evaluate --bundle demo/bundle --reference demo/data/train --steps 1,2,5,10,25 --out evaluation/
  svg evaluate --protocol adm --inception pt_inception-2015-12-05-6726825d.pth \\
      --reference VIRTUAL_imagenet256_labeled.npz --samples samples.npz --out adm/
  svg evaluate --protocol svg --inception pt_inception-2015-12-05-6726825d.pth \\
      --reference VIRTUAL_imagenet256_labeled.npz --bundle svg/ --count 50000 --steps 25 --guidance 1.5
  svg evaluate --protocol rae --inception pt_inception-2015-12-05-6726825d.pth \\
      --reference imagenet/val --bundle svg/ --reconstructions
  svg evaluate --weights vits16plus.pth --samples samples/ --shard 0/4 --save-samples part-0.safetensors
  svg evaluate --weights vits16plus.pth --reference val.safetensors --samples part-0.safetensors part-1.safetensors")]
pub struct Evaluate {
    /// Pictures to judge: files, folders, archives, an .npz with arr_0, or features of --save-samples
    #[arg(long, num_args = 1.., value_name = "PATH")]
    samples: Vec<PathBuf>,
    /// Take only so many of them, evenly spread over all
    #[arg(long, value_name = "N", value_parser = within(SOME), requires = "samples")]
    limit: Option<usize>,
    /// Make samples of this model and judge them; nothing but features is kept of them
    #[arg(long, value_name = "FOLDER", conflicts_with = "samples")]
    bundle: Option<PathBuf>,
    /// Judge the pictures of the reference after the model has encoded and decoded them
    #[arg(long, requires = "bundle")]
    reconstructions: bool,
    #[command(flatten)]
    judging: JudgingOptions,
    #[command(flatten)]
    grid: GridOptions,
    /// A folder for the page and the card, and for features while they are gathered
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Write the card alone
    #[arg(long, value_name = "FILE.json")]
    card: Option<PathBuf>,
    /// Keep the features of the reference: .npz with mu and sigma as other tools read them, or .safetensors with all
    #[arg(long, value_name = "FILE")]
    save_reference: Option<PathBuf>,
    /// Keep the features of the samples likewise
    #[arg(long, value_name = "FILE", requires = "samples")]
    save_samples: Option<PathBuf>,
    /// Gather features of one part of the samples alone, as in 0/4 to 3/4, and keep them by --save-samples
    #[arg(long, value_name = "I/N", requires = "save_samples", value_parser = shard)]
    shard: Option<(usize, usize)>,
}

impl Evaluate {
    pub fn run(self, device: &DeviceOptions) -> Result<()> {
        let (start, judging) = (Instant::now(), &self.judging);
        let outputs = Outputs::default().file("--card", &self.card);
        let outputs = outputs.file("--save-reference", &self.save_reference);
        let outputs = outputs.file("--save-samples", &self.save_samples);
        let outputs = outputs.folder("--out", &self.out);
        let outputs = outputs.searched("--samples", &self.samples);
        let outputs = outputs.bundle("--bundle", &self.bundle);
        judging.read_by(outputs).check()?;
        let out = self.out.as_ref();
        let _lock = out.map(|out| hold_folder(out, "--out")).transpose()?;
        let parts = self.out.as_ref().map(|out| out.join(PARTS));
        let machine = judging.machine(device, parts.clone())?;
        let request = judging.request(self.asked(device)?, self.grid.seed);
        if let (Some(shard), Some(file)) = (self.shard, &self.save_samples) {
            let (paths, limit) = (&self.samples, self.limit);
            let side = machine.gather_alone(&request, paths, limit, shard, "samples")?;
            return keep(&side, file, "samples");
        }
        if judging.reference.is_empty() {
            let Some(file) = &self.save_samples else {
                bail!(
                    "name what to compare with by --reference: pictures, published statistics (.npz), or features of \
                     --save-reference"
                );
            };
            let (paths, limit) = (&self.samples, self.limit);
            let side = machine.gather_alone(&request, paths, limit, (0, 1), "samples")?;
            return keep(&side, file, "samples");
        }
        let Evaluated {
            card,
            session,
            last,
        } = &machine.run(&request)?;
        if let Some(file) = &self.save_reference {
            keep(&session.reference, file, "the reference")?;
        }
        if let Some(file) = &self.save_samples {
            keep(&last.side, file, "the samples")?;
        }
        print(&table(card))?;
        if judging.protocol.own {
            status!(
                "note: these are this project's own figures; they compare with nothing but themselves"
            );
        }
        if let Some(file) = &self.card {
            card.write(file)?;
        }
        if let Some(out) = &self.out {
            card.write(&out.join("card.json"))?;
            let page = out.join("report.html");
            page::write(card, Some((session, last)), &page)?;
            remove_parts(&out.join(PARTS));
            status!(
                "{} shows them, and {} proves them",
                page.display(),
                out.join("card.json").display()
            );
        }
        let seconds = start.elapsed().as_secs_f64();
        match peak_bytes() {
            Some(bytes) => status!(
                "{seconds:.1} s, at most {:.2} GB of memory",
                bytes as f64 / 1e9
            ),
            None => status!("{seconds:.1} s"),
        }
        Ok(())
    }

    /// What is judged.
    fn asked(&self, device: &DeviceOptions) -> Result<Samples> {
        let Some(bundle) = &self.bundle else {
            ensure!(
                !self.samples.is_empty(),
                "name what to judge: pictures by --samples, or a model by --bundle"
            );
            return Ok(Samples::Pictures {
                paths: self.samples.clone(),
                limit: self.limit,
            });
        };
        if self.reconstructions {
            return Ok(Samples::Reconstructions {
                bundle: bundle.clone(),
            });
        }
        let points = self.grid.points(std::slice::from_ref(bundle), &[25])?;
        Ok(self
            .grid
            .samples(points, &self.judging.protocol, device.dtype()))
    }
}

/// Writes features, or their statistics, by the ending of the file.
fn keep(side: &Side, file: &std::path::Path, what: &str) -> Result<()> {
    match file.extension().and_then(|ending| ending.to_str()) {
        Some("npz") => side.save_statistics(file)?,
        Some("safetensors") => side.save(file)?,
        _ => bail!(
            "{}: features of {what} are kept in a .safetensors file, their statistics in an .npz file",
            file.display()
        ),
    }
    status!("{}: features of {what}", file.display());
    Ok(())
}

/// `0/4`: the first of four parts.
fn shard(text: &str) -> Result<(usize, usize), String> {
    let parts = text.split_once('/');
    let parts = parts.and_then(|(index, of)| Some((index.parse().ok()?, of.parse().ok()?)));
    parts
        .filter(|(index, of)| index < of)
        .ok_or_else(|| "expected a part and a number of parts, as in 0/4 to 3/4".to_string())
}
