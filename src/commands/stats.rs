//! `svg stats`: latent statistics over a data set.

use anyhow::{Context, Result, bail};
use burn::prelude::*;
use clap::Args;
use svg_model::{Accumulator, Bundle, LatentStatistics, StoredLatentStatistics};
use svg_roles::{Draw, LatentSpace};

use crate::commands::bundle::BundleOptions;
use crate::commands::pictures::PictureOptions;
use crate::commands::print;
use crate::device::DeviceOptions;

/// Compute the mean and deviation of every channel of the features and store them with the model
///
/// The flow lives in features that are normalised by these. Sums are kept in f64; the order and size of
/// batches do not matter. Deviations are over n - 1.
///
/// Other commands cannot change the bundle meanwhile, unless this is a dry run; they can use it.
#[derive(Args)]
#[command(after_help = "Examples:
  svg stats --bundle svg/ --images imagenet/train --limit 20000
  svg stats --bundle svg/ --images photos/ --dry-run")]
pub struct Stats {
    #[command(flatten)]
    bundle: BundleOptions,
    #[command(flatten)]
    pictures: PictureOptions,
    /// Print the statistics and leave the bundle as it is
    #[arg(long)]
    dry_run: bool,
}

impl Stats {
    pub fn run(self, device: &DeviceOptions) -> Result<()> {
        let device = device.open_f32()?;
        let mut bundle = self.bundle.open_to_change(self.dry_run)?;
        let what = "its features have no statistics of their own: they change with the batch";
        let space = self.bundle.space_of_single_images(&bundle, what, &device)?;
        let from = self.pictures.reading.names(&self.pictures.images);
        let stored = gather(
            &*space,
            &bundle,
            &self.pictures,
            "gathering",
            &from,
            &device,
        )?;
        let mut text = format!("{}\n", summary(&stored));
        if !self.dry_run {
            bundle.set_latent_statistics(&stored)?;
            let folder = bundle.folder().display();
            text += &format!("{folder}: latents are normalised by these from now on\n");
        }
        print(&text)
    }
}

/// The statistics of the features of pictures, which come `from` somewhere, with a progress bar that says
/// `what`.
pub fn gather(
    space: &dyn LatentSpace,
    bundle: &Bundle,
    pictures: &PictureOptions,
    what: &str,
    from: &str,
    device: &Device,
) -> Result<StoredLatentStatistics> {
    let size = pictures.size_for(space.geometry())?;
    let mut all = Accumulator::new();
    let count = pictures.for_each_batch(size, what, device, |_, images| {
        all.push(space.encode(images, Draw::Mode));
        Ok(())
    })?;
    let statistics = LatentStatistics::of(&all).context("there are too few tokens")?;
    if let Some(channel) = statistics.std.iter().position(|std| *std <= 0.0) {
        bail!("channel {channel} has the same value in all pictures; give more, or others");
    }
    Ok(StoredLatentStatistics {
        statistics,
        features: bundle.features_fingerprint(),
        tokens: all.count(),
        source: format!("{count} images of {size} x {size} from {from}"),
    })
}

/// `392 channels over 5120 tokens: means -1.8 to 3.5, deviations 0.16 to 1.55`
pub fn summary(stored: &StoredLatentStatistics) -> String {
    let range = |values: &[f64]| {
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        format!("{low:.4} to {high:.4}")
    };
    let tokens = match stored.tokens {
        0 => "an unknown number of".to_string(),
        tokens => tokens.to_string(),
    };
    format!(
        "{} channels over {tokens} tokens: means {}, deviations {}",
        stored.statistics.channels(),
        range(&stored.statistics.mean),
        range(&stored.statistics.std)
    )
}
