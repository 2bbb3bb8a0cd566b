//! `svg features`: images to tokens of a frozen encoder.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use svg_dino::RopePeriods;
use svg_image::{DecodeOptions, ImageSet, Loader, RgbImage, adm_crop};
use svg_store::{RowReader, RowTensor};

use crate::any_weights::{AnyWeights, Sizes};
use crate::commands::checks::check_size;
use crate::commands::decode::file_name;
use crate::commands::outputs::{Outputs, hold_folder};
use crate::commands::pictures::{PictureOptions, ReadingOptions};
use crate::commands::print;
use crate::commands::saved::Saved;
use crate::device::DeviceOptions;
use crate::encoder::{Hints, say};
use crate::interrupt::Interrupt;
use crate::pca::{Pca, beside};
use crate::progress::image_bar;
use crate::ranges::{PIXELS, SOME, within};
use crate::streamed::{Streamed, f32s, on_host, row_tensor};

/// Encode images with a frozen encoder and write their tokens
///
/// The encoder is a DINOv3, DINOv2, MAE, SigLIP or CLIP. Writes a safetensors file with `patch_tokens [n, tokens, dim]`
/// (row by row), `cls [n, dim]` (of SigLIP: what its head pools) and `registers [n, 4, dim]`, all after the final norm,
/// in f32. Its metadata holds the names of the
/// images in order, as a JSON list under `paths`. The file is written as the work goes: memory holds one
/// batch, and after a kill or Ctrl-C the same command goes on with `FILE.partial`, to the same bytes.
#[derive(Args)]
#[command(after_help = "Examples:
  svg features --weights dinov3-vits16plus/ --images photos/ --out tokens.safetensors
  svg features --weights vits16plus.pth --images a.jpg b.png --out t.safetensors --pca pictures/
  svg features --weights vitb16.safetensors --images val.tar --out t.safetensors --blocks 2,5,8,11
  svg features --weights dinov2_vits14_pretrain.pth --size 224 --images photos/ --out t.safetensors")]
pub struct Features {
    /// Weights of the encoder: official .pth, Hugging Face file or folder, timm file
    #[arg(long, value_name = "FILE")]
    weights: PathBuf,
    /// Architecture, where the file does not say it: vits16plus, dinov2-vitb14, clip-vitb16, ...
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Which network of the weight file, where it holds several: the names before its tensors, such as ema or
    /// student.backbone [default: averaged weights, where there are any]
    #[arg(long, value_name = "KEY")]
    weights_key: Option<String>,
    /// Pictures: files, folders (searched recursively), archives (tar, zip), lists (text, CSV, JSON lines)
    #[arg(long, num_args = 1.., required = true, value_name = "PATH")]
    images: Vec<PathBuf>,
    /// The safetensors file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Side of the square that images are cropped to, in pixels
    #[arg(long, default_value_t = 256, value_name = "PIXELS", value_parser = within(PIXELS))]
    size: u32,
    /// Images that are encoded at once
    #[arg(long, default_value_t = 8, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    batch: u16,
    /// Encode only so many images, evenly spread over all
    #[arg(long, value_name = "N", value_parser = within(SOME))]
    limit: Option<usize>,
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
    #[command(flatten)]
    reading: ReadingOptions,
    /// Largest image that is decoded, in pixels; larger ones are refused by their header
    ///
    /// The default is Pillow's limit. Decoding needs about five bytes for each pixel, and images above
    /// 16 million pixels are decoded one at a time.
    #[arg(long, value_name = "N", default_value_t = DecodeOptions::default().max_pixels)]
    #[arg(value_parser = within(1..=1_000_000_000_000_u64))]
    max_pixels: u64,
    /// Stop at the first image that cannot be read, or at links that lead to nothing, instead of skipping them
    #[arg(long)]
    strict: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Rope {
    Exact,
    Bf16,
}

impl Features {
    pub fn run(self, device: &DeviceOptions) -> Result<()> {
        let reading = ReadingOptions {
            max_pixels: Some(self.max_pixels),
            ..self.reading
        };
        let set = reading.open_set(&self.images)?;
        let outputs = Outputs::default().file("--out", [&self.out]);
        let outputs = outputs.folder("--pca", &self.pca);
        let outputs = outputs.reads("--weights", [&self.weights]);
        outputs.pictures("--images", [&*set]).check()?;
        let hints = Hints {
            model: self.model.as_deref(),
            key: self.weights_key.as_deref(),
        };
        let mut file = AnyWeights::open(&self.weights, hints)?;
        if let Some(rope) = self.rope {
            file = file.with_periods(match rope {
                Rope::Exact => RopePeriods::Exact,
                Rope::Bf16 => RopePeriods::Bf16Rounded,
            })?;
        }
        say(file.path(), file.notes());
        let sizes = file.sizes();
        check_size(self.size, sizes.patch_size)?;
        let depth = sizes.n_layers;
        if let Some(block) = self.blocks.iter().find(|block| **block >= depth) {
            bail!("--blocks {block}: this model has blocks 0 to {}", depth - 1);
        }
        let once: BTreeSet<_> = self.blocks.iter().collect();
        if once.len() < self.blocks.len() {
            bail!("--blocks names a block twice");
        }
        let held = self.pca.as_ref().map(|folder| hold_folder(folder, "--pca"));
        let _lock = held.transpose()?;
        let (device, precision) = device.open()?;
        let encoder = file.load(&device)?;
        let pictures = PictureOptions {
            images: self.images.clone(),
            size: Some(self.size),
            batch: self.batch,
            limit: self.limit,
            strict: self.strict,
            reading,
            interrupt: Some(Interrupt::listen()?),
            ..PictureOptions::default()
        };
        let mut from = BTreeMap::from([
            ("dtype".to_string(), format!("{precision:?}")),
            ("blocks".to_string(), format!("{:?}", self.blocks)),
        ]);
        let config = file.config()?;
        for (name, value) in config.as_object().into_iter().flatten() {
            from.insert(format!("network.{name}"), value.to_string());
        }
        if pictures.order(set.len()).len() > usize::from(self.batch) {
            // One batch is never gone on with.
            from.insert("weights".to_string(), encoder.fingerprint()?);
        }
        let streamed = Streamed {
            out: &self.out,
            set: set.clone(),
            pictures,
            size: self.size,
            tensors: self.tensors(&sizes),
            from,
            metadata: self.metadata(&file, &sizes)?,
        };
        // The file is mapped, and its pages count as memory.
        drop(file);
        let encoder = encoder.with_precision(precision);
        // The last block's tokens are the output, so one pass gives everything.
        let wanted: Vec<_> = self.blocks.iter().copied().chain([depth - 1]).collect();
        let there = streamed.write(&device, |images| {
            let mut outputs = encoder.after(images, &wanted);
            let last = outputs.pop().context("the network has no blocks")?;
            let mut all = vec![on_host(last.patches)];
            all.extend(last.summary.map(on_host));
            all.extend(last.registers.map(on_host));
            all.extend(outputs.into_iter().map(|output| on_host(output.patches)));
            Ok(all)
        })?;
        let out = self.out.display();
        print(&format!("{out}: tokens of {} images\n", there.len()))?;
        match &self.pca {
            Some(folder) => self.draw(folder, &set, there),
            None => Ok(()),
        }
    }

    /// What is written of each image.
    fn tensors(&self, sizes: &Sizes) -> Vec<RowTensor> {
        let (width, registers) = (sizes.d_model, sizes.n_registers);
        let tokens: usize = self.grid(sizes).iter().product();
        let cls = sizes.has_summary.then(|| row_tensor("cls", &[width]));
        let registers = (registers > 0).then(|| row_tensor("registers", &[registers, width]));
        let patches = |name: &str| row_tensor(name, &[tokens, width]);
        let blocks = self.blocks.iter();
        let blocks = blocks.map(|block| patches(&format!("block_{block}.patch_tokens")));
        let outputs = [patches("patch_tokens")].into_iter().chain(cls);
        outputs.chain(registers).chain(blocks).collect()
    }

    fn metadata(&self, weights: &AnyWeights, sizes: &Sizes) -> Result<BTreeMap<String, String>> {
        let mut metadata = BTreeMap::from([
            (
                "grid".to_string(),
                serde_json::to_string(&self.grid(sizes))?,
            ),
            ("weights".to_string(), weights.path().display().to_string()),
            (
                "orientation".to_string(),
                self.reading.orientation.to_string(),
            ),
        ]);
        let periods = weights.periods();
        metadata.extend(periods.map(|p| ("rope_periods".to_string(), format!("{p:?}"))));
        Ok(metadata)
    }

    /// Rows and columns of patches.
    fn grid(&self, sizes: &Sizes) -> [usize; 2] {
        [self.size as usize / sizes.patch_size; 2]
    }

    /// Draws the features of the pictures in the file, one picture after the other.
    fn draw(&self, folder: &Path, set: &Arc<ImageSet>, there: Vec<usize>) -> Result<()> {
        let tokens = RowReader::open(&self.out, "patch_tokens")?;
        let mut tokens = tokens.context("the file was changed while it was read")?;
        let pca = Pca::fit_rows(&mut tokens)?;
        let (count, size) = (there.len(), self.size);
        let crop = move |image: RgbImage| adm_crop(&image, size);
        let loader = Loader::in_order(set.clone(), there, crop, 0);
        let bar = image_bar(count, "drawing");
        let mut saved = Saved::default();
        for (index, loaded) in bar.wrap_iter(loader.enumerate()) {
            let (name, crop) = (loaded.name, loaded.image?);
            let side = tokens.shape()[1].isqrt();
            let small = pca.picture(&f32s(&tokens.read(index..index + 1)?), [side; 2]);
            let path = folder.join(file_name(index, Some(&name)));
            saved.save(&beside(&crop, &small), path, &[("Source", &name)])?;
        }
        saved.check()?;
        print(&format!(
            "{}: {count} pictures of features\n",
            folder.display()
        ))
    }
}
