//! `svg cache`: the features of a data set on disk.

use std::ops::ControlFlow;
use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use svg_train::cache::{CacheEvent, CacheInputs, CachePlan, CacheType, Variants, write_cache};

use crate::commands::bundle::BundleOptions;
use crate::commands::checks::check_size;
use crate::commands::outputs::Outputs;
use crate::commands::pictures::ReadingOptions;
use crate::commands::print;
use crate::device::DeviceOptions;
use crate::progress::{image_bar, status};
use crate::ranges::{PIXELS, WORKERS, within};

/// Encode a data set once, to train a flow on it without the encoder
///
/// Writes a folder of shards with the features of every picture, before normalisation, so that `svg stats`
/// may be run anew without a new cache. It can be stopped at any moment: the same command goes on, keeps
/// what is whole, and makes damaged shards anew. The class of a picture is the first folder below PATH, or its
/// label.
#[derive(Args)]
#[command(after_help = "Examples:
  svg cache --bundle svg/ --data imagenet/train --out cache/
  svg cache --bundle svg/ --data train.tar --out cache/ --store f32
  svg cache --bundle svg/ --data imagenet/train --out cache/ --rule reference --crops 4 --seed 1")]
pub struct Cache {
    #[command(flatten)]
    bundle: BundleOptions,
    /// Pictures with classes: folders of classes, archives of such (tar, zip), WebDataset shards, lists with labels
    #[arg(long, required = true, num_args = 1.., value_name = "PATH")]
    data: Vec<PathBuf>,
    /// The folder of the cache
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// The type of the stored numbers: f16 rounds by at most 0.05 %, f32 not at all
    #[arg(long, value_name = "f16|f32", default_value_t)]
    store: CacheType,
    /// How pictures are cut
    #[arg(long, value_enum, default_value_t)]
    rule: Rule,
    /// Crops of each picture, with --rule reference [default: 4]
    #[arg(long, value_name = "N", value_parser = within(1..=1024_u16))]
    crops: Option<u16>,
    /// Seed of the places of the crops, with --rule reference [default: 0]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Side of the square crop in pixels [default: the size that the model was made for]
    #[arg(long, value_name = "PIXELS", value_parser = within(PIXELS))]
    size: Option<u32>,
    /// Pictures of one file
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = within(CachePlan::SHARD_SIZE))]
    shard_size: usize,
    /// Squares that are encoded at once
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..))]
    batch: u16,
    /// Threads that decode pictures; 0 for as many as the machine runs at once
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = within(WORKERS))]
    workers: usize,
    #[command(flatten)]
    reading: ReadingOptions,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Rule {
    /// The centre crop and its mirror image: all that training on pictures would see
    #[default]
    Corrected,
    /// Crops at random places, as the published first stage was trained
    Reference,
}

impl Cache {
    pub fn run(self, device: &DeviceOptions) -> Result<()> {
        let variants = self.variants()?;
        let data = self.reading.open_classes(&self.data)?;
        let outputs = Outputs::default().folder("--out", [&self.out]);
        let outputs = self.bundle.read_by(outputs);
        outputs.pictures("--data", [&*data]).check()?;
        let device = device.open_f32()?;
        let bundle = self.bundle.open()?;
        let features = bundle.features_fingerprint();
        let what = "a picture has no features of its own to keep";
        let space = self.bundle.space_of_single_images(&bundle, what, &device)?;
        let geometry = space.geometry();
        let size = self.size.unwrap_or(geometry.image[0] as u32);
        check_size(size, geometry.patch()[0])?;
        let geometry = geometry.at([size as usize; 2]);
        let shard_size = self.shard_size;
        let plan = CachePlan::new(
            &data, features, geometry, size, variants, self.store, shard_size,
        )?;
        let what = format!("a shard of {shard_size} pictures");
        if let Some(problem) = svg_store::beyond_memory(&what, plan.shard_bytes()) {
            bail!("{problem}; lower --shard-size, --crops or --size");
        }
        let (count, classes, dtype) = (data.len(), plan.classes.len(), plan.dtype);
        let gigabytes = plan.bytes() as f64 / 1e9;
        status!("{count} pictures of {classes} classes, {variants}, in {dtype}: {gigabytes:.2} GB");
        let bar = image_bar(count, "encoding");
        let mut kept = 0;
        let mut watch = |event: CacheEvent| {
            match event {
                CacheEvent::Kept(count) => {
                    kept += count;
                    bar.inc(count as u64);
                }
                CacheEvent::Done(count) => bar.inc(count as u64),
                CacheEvent::Remark(text) => bar.suspend(|| status!("note: {text}")),
            }
            ControlFlow::Continue(())
        };
        let inputs = CacheInputs {
            out: &self.out,
            plan: &plan,
            data,
            space: &*space,
            batch: usize::from(self.batch),
            workers: self.workers,
        };
        let index = write_cache(inputs, &device, &mut watch)?;
        bar.finish_and_clear();
        let Some(index) = index else { return Ok(()) };
        let seconds = bar.elapsed().as_secs_f64();
        let encoded = count - kept;
        let rate = encoded as f64 / seconds;
        status!(
            "{kept} pictures were there, {encoded} encoded in {seconds:.1} s, {rate:.1} pictures/s"
        );
        let bytes: u64 = index.shards.iter().map(|shard| shard.file.bytes).sum();
        let (out, there, shards) = (self.out.display(), index.pictures(), index.shards.len());
        print(&format!(
            "{out}: {there} of {count} pictures in {shards} shards, {bytes} bytes, features {}\n",
            plan.features
        ))
    }

    fn variants(&self) -> Result<Variants> {
        match self.rule {
            Rule::Corrected if self.crops.is_some() || self.seed.is_some() => bail!(
                "--crops and --seed are for --rule reference; the corrected rule has two squares of each \
                 picture, the centre and its mirror image"
            ),
            Rule::Corrected => Ok(Variants::Mirrored),
            Rule::Reference => Ok(Variants::Crops {
                count: usize::from(self.crops.unwrap_or(4)),
                seed: self.seed.unwrap_or(0),
            }),
        }
    }
}
