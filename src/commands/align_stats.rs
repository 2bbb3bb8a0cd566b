//! `svg align-stats`: alignment statistics over a data set.

use anyhow::{Context, Result, bail};
use clap::Args;
use svg_model::{Registry, StoredStatistics, svg};
use svg_residual::{Accumulator, Moments, Statistics};
use svg_train::data::PictureBatch;

use crate::commands::bundle::BundleOptions;
use crate::commands::pictures::PictureOptions;
use crate::commands::print;
use crate::device::DeviceOptions;

/// Compute alignment statistics over images and store them with the model
///
/// The residual is then aligned by these for every image, and an image's features no longer depend on
/// the batch that it comes in. Sums are kept in f64; the order and size of batches do not matter.
///
/// Other commands cannot change the bundle meanwhile, unless this is a dry run; they can use it.
#[derive(Args)]
#[command(after_help = "Examples:
  svg align-stats --bundle svg/ --images imagenet/train --limit 20000
  svg align-stats --bundle svg/ --images photos/ --dry-run")]
pub struct AlignStats {
    #[command(flatten)]
    bundle: BundleOptions,
    #[command(flatten)]
    pictures: PictureOptions,
    /// Print the statistics and leave the bundle as it is
    #[arg(long)]
    dry_run: bool,
}

impl AlignStats {
    pub fn run(self, device: &DeviceOptions) -> Result<()> {
        let device = device.open_f32()?;
        let mut bundle = self.bundle.open_to_change(self.dry_run)?;
        let (registry, options) = (Registry::standard(), self.bundle.options());
        let model = svg::autoencoder(&registry.opening(&bundle, &options, &device))?;
        if model.encoder.residual.is_none() {
            bail!("this model has no residual branch, so there is nothing to align");
        }
        let size = self.pictures.size_for(bundle.geometry()?)?;
        let (mut semantic, mut residual) = (Accumulator::new(), Accumulator::new());
        let gather = |_: PictureBatch, images| {
            let (of_encoder, of_residual) = model.encoder.branches(images);
            semantic.push(of_encoder);
            residual.push(of_residual.context("the residual branch is gone")?);
            Ok(())
        };
        let count = self
            .pictures
            .for_each_batch(size, "gathering", &device, gather)?;
        let moments = |sum: &Accumulator| sum.moments().context("there are too few tokens");
        let statistics = Statistics {
            semantic: moments(&semantic)?,
            residual: moments(&residual)?,
        };
        let branches = [
            ("semantic", statistics.semantic),
            ("residual", statistics.residual),
        ];
        let line =
            |(name, Moments { mean, std })| format!("{name}  mean {mean:+.6}  std {std:.6}\n");
        let table = branches.map(line).concat();
        if self.dry_run {
            return print(&table);
        }
        let from = self.pictures.reading.names(&self.pictures.images);
        let source = format!("{count} images of {size} x {size} from {from}");
        svg::set_alignment_statistics(&mut bundle, &StoredStatistics { statistics, source })?;
        let folder = bundle.folder().display();
        print(&format!("{table}{folder}: aligned by these from now on\n"))
    }
}
