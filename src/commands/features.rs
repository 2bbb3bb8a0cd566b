//! `svg features`: images to DINOv3 tokens.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use burn::prelude::*;
use burn::store::burn_pack::Bytes;
use burn::tensor::DType;
use clap::{Args, ValueEnum};
use svg_dino::{Dino, DinoConfig, DinoFile, RopePeriods};
use svg_image::{DecodeOptions, ImageSet, Images, Loader, Orientation, RgbImage, Signed};
use svg_image::{adm_crop, save_png};
use svg_nn::{StoredTensor, save_tensors};

use crate::device::DeviceOptions;
use crate::pca::Pca;
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
    #[arg(long, default_value_t = 256)]
    size: u32,
    /// Images that are encoded at once
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..))]
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
        self.check_output()?;
        let file = self.open_weights()?;
        for note in file.notes() {
            eprintln!("note: {note}");
        }
        let patch = file.config().patch_size as u32;
        if self.size == 0 || !self.size.is_multiple_of(patch) {
            let below = (self.size / patch).max(1) * patch;
            let size = self.size;
            bail!("--size {size} is no multiple of the patch size {patch}; try {below}");
        }
        let depth = file.config().n_layers;
        if let Some(block) = self.blocks.iter().find(|block| **block >= depth) {
            bail!("--blocks {block}: this model has blocks 0 to {}", depth - 1);
        }
        let set = Arc::new(ImageSet::open(&self.images)?);
        let (device, precision) = device.open()?;
        let dino = file.load(&device)?.with_precision(precision);
        let encoded = self.encode(&dino, set, &device)?;
        encoded.save(&self.out, &file)?;
        if let Some(folder) = &self.pca {
            encoded.save_pictures(folder)?;
        }
        let count = encoded.names.len();
        println!("{}: tokens of {count} images", self.out.display());
        Ok(())
    }

    /// Hours of encoding must not end at a typo in the output's folder.
    fn check_output(&self) -> Result<()> {
        let folder = match self.out.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        if self.out.is_dir() {
            bail!("--out {} is a folder; name a file", self.out.display());
        }
        svg_image::write_atomically(folder.join(".svg-write-test"), |_| Ok(()))
            .with_context(|| format!("--out {} cannot be written", self.out.display()))?;
        let _ = std::fs::remove_file(folder.join(".svg-write-test"));
        if let Some(folder) = &self.pca {
            let failed = || format!("--pca {} cannot be made", folder.display());
            std::fs::create_dir_all(folder).with_context(failed)?;
        }
        Ok(())
    }

    fn open_weights(&self) -> Result<DinoFile> {
        let file = match &self.model {
            None => DinoFile::open(&self.weights)?,
            Some(name) => {
                let config = DinoConfig::preset(name).with_context(|| {
                    let known: Vec<_> = DinoConfig::preset_names().collect();
                    format!("--model {name} is unknown; known are {}", known.join(", "))
                })?;
                DinoFile::open_as(&self.weights, config)?
            }
        };
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
            ..DecodeOptions::default()
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
        if encoded.names.is_empty() {
            bail!("none of the {total} images could be read");
        }
        eprintln!(
            "encoded {} images in {seconds:.1} s, {:.1} images/s",
            encoded.names.len(),
            encoded.names.len() as f64 / seconds
        );
        if skipped > 0 {
            eprintln!("warning: skipped {skipped} of {total} images; --strict stops instead");
        }
        Ok(encoded)
    }
}

/// Everything that a run has gathered, on the host.
struct Encoded {
    names: Vec<String>,
    /// Kept for the pictures only.
    crops: Option<Vec<RgbImage>>,
    /// By name: the shape of one image's entry, and the numbers of all.
    tensors: Vec<(String, Vec<usize>, Vec<f32>)>,
    blocks: Vec<usize>,
    grid: [usize; 2],
}

impl Encoded {
    fn new(blocks: &[usize], dino: &Dino, keep_crops: bool) -> Self {
        let mut names = vec!["patch_tokens".to_string(), "cls".to_string()];
        if dino.config().n_registers > 0 {
            names.push("registers".to_string());
        }
        names.extend(
            blocks
                .iter()
                .map(|block| format!("block_{block}.patch_tokens")),
        );
        Self {
            names: Vec::new(),
            crops: keep_crops.then(Vec::new),
            tensors: names
                .into_iter()
                .map(|name| (name, Vec::new(), Vec::new()))
                .collect(),
            blocks: blocks.to_vec(),
            grid: [0, 0],
        }
    }

    fn push(&mut self, dino: &Dino, batch: Vec<(String, RgbImage)>, device: &Device) -> Result<()> {
        let (names, crops): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
        let images = Images::<Signed>::from_rgb(&crops, device).into_tensor();
        // The last block's tokens are the output, so one pass gives everything.
        let mut wanted = self.blocks.clone();
        wanted.push(dino.config().n_layers - 1);
        let mut outputs = dino.forward_blocks(images, &wanted);
        let last = outputs.pop().context("the network has no blocks")?;
        self.grid = last.grid;
        let mut values = vec![numbers(last.patches)?, numbers(last.cls)?];
        if let Some(registers) = last.registers {
            values.push(numbers(registers)?);
        }
        for output in outputs {
            values.push(numbers(output.patches)?);
        }
        for ((_, shape, all), (one, numbers)) in self.tensors.iter_mut().zip(values) {
            *shape = one;
            all.extend(numbers);
        }
        self.names.extend(names);
        if let Some(kept) = &mut self.crops {
            kept.extend(crops);
        }
        Ok(())
    }

    fn save(&self, path: &Path, weights: &DinoFile) -> Result<()> {
        let config = weights.config();
        let metadata = HashMap::from([
            ("paths".to_string(), serde_json::to_string(&self.names)?),
            ("grid".to_string(), serde_json::to_string(&self.grid)?),
            ("weights".to_string(), weights.path().display().to_string()),
            (
                "rope_periods".to_string(),
                format!("{:?}", config.rope_periods),
            ),
        ]);
        let tensors: Vec<_> = self
            .tensors
            .iter()
            .map(|(name, one, numbers)| {
                let shape: Vec<usize> = [&[self.names.len()], one.as_slice()].concat();
                let bytes = numbers.iter().flat_map(|v| v.to_le_bytes()).collect();
                let bytes = Bytes::from_bytes_vec(bytes);
                StoredTensor::new(name.clone(), DType::F32, shape, None, bytes)
            })
            .collect();
        Ok(save_tensors(path, &tensors, metadata)?)
    }

    fn save_pictures(&self, folder: &Path) -> Result<()> {
        let ((_, one, tokens), Some(crops)) = (&self.tensors[0], &self.crops) else {
            return Ok(());
        };
        let pca = Pca::fit(tokens, one[1]);
        let bar = image_bar(crops.len(), "drawing");
        for (index, crop) in crops.iter().enumerate() {
            let len = one.iter().product::<usize>();
            let tokens = &tokens[index * len..(index + 1) * len];
            let stem = Path::new(&self.names[index])
                .file_stem()
                .unwrap_or_default();
            let file = format!("{index:05}-{}.png", stem.to_string_lossy());
            let text = [("Source", self.names[index].as_str())];
            let picture = pca.beside(crop, tokens, self.grid);
            save_png(&picture, folder.join(file), &text)?;
            bar.inc(1);
        }
        bar.finish_and_clear();
        println!("{}: {} pictures of features", folder.display(), crops.len());
        Ok(())
    }
}

/// The shape of one entry of the batch, and all numbers.
fn numbers<const D: usize>(tensor: Tensor<D>) -> Result<(Vec<usize>, Vec<f32>)> {
    let shape = tensor.dims()[1..].to_vec();
    let data = tensor.into_data().convert::<f32>();
    let values = data
        .try_into_vec()
        .map_err(|error| anyhow::anyhow!("{error:?}"))?;
    Ok((shape, values))
}
