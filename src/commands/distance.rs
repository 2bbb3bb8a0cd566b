//! `svg distance`: how far two sets of pictures are apart.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use burn::prelude::*;
use clap::Args;
use svg_eval::{Moments, StoredMoments, frechet_distance};
use svg_image::{ImageSet, Orientation};
use svg_model::{Bundle, ENCODER, Registry};
use svg_roles::Encoder;

use crate::commands::bundle::with_encoder;
use crate::commands::checks::check_size;
use crate::commands::outputs::Outputs;
use crate::commands::pictures::{PictureOptions, ReadingOptions};
use crate::commands::print;
use crate::device::DeviceOptions;
use crate::encoder::{EncoderFile, Hints};
use crate::progress::status;
use crate::ranges::{PIXELS, SOME, within};

/// The kinds of features, by their names in a file of moments.
const KINDS: [(&str, &str); 2] = [("patch", "patch mean"), ("class", "class token")];

/// Measure the Fréchet distance of two sets of images in the frozen encoder's features
///
/// Each image becomes one vector: the mean of its patch tokens, and, as a second number, its class token.
/// This is a metric of this project. It is no FID, which is defined by the features of one Inception
/// network, and compares with nothing but itself: the same encoder, the same size, and as many images.
#[derive(Args)]
#[command(after_help = "Examples:
  svg distance --bundle svg/ --reference imagenet/val --samples samples/
  svg distance --weights vits16plus.pth --reference imagenet/val --save-reference val.safetensors \\
      --samples samples/
  svg distance --weights vits16plus.pth --reference-moments val.safetensors --samples samples/")]
pub struct Distance {
    /// Take the encoder of this bundle
    #[arg(long, value_name = "FOLDER")]
    #[arg(required_unless_present = "weights", conflicts_with = "weights")]
    bundle: Option<PathBuf>,
    /// The encoder's weights, where they are no longer at the place that the bundle remembers
    #[arg(long, value_name = "FILE", conflicts_with = "weights")]
    encoder: Option<PathBuf>,
    /// Take the encoder of these weights, in any layout
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// Its architecture, where the file does not say it
    #[arg(long, value_name = "NAME", requires = "weights")]
    model: Option<String>,
    /// Which network of the weight file, where it holds several: the names before its tensors, such as ema or
    /// student.backbone [default: averaged weights, where there are any]
    #[arg(long, value_name = "KEY", requires = "weights")]
    weights_key: Option<String>,
    /// The images to compare with: files, folders, archives (tar, zip), lists
    #[arg(
        long,
        num_args = 1..,
        value_name = "PATH",
        required_unless_present = "reference_moments",
        conflicts_with = "reference_moments"
    )]
    reference: Vec<PathBuf>,
    /// Their moments, which --save-reference has kept, instead
    #[arg(long, value_name = "FILE")]
    reference_moments: Option<PathBuf>,
    /// Keep the moments of the reference for the next time
    #[arg(long, value_name = "FILE", conflicts_with = "reference_moments")]
    save_reference: Option<PathBuf>,
    /// The images to judge
    #[arg(long, num_args = 1.., required = true, value_name = "PATH")]
    samples: Vec<PathBuf>,
    /// Side of the square crop in pixels [default: the bundle's, or 256]
    #[arg(long, value_name = "PIXELS", value_parser = within(PIXELS))]
    size: Option<u32>,
    /// Images that are encoded at once
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..))]
    batch: u16,
    /// Take only so many of each side, evenly spread over all
    #[arg(long, value_name = "N", value_parser = within(SOME))]
    limit: Option<usize>,
    /// Stop at the first image that cannot be read, or at links that lead to nothing, instead of skipping them
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    reading: ReadingOptions,
}

impl Distance {
    pub fn run(self, device: &DeviceOptions) -> Result<()> {
        let open = |paths: &[PathBuf]| self.reading.open_set(paths);
        let [reference, samples] = [&self.reference, &self.samples];
        let known = (!reference.is_empty())
            .then(|| open(reference))
            .transpose()?;
        let asked = open(samples)?;
        let outputs = Outputs::default().file("--save-reference", &self.save_reference);
        let outputs = outputs.reads("--weights", &self.weights);
        let outputs = outputs.bundle("--bundle", &self.bundle);
        let outputs = outputs.reads("--encoder", &self.encoder);
        let outputs = outputs.pictures("--reference", known.as_deref());
        outputs.pictures("--samples", [&*asked]).check()?;
        let kept = self.reference_moments.as_deref();
        let kept = kept.map(StoredMoments::load).transpose()?;
        let device = device.open_f32()?;
        let (encoder, fingerprint, usual) = self.open_encoder(&device)?;
        let size = self.size.unwrap_or(usual);
        check_size(size, encoder.spec().patch_size)?;
        let mut features = format!("encoder {fingerprint}, crops of {size} x {size}");
        if self.reading.orientation == Orientation::Exif {
            features += ", --orientation exif";
        }
        let gather = |set: Arc<ImageSet>, paths: &[PathBuf], what: &str| {
            let pictures = PictureOptions {
                images: paths.to_vec(),
                batch: self.batch,
                limit: self.limit,
                strict: self.strict,
                reading: self.reading,
                ..PictureOptions::default()
            };
            let [mut patch, mut class] = [Moments::new(), Moments::new()];
            pictures.for_each_batch_of(set, size, what, &device, |_, images| {
                let tokens = encoder.tokens(images);
                patch.push(tokens.patches.mean_dim(1).squeeze_dim::<2>(1)); // [batch, channels]
                class.push(tokens.summary.context("the encoder has no class token")?);
                Ok(())
            })?;
            let kinds = KINDS.map(|(kind, _)| kind.to_string());
            anyhow::Ok(StoredMoments {
                kinds: BTreeMap::from_iter(kinds.into_iter().zip([patch, class])),
                features: features.clone(),
                source: self.reading.names(paths),
            })
        };
        let reference = match (kept, known) {
            (Some(kept), _) if kept.features != features => bail!(
                "the moments of the reference are of {}, and this is {features}; compute them again with \
                 --reference and --save-reference",
                kept.features
            ),
            (Some(kept), _) => kept,
            (None, Some(known)) => gather(known, reference, "reference")?,
            (None, None) => {
                bail!("name pictures by --reference, or their moments by --reference-moments")
            }
        };
        if let Some(file) = &self.save_reference {
            reference.save(file)?;
        }
        let samples = gather(asked, samples, "samples")?;
        print(&report(&reference, &samples)?)?;
        status!("note: this is a metric of this project and no FID; it compares only with itself");
        for (side, stored) in [("reference", &reference), ("samples", &samples)] {
            if let Some(few) = stored.kinds.values().find(|moments| !moments.is_enough()) {
                status!(
                    "warning: the {side} has {} images for features of {} channels, so its covariance is not \
                     of full rank and the distance is far too large; take many times as many images as channels",
                    few.count().unwrap_or_default(),
                    few.channels()
                );
            }
        }
        Ok(())
    }

    /// The encoder, and the usual side of its images.
    fn open_encoder(&self, device: &Device) -> Result<(Arc<dyn Encoder>, String, u32)> {
        let Some(folder) = &self.bundle else {
            let Some(weights) = &self.weights else {
                bail!("name an encoder by --bundle or --weights");
            };
            let hints = Hints {
                model: self.model.as_deref(),
                key: self.weights_key.as_deref(),
            };
            let file = EncoderFile::open(weights, hints, device)?;
            return Ok((file.encoder, file.part.fingerprint, 256));
        };
        let bundle = Bundle::open(folder)?;
        let options = with_encoder(self.encoder.as_deref());
        let encoder = Registry::standard().encoder(&bundle, &options, device)?;
        let fingerprint = bundle.part(ENCODER)?.fingerprint.clone();
        let side = bundle.geometry()?.image[0] as u32;
        Ok((encoder, fingerprint.unwrap_or_default(), side))
    }
}

fn report(reference: &StoredMoments, samples: &StoredMoments) -> Result<String> {
    let mut text = format!("Fréchet distance (no FID), {}\n", samples.features);
    for (side, stored) in [("reference", reference), ("samples", samples)] {
        let count = stored.kinds.values().filter_map(Moments::count).max();
        let count = count.map_or("an unknown number of".to_string(), |count| {
            count.to_string()
        });
        writeln!(text, "{side:<12} {count} images, {}", stored.source)?;
    }
    for (kind, name) in KINDS {
        let sides = (reference.kinds.get(kind), samples.kinds.get(kind));
        let (Some(reference), Some(samples)) = sides else {
            bail!("the moments of the reference lack {kind}; compute them again");
        };
        let distance = frechet_distance(reference, samples)?;
        writeln!(text, "{name:<12} {distance:.6}")?;
    }
    Ok(text)
}
