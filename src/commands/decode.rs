//! `svg decode`: features to images.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use burn::prelude::*;
use burn::store::burn_pack::Bytes;
use burn::tensor::{DType, TensorData};
use clap::Args;
use svg_image::save_png;
use svg_model::{Bundle, OpenOptions, Registry};
use svg_nn::{StoredTensor, TensorFile, save_tensors};
use svg_roles::{Images, Signed};

use crate::commands::checks::check_output;
use crate::device::DeviceOptions;
use crate::progress::image_bar;

/// Decode features to images
///
/// Takes what `svg encode` writes, or any safetensors file with features [n, tokens, channels], raw and
/// not normalised. The frozen encoder is not needed. Writes one PNG for each entry.
#[derive(Args)]
#[command(after_help = "\
Examples:
  svg decode --bundle svg/ features.safetensors --out decoded/
  svg decode --bundle svg/ large.safetensors --out decoded/ --grid 64x96 --tile 32")]
pub struct Decode {
    /// The model: a folder that `svg train` or `svg import` has written
    #[arg(long, value_name = "FOLDER")]
    bundle: PathBuf,
    /// The file with the features
    #[arg(value_name = "FEATURES")]
    features: PathBuf,
    /// The folder for the images
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// Rows and columns of tokens [default: as the file says, else a square]
    #[arg(long, value_name = "ROWSxCOLUMNS", value_parser = parse_grid)]
    grid: Option<[usize; 2]>,
    /// Decode in overlapping tiles of so many tokens to a side, for images that do not fit into memory
    ///
    /// Group norms then see a tile and not the whole image, so tiles of less than half an image change
    /// its tones a little.
    #[arg(long, value_name = "TOKENS")]
    tile: Option<usize>,
    /// Also write the images as numbers: a safetensors file with images [n, 3, height, width], about in
    /// [-1, 1], neither clamped nor rounded
    #[arg(long, value_name = "FILE")]
    raw: Option<PathBuf>,
    /// Images that are decoded at once
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..))]
    batch: u16,
}

impl Decode {
    pub fn run(self, device: &DeviceOptions) -> Result<()> {
        let file = TensorFile::open(&self.features)?;
        let what = self.features.display();
        let names: Vec<String> = match file.metadata().get("paths") {
            Some(paths) => serde_json::from_str(paths).unwrap_or_default(),
            None => vec![],
        };
        let stored: Option<[usize; 2]> = file
            .metadata()
            .get("grid")
            .and_then(|grid| serde_json::from_str(grid).ok());
        let tensor = file
            .tensors()
            .iter()
            .find(|tensor| tensor.name == "features");
        let tensor = tensor.with_context(|| {
            format!("{what} holds no tensor called features; `svg encode` writes such files")
        })?;
        let shape = tensor.shape.to_vec();
        let &[count, tokens, channels] = &shape[..] else {
            bail!("features of {what} has shape {shape:?}; expected [n, tokens, channels]");
        };
        let grid = match self.grid.or(stored) {
            Some(grid) => grid,
            None => [tokens.isqrt(); 2],
        };
        let [rows, columns] = grid;
        if rows * columns != tokens || tokens == 0 {
            bail!("{tokens} tokens do not lie on {rows} rows and {columns} columns; say --grid");
        }
        let bundle = Bundle::open(&self.bundle)?;
        let expected = bundle.geometry()?.channels;
        if channels != expected {
            bail!("{what} has {channels} channels, this bundle's decoder takes {expected}");
        }
        if let Some(tile) = self.tile.filter(|tile| *tile < 2) {
            bail!("--tile {tile} is too small; a tile needs at least 2 tokens to a side");
        }
        std::fs::create_dir_all(&self.out)
            .with_context(|| format!("--out {} cannot be made", self.out.display()))?;
        let device = device.open_f32()?;
        let options = OpenOptions {
            decode_only: true,
            ..OpenOptions::default()
        };
        let space = Registry::standard().space(&bundle, &options, &device)?;
        let bytes = tensor.to_bytes()?;
        let data = TensorData::from_bytes_vec(bytes.to_vec(), shape, tensor.dtype);
        let data = data.convert::<f32>();
        let numbers: Vec<f32> = data
            .try_into_vec()
            .map_err(|error| anyhow::anyhow!("{what}: {error:?}"))?;
        if let Some(raw) = &self.raw {
            check_output(raw, "--raw")?;
        }
        let (mut raw, mut shape) = (Vec::<f32>::new(), vec![]);
        let bar = image_bar(count, "decoding");
        let one = tokens * channels;
        for (index, some) in numbers.chunks(one * usize::from(self.batch)).enumerate() {
            let first = index * usize::from(self.batch);
            let data = TensorData::new(some.to_vec(), [some.len() / one, tokens, channels]);
            let features = Tensor::<3>::from_data(data, &device);
            let images = match self.tile {
                None => space.decode(features, grid),
                Some(tile) => space.decode_tiled(features, grid, tile),
            };
            if self.raw.is_some() {
                shape = images.dims()[1..].to_vec();
                raw.extend(images.to_data().convert::<f32>().iter::<f32>());
            }
            for (offset, image) in Images::<Signed>::from_tensor(images)
                .to_rgb()
                .iter()
                .enumerate()
            {
                let name = names.get(first + offset).map(String::as_str);
                let path = self.out.join(file_name(first + offset, name));
                save_png(image, path, &[("Source", name.unwrap_or("features"))])?;
                bar.inc(1);
            }
        }
        bar.finish_and_clear();
        if let Some(path) = &self.raw {
            let shape = [&[count], shape.as_slice()].concat();
            let bytes = Bytes::from_elems(raw);
            let images = StoredTensor::new("images".into(), DType::F32, shape, None, bytes);
            save_tensors(path, &[images], Default::default())?;
        }
        println!("{}: {count} images", self.out.display());
        Ok(())
    }
}

/// `00031-photo.png`
pub fn file_name(index: usize, name: Option<&str>) -> String {
    match name.and_then(|name| Path::new(name).file_stem()) {
        Some(stem) => format!("{index:05}-{}.png", stem.to_string_lossy()),
        None => format!("{index:05}.png"),
    }
}

fn parse_grid(text: &str) -> Result<[usize; 2], String> {
    let sides = text
        .split_once('x')
        .and_then(|(rows, columns)| Some([rows.parse().ok()?, columns.parse().ok()?]));
    sides.ok_or_else(|| format!("{text:?} is no grid; write rows x columns, as in 16x24"))
}
