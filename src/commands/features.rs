//! `svg features`: images to DINOv3 tokens.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use burn::prelude::*;
use clap::{Args, ValueEnum};
use svg_dino::{Dino, DinoFile, RopePeriods};
use svg_image::{DecodeOptions, ImageSet, Loader, Orientation, RgbImage, adm_crop};

use crate::commands::checks::{check_output, check_size};
use crate::device::DeviceOptions;
use crate::encoded::Encoded;
use crate::encoder::open_weights;
use crate::progress::image_bar;

/// Encode images with a DINOv3 and write their tokens
///
/// Writes a safetensors file with `patch_tokens [n, tokens, dim]` (row by row), `cls [n, dim]` and
/// `registers [n, 4, dim]`, all after the final norm, in f32. Its metadata holds the names of the
/// images in order, as a JSON list under `paths`.
#[derive(Args)]
#[command(after_help = "\
Examples:
  svg features --weights dinov3-vits16plus/ --images photos/ --out tokens.safetensors
  svg features --weights vits16plus.pth --images a.jpg b.png --out t.safetensors --pca pictures/
  svg features --weights vitb16.safetensors --images val.tar --out t.safetensors --blocks 2,5,8,11")]
pub struct Features {
    /// DINOv3 weights: official .pth, Hugging Face file or folder, timm file
    #[arg(long, value_name = "FILE")]
    weights: PathBuf,
    /// Architecture, where the file does not say it: vits16, vits16plus, vitb16, ...
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Image files, folders (searched recursively) or tar, tar.gz archives
    #[arg(long, num_args = 1.., required = true, value_name = "PATH")]
    images: Vec<PathBuf>,
    /// The safetensors file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Side of the square that images are cropped to, in pixels
    #[arg(long, default_value_t = 256, value_name = "PIXELS")]
    size: u32,
    /// Images that are encoded at once
    #[arg(long, default_value_t = 8, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    batch: u16,
    /// Rounding of the position periods; the default is what the weight file stores
    ///
    /// Official files store them in bfloat16, which is what Meta's code and SVG use; Hugging Face and
    /// timm compute them exactly. Features differ by about 1e-3.
    #[arg(long, value_enum)]
    rope: Option<Rope>,
    /// Also write a picture of each image's features beside it, into this folder
    ///
    /// Red, green and blue are the three main directions of all patch tokens of this run.
    #[arg(long, value_name = "DIR")]
    pca: Option<PathBuf>,
    /// Also write `block_<i>.patch_tokens` for these blocks, counted from 0
    #[arg(long, value_delimiter = ',', value_name = "I,J")]
    blocks: Vec<usize>,
    /// Whether to turn images by their EXIF orientation
    ///
    /// The default is not to, like the Pillow and torchvision pipelines that published weights and
    /// statistics were made with.
    #[arg(long, value_enum, default_value_t)]
    orientation: Turn,
    /// Largest image that is decoded, in pixels; larger ones are refused by their header
    ///
    /// The default is Pillow's limit. Decoding needs about five bytes for each pixel, and images above
    /// 16 million pixels are decoded one at a time.
    #[arg(long, value_name = "N", default_value_t = DecodeOptions::default().max_pixels)]
    max_pixels: u64,
    /// Stop at the first image that cannot be read, instead of skipping it
    #[arg(long)]
    strict: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Rope {
    Exact,
    Bf16,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum Turn {
    #[default]
    Stored,
    Exif,
}

impl Features {
    pub fn run(self, device: &DeviceOptions) -> Result<()> {
        check_output(&self.out, "--out")?;
        if let Some(folder) = &self.pca {
            let failed = || format!("--pca {} cannot be made", folder.display());
            std::fs::create_dir_all(folder).with_context(failed)?;
        }
        let file = self.open_weights()?;
        for note in file.notes() {
            eprintln!("note: {note}");
        }
        check_size(self.size, file.config().patch_size)?;
        let depth = file.config().n_layers;
        if let Some(block) = self.blocks.iter().find(|block| **block >= depth) {
            bail!("--blocks {block}: this model has blocks 0 to {}", depth - 1);
        }
        let mut once = self.blocks.clone();
        once.sort_unstable();
        once.dedup();
        if once.len() < self.blocks.len() {
            bail!("--blocks names a block twice");
        }
        let set = Arc::new(ImageSet::open(&self.images)?);
        let (device, precision) = device.open()?;
        let dino = file.load(&device)?.with_precision(precision);
        let encoded = self.encode(&dino, set, &device)?;
        encoded.save(&self.out, &file, self.pca.as_deref())
    }

    fn open_weights(&self) -> Result<DinoFile> {
        let file = open_weights(&self.weights, self.model.as_deref())?;
        let config = file.config().clone();
        Ok(match self.rope {
            None => file,
            Some(Rope::Exact) => file.with_config(config.with_rope_periods(RopePeriods::Exact)),
            Some(Rope::Bf16) => {
                file.with_config(config.with_rope_periods(RopePeriods::Bf16Rounded))
            }
        })
    }

    fn encode(&self, dino: &Dino, set: Arc<ImageSet>, device: &Device) -> Result<Encoded> {
        let options = DecodeOptions {
            orientation: match self.orientation {
                Turn::Stored => Orientation::AsStored,
                Turn::Exif => Orientation::Exif,
            },
            max_pixels: self.max_pixels,
        };
        let (total, size) = (set.len(), self.size);
        let bar = image_bar(total, "encoding");
        let mut encoded = Encoded::new(&self.blocks, dino, self.pca.is_some());
        let mut batch: Vec<(String, RgbImage)> = Vec::new();
        let mut skipped = 0;
        let loader = Loader::new(set, options, move |image| adm_crop(&image, size), 0);
        for loaded in loader {
            match loaded.image {
                Ok(image) => batch.push((loaded.name, image)),
                Err(error) if self.strict => return Err(error.into()),
                Err(error) => {
                    skipped += 1;
                    bar.suspend(|| eprintln!("skipped: {error}"));
                }
            }
            if batch.len() == usize::from(self.batch) {
                encoded.push(dino, std::mem::take(&mut batch), device)?;
            }
            bar.set_position(loaded.index as u64 + 1);
        }
        if !batch.is_empty() {
            encoded.push(dino, batch, device)?;
        }
        bar.finish_and_clear();
        let seconds = bar.elapsed().as_secs_f64();
        if encoded.len() == 0 {
            bail!("none of the {total} images could be read");
        }
        eprintln!(
            "encoded {} images in {seconds:.1} s, {:.1} images/s",
            encoded.len(),
            encoded.len() as f64 / seconds
        );
        if skipped > 0 {
            eprintln!("warning: skipped {skipped} of {total} images; --strict stops instead");
        }
        Ok(encoded)
    }
}
