//! `svg probe`: what features know of classes.

mod source;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use burn::prelude::*;
use clap::Args;
use serde_json::{Value, json};
use svg_eval::{Confusion, LinearProbe, NearestNeighbours};
use svg_store::write_bytes;
use svg_train::data::Fingerprint;

use self::source::{Of, Pool, Source};
use crate::commands::outputs::{Outputs, hold_folder};
use crate::commands::pictures::ReadingOptions;
use crate::commands::{print, word};
use crate::confusion_picture::{save_drawing, save_matrix};
use crate::device::DeviceOptions;
use crate::labelled::Labelled;
use crate::progress::status;
use crate::ranges::{PIXELS, within};

/// Measure what features know of classes, by nearest neighbours and by a linear probe
///
/// Pictures lie in folders that bear the names of their classes. Both probes learn from the features of
/// --train, which stay as they are, and are asked about those of --test: the weighted vote of the nearest
/// neighbours by cosine similarity, and multinomial logistic regression on standardised features, solved to
/// the end. A line is printed for each kind of features. Chance is the share of the class that is asked
/// about most. Several --weights, kinds (--of) and pools may be compared in one call, and --pixels adds
/// the figure that a network has to beat.
///
/// A picture that cannot be read ends the command.
#[derive(Args)]
#[command(after_help = "Examples:
  svg probe --train shapes/train --test shapes/test --pixels
  svg probe --train shapes/train --test shapes/test --weights encoder.safetensors --size 32 \\
      --pool mean,cls --pixels --out probe/
  svg probe --train imagenet/train --test imagenet/val --bundle svg/ --of features,residual --limit 20")]
pub struct Probe {
    /// Pictures to learn from: folders of classes, archives of such (tar, zip), WebDataset shards, lists with labels
    #[arg(long, num_args = 1.., required = true, value_name = "PATH")]
    train: Vec<PathBuf>,
    /// Pictures to be asked about, of the same classes
    #[arg(long, num_args = 1.., required = true, value_name = "PATH")]
    test: Vec<PathBuf>,
    /// Probe the encoder of these weights, in any layout; may be given several times
    #[arg(long, value_name = "FILE")]
    weights: Vec<PathBuf>,
    /// Architecture, where a file of weights does not say it
    #[arg(long, value_name = "NAME", requires = "weights")]
    model: Option<String>,
    /// Which network of the weight file, where it holds several: the names before its tensors, such as ema or
    /// student.backbone [default: averaged weights, where there are any]
    #[arg(long, value_name = "KEY", requires = "weights")]
    weights_key: Option<String>,
    /// Probe the features of this bundle
    #[arg(long, value_name = "FOLDER")]
    bundle: Option<PathBuf>,
    /// The bundle's encoder, where it is no longer at the place that the bundle remembers
    #[arg(long, value_name = "FILE", requires = "bundle")]
    encoder: Option<PathBuf>,
    /// Which numbers of the bundle, one or several
    #[arg(long, value_name = "KIND", requires = "bundle")]
    #[arg(value_delimiter = ',', default_value = "features")]
    of: Vec<Of>,
    /// Probe raw pixels, too, at 32 x 32 unless --size says otherwise
    #[arg(long)]
    pixels: bool,
    /// How the tokens of a picture become one vector, in one way or several
    #[arg(long, value_name = "POOL")]
    #[arg(value_delimiter = ',', default_value = "mean")]
    pool: Vec<Pool>,
    /// Side of the square crop in pixels [default: the bundle's; 256 for other encoders]
    #[arg(long, value_name = "PIXELS", value_parser = within(PIXELS))]
    size: Option<u32>,
    /// Neighbours that vote
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    neighbours: u32,
    /// Temperature of their votes: the lower, the more the nearest count
    #[arg(long, value_name = "T", default_value_t = NearestNeighbours::default().temperature)]
    #[arg(value_parser = within(1e-3..=100.0))]
    temperature: f64,
    /// Decay of the linear probe's weights
    #[arg(long, value_name = "X", default_value_t = 1e-3, value_parser = within(0.0..=1e6))]
    decay: f64,
    /// Pictures that are encoded at once
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..))]
    batch: u16,
    /// Take only the first so many of each class
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// Write pictures of what is taken for what, and probe.json with all counts, into this folder
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    #[command(flatten)]
    reading: ReadingOptions,
}

/// The answers of both probes to the same questions.
struct Probed {
    nearest: Confusion,
    linear: Confusion,
    /// Of the vectors that they were asked about.
    channels: usize,
}

impl Probe {
    pub fn run(self, device: &DeviceOptions) -> Result<()> {
        let limit = self.limit.map(|limit| limit as usize);
        let train = Labelled::open(&self.train, self.reading, limit).context("--train")?;
        let test = Labelled::open(&self.test, self.reading, limit).context("--test")?;
        check_classes(&train.names, &test.names)?;
        // Labels that are numbers make classes of all numbers up to the largest.
        let classes = train.names.len();
        let what = format!("a matrix of {classes} classes");
        let problem = svg_store::beyond_memory(&what, 24.0 * (classes as f64).powi(2));
        if let Some(problem) = problem {
            bail!("{problem}; count labels from 0 without gaps");
        }
        let fingerprints = [Fingerprint::of(&train.set)?, Fingerprint::of(&test.set)?];
        if fingerprints[0] == fingerprints[1] {
            status!(
                "warning: --train and --test seem to be the same pictures, so the figures say how well they \
                 are remembered"
            );
        }
        let outputs = Outputs::default().folder("--out", &self.out);
        let outputs = outputs.reads("--weights", &self.weights);
        let outputs = outputs.bundle("--bundle", &self.bundle);
        let outputs = outputs.reads("--encoder", &self.encoder);
        let outputs = outputs.pictures("--train", [&*train.set]);
        outputs.pictures("--test", [&*test.set]).check()?;
        let held = self.out.as_ref().map(|folder| hold_folder(folder, "--out"));
        let _lock = held.transpose()?;
        let device = device.open_f32()?;
        let sources = Source::all(&self, &device)?;
        let width = sources.iter().map(|source| source.name.len()).max();
        let width = width.unwrap_or(0).max("features".len());
        let nearest = format!("{}-nn", self.neighbours);
        print(&format!(
            "{:<width$}  pool    size  channels  train   test  classes  chance  {nearest:>6}  linear\n",
            "features"
        ))?;
        let mut probes = Vec::new();
        for (number, source) in sources.iter().enumerate() {
            let probed = self.probe(source, &train, &test, &device)?;
            let (name, size) = (&source.name, source.size);
            let pool = source.pool.map_or("-".to_string(), word);
            let (known, asked, classes) = (train.len(), test.len(), train.names.len());
            let (channels, chance) = (probed.channels, probed.nearest.chance());
            let (nearest, linear) = (probed.nearest.accuracy(), probed.linear.accuracy());
            print(&format!(
                "{name:<width$}  {pool:<6}  {size:>4}  {channels:>8}  {known:>5}  {asked:>5}  {classes:>7}  \
                 {chance:.4}  {nearest:.4}  {linear:.4}\n"
            ))?;
            if let Some(folder) = &self.out {
                let suffix = match sources.len() {
                    1 => String::new(),
                    _ => format!("-{}-{}", number + 1, slug(source)),
                };
                probed.save(folder, &suffix, &source.name, &train.names)?;
                probes.push(page(source, &suffix, &probed));
            }
        }
        let Some(folder) = &self.out else {
            return Ok(());
        };
        let [train_print, test_print] = fingerprints;
        let page = json!({
            "command": command(),
            "classes": train.names,
            "train": {"pictures": train.len(), "data": train_print},
            "test": {"pictures": test.len(), "data": test_print},
            "limit": self.limit,
            "neighbours": self.neighbours,
            "temperature": self.temperature,
            "decay": self.decay,
            "probes": probes,
        });
        let text = serde_json::to_string_pretty(&page)? + "\n";
        let path = folder.join("probe.json");
        write_bytes(&path, text)?;
        let path = path.display();
        status!("{path}: counts, and a picture of each probe beside it");
        Ok(())
    }

    fn probe(
        &self,
        source: &Source,
        train: &Labelled,
        test: &Labelled,
        device: &Device,
    ) -> Result<Probed> {
        let encoded = |pictures: &Labelled, side: &str| {
            let (batch, what) = (self.batch.into(), format!("{}, {side}", source.name));
            pictures.pooled(source.size, batch, &what, device, &*source.embedding)
        };
        let (known, asked) = (encoded(train, "train")?, encoded(test, "test")?);
        let ([_, channels], classes) = (known.dims(), train.names.len());
        let neighbours = NearestNeighbours {
            neighbours: self.neighbours as usize,
            temperature: self.temperature,
        };
        let nearest = neighbours.classify(known.clone(), &train.labels, asked.clone());
        let linear = LinearProbe::fit(known, &train.labels, classes, self.decay).classify(asked);
        let confusion = |said: &[usize]| Confusion::new(classes, &test.labels, said);
        Ok(Probed {
            nearest: confusion(&nearest),
            linear: confusion(&linear),
            channels,
        })
    }
}

impl Probed {
    /// The pictures of both probes of a source.
    fn save(&self, folder: &Path, suffix: &str, source: &str, names: &[String]) -> Result<()> {
        for (probe, confusion) in [("knn", &self.nearest), ("linear", &self.linear)] {
            let path = |ending: &str| folder.join(format!("confusion-{probe}{suffix}.{ending}"));
            let accuracy = 100.0 * confusion.accuracy();
            let title = format!("{source}, {probe}: {accuracy:.1} % right");
            save_matrix(&path("png"), confusion, &command().join(" "))?;
            save_drawing(&path("svg"), confusion, names, &title)?;
        }
        Ok(())
    }
}

/// One probed source, for `probe.json`.
fn page(source: &Source, suffix: &str, probed: &Probed) -> Value {
    let of = |probe: &str, confusion: &Confusion| {
        let classes = 0..confusion.classes();
        let row = |truth| classes.clone().map(move |said| confusion.of(truth, said));
        let counts: Vec<Vec<u64>> = classes.clone().map(|truth| row(truth).collect()).collect();
        json!({
            "accuracy": confusion.accuracy(),
            "recall": classes.clone().map(|class| confusion.recall(class)).collect::<Vec<_>>(),
            "confusion": counts,
            "picture": format!("confusion-{probe}{suffix}.png"),
        })
    };
    json!({
        "features": source.name,
        "path": source.path,
        "fingerprint": source.fingerprint,
        "pool": source.pool.map(word),
        "size": source.size,
        "channels": probed.channels,
        "chance": probed.nearest.chance(),
        "knn": of("knn", &probed.nearest),
        "linear": of("linear", &probed.linear),
    })
}

/// Both sides must know the same classes, or their numbers would mean different things.
fn check_classes(train: &[String], test: &[String]) -> Result<()> {
    let (train_side, test_side) = (("--train", train), ("--test", test));
    for ((one, ours), (other, theirs)) in [(train_side, test_side), (test_side, train_side)] {
        if let Some(name) = theirs.iter().find(|name| !ours.contains(name)) {
            bail!(
                "{other} has the class {name}, which {one} lacks; give both a folder for each class, with \
                 the same names"
            );
        }
    }
    if let [name] = train {
        bail!(
            "all pictures are of one class, {name}, so there is nothing to tell apart; give the folder above"
        );
    }
    Ok(())
}

/// What a source is called in the names of files.
fn slug(source: &Source) -> String {
    let name = match source.pool {
        Some(pool) => format!("{} {}", source.name, word(pool)),
        None => source.name.clone(),
    };
    let plain = |c: char| match c.is_ascii_alphanumeric() {
        true => c.to_ascii_lowercase(),
        false => '-',
    };
    name.chars().map(plain).collect()
}

fn command() -> Vec<String> {
    let words = std::env::args_os().map(|word| word.to_string_lossy().into_owned());
    words.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(train: &[&str], test: &[&str], says: &str) {
        let owned = |names: &[&str]| {
            names
                .iter()
                .map(|name| name.to_string())
                .collect::<Vec<_>>()
        };
        let error = check_classes(&owned(train), &owned(test))
            .unwrap_err()
            .to_string();
        assert!(error.contains(says), "{error}");
    }

    #[test]
    fn classes_that_differ_are_named_with_advice() {
        refused(&["cat"], &["cat", "dog"], "--test has the class dog");
        refused(&["cat", "dog"], &["cat"], "--train has the class dog");
        refused(&["cat"], &["cat"], "one class, cat");
        let two = ["cat".to_string(), "dog".to_string()];
        check_classes(&two, &two).unwrap();
    }
}
