//! `svg features`: images to DINOv3 tokens.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use burn::prelude::*;
use clap::{Args, ValueEnum};
use svg_dino::{Dino, DinoFile, RopePeriods};
use svg_image::{DecodeOptions, ImageSet, Orientation, RgbImage, save_png};
use svg_nn::save_tensors;
use svg_train::data::PictureBatch;

use crate::commands::checks::{check_finite, check_output, check_size, make_folder};
use crate::commands::decode::file_name;
use crate::commands::pictures::PictureOptions;
use crate::device::DeviceOptions;
use crate::encoder::{Hints, open_weights, say_notes};
use crate::gathered::Gathered;
use crate::pca::{self, beside};
use crate::progress::image_bar;

/// Encode images with a DINOv3 and write their tokens
///
/// Writes a safetensors file with `patch_tokens [n, tokens, dim]` (row by row), `cls [n, dim]` and
/// `registers [n, 4, dim]`, all after the final norm, in f32. Its metadata holds the names of the
/// images in order, as a JSON list under `paths`.
#[derive(Args)]
#[command(after_help = "Examples:
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
    /// Which network of the weight file, where it holds several: the names before its tensors, such as ema or
    /// student.backbone [default: averaged weights, where there are any]
    #[arg(long, value_name = "KEY")]
    weights_key: Option<String>,
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
            make_folder(folder, "--pca")?;
        }
        let hints = Hints {
            model: self.model.as_deref(),
            key: self.weights_key.as_deref(),
        };
        let mut file = open_weights(&self.weights, hints)?;
        if let Some(rope) = self.rope {
            let periods = match rope {
                Rope::Exact => RopePeriods::Exact,
                Rope::Bf16 => RopePeriods::Bf16Rounded,
            };
            let config = file.config().clone().with_rope_periods(periods);
            file = file.with_config(config);
        }
        say_notes(&file);
        check_size(self.size, file.config().patch_size)?;
        let depth = file.config().n_layers;
        if let Some(block) = self.blocks.iter().find(|block| **block >= depth) {
            bail!("--blocks {block}: this model has blocks 0 to {}", depth - 1);
        }
        let once: BTreeSet<_> = self.blocks.iter().collect();
        if once.len() < self.blocks.len() {
            bail!("--blocks names a block twice");
        }
        let set = Arc::new(ImageSet::open(&self.images)?);
        let (device, precision) = device.open()?;
        let dino = file.load(&device)?.with_precision(precision);
        let pictures = PictureOptions {
            images: self.images,
            size: Some(self.size),
            batch: self.batch,
            strict: self.strict,
            decode: DecodeOptions {
                orientation: match self.orientation {
                    Turn::Stored => Orientation::AsStored,
                    Turn::Exif => Orientation::Exif,
                },
                max_pixels: self.max_pixels,
            },
            ..PictureOptions::default()
        };
        let mut encoded = Encoded::new(&self.blocks, self.pca.is_some());
        let push = |batch: PictureBatch, images| encoded.push(&dino, batch, images);
        pictures.for_each_batch_of(set, self.size, "encoding", &device, push)?;
        encoded.save(&self.out, &file, self.pca.as_deref())
    }
}

/// Tokens of many images, on the host, in the order of their names.
#[derive(Default)]
struct Encoded {
    names: Vec<String>,
    /// Kept for the pictures only.
    crops: Option<Vec<RgbImage>>,
    patches: Gathered,
    class: Gathered,
    registers: Option<Gathered>,
    /// The patch tokens of some blocks.
    blocks: Vec<(usize, Gathered)>,
    grid: [usize; 2],
}

impl Encoded {
    /// For the outputs of a network and the patch tokens of these blocks.
    fn new(blocks: &[usize], keep_crops: bool) -> Self {
        let blocks = blocks.iter().map(|&block| (block, Gathered::default()));
        Self {
            blocks: blocks.collect(),
            crops: keep_crops.then(Vec::new),
            ..Self::default()
        }
    }

    fn push(&mut self, dino: &Dino, batch: PictureBatch, images: Tensor<4>) -> Result<()> {
        // The last block's tokens are the output, so one pass gives everything.
        let blocks = self.blocks.iter().map(|(block, _)| *block);
        let wanted: Vec<_> = blocks.chain([dino.config().n_layers - 1]).collect();
        let mut outputs = dino.forward_blocks(images, &wanted);
        let last = outputs.pop().context("the network has no blocks")?;
        check_finite(&last.patches, "the tokens")?;
        check_finite(&last.cls, "the class tokens")?;
        self.grid = last.grid;
        self.patches.push(last.patches)?;
        self.class.push(last.cls)?;
        if let Some(registers) = last.registers {
            self.registers.get_or_insert_default().push(registers)?;
        }
        for ((_, gathered), output) in self.blocks.iter_mut().zip(outputs) {
            gathered.push(output.patches)?;
        }
        self.names.extend(batch.names);
        if let Some(kept) = &mut self.crops {
            kept.extend(batch.images);
        }
        Ok(())
    }

    /// Writes the tokens and, if crops were kept, a picture of each image's features into `pictures`.
    fn save(self, path: &Path, weights: &DinoFile, pictures: Option<&Path>) -> Result<()> {
        let small = match pictures {
            Some(_) => pca::pictures(&self.patches.numbers, self.patches.one[1], self.grid)?,
            None => vec![],
        };
        let periods = weights.config().rope_periods;
        let metadata = HashMap::from([
            ("paths".to_string(), serde_json::to_string(&self.names)?),
            ("grid".to_string(), serde_json::to_string(&self.grid)?),
            ("weights".to_string(), weights.path().display().to_string()),
            ("rope_periods".to_string(), format!("{periods:?}")),
        ]);
        let registers = self.registers.map(|tokens| tokens.stored("registers"));
        let blocks = self.blocks.into_iter();
        let blocks =
            blocks.map(|(block, tokens)| tokens.stored(&format!("block_{block}.patch_tokens")));
        let mut tensors = vec![
            self.patches.stored("patch_tokens"),
            self.class.stored("cls"),
        ];
        tensors.extend(registers.into_iter().chain(blocks));
        save_tensors(path, &tensors, metadata)?;
        println!("{}: tokens of {} images", path.display(), self.names.len());
        if let (Some(folder), Some(crops)) = (pictures, self.crops) {
            let bar = image_bar(crops.len(), "drawing");
            let all = self.names.iter().zip(crops.iter().zip(&small));
            for (index, (name, (crop, small))) in bar.wrap_iter(all.enumerate()) {
                let path = folder.join(file_name(index, Some(name)));
                save_png(&beside(crop, small), path, &[("Source", name)])?;
            }
            println!("{}: {} pictures of features", folder.display(), crops.len());
        }
        Ok(())
    }
}
