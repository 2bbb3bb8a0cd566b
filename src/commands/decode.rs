//! `svg decode`: features to images.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use burn::prelude::*;
use burn::store::bridge;
use burn::tensor::TensorData;
use clap::Args;
use serde::de::DeserializeOwned;
use svg_image::save_png;
use svg_model::{Bundle, OpenOptions, Registry};
use svg_nn::{TensorFile, not_finite, save_tensors};
use svg_roles::{Images, Signed};

use crate::commands::checks::{check_finite, check_output, make_folder};
use crate::device::DeviceOptions;
use crate::gathered::Gathered;
use crate::progress::image_bar;

/// Decode features to images
///
/// Takes what `svg encode` writes, or any safetensors file with features [n, tokens, channels], raw and
/// not normalised. The frozen encoder is not needed. Writes one PNG for each entry.
#[derive(Args)]
#[command(after_help = "Examples:
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
        let names: Vec<String> = metadata(&file, "paths").unwrap_or_default();
        let mut tensors = file.tensors().iter();
        let tensor = tensors.find(|tensor| tensor.name == "features");
        let tensor = tensor.with_context(|| {
            format!("{what} holds no tensor called features; `svg encode` writes such files")
        })?;
        let shape = tensor.shape.to_vec();
        let &[count, tokens, channels] = &shape[..] else {
            bail!("features of {what} has shape {shape:?}; expected [n, tokens, channels]");
        };
        let grid = self.grid.or_else(|| metadata(&file, "grid"));
        let grid = grid.unwrap_or([tokens.isqrt(); 2]);
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
        make_folder(&self.out, "--out")?;
        if let Some(raw) = &self.raw {
            check_output(raw, "--raw")?;
        }
        let device = device.open_f32()?;
        let options = OpenOptions {
            decode_only: true,
            ..OpenOptions::default()
        };
        let space = Registry::standard().space(&bundle, &options, &device)?;
        let data = bridge::to_data(tensor).with_context(|| what.to_string())?;
        let numbers = data.convert::<f32>().try_into_vec::<f32>();
        let numbers = numbers.map_err(|error| anyhow!("{what}: {error:?}"))?;
        if let Some(found) = not_finite(&numbers) {
            bail!("{found} in the features of {what}; nothing is decoded. Compute them again");
        }
        let mut raw = Gathered::default();
        let bar = image_bar(count, "decoding");
        let one = tokens * channels;
        let mut index = 0;
        for some in numbers.chunks(one * usize::from(self.batch)) {
            let data = TensorData::new(some.to_vec(), [some.len() / one, tokens, channels]);
            let features = Tensor::<3>::from_data(data, &device);
            let images = match self.tile {
                None => space.decode(features, grid),
                Some(tile) => space.decode_tiled(features, grid, tile),
            };
            check_finite(&images, "the decoded images")?;
            if self.raw.is_some() {
                raw.push(images.clone())?;
            }
            for image in Images::<Signed>::from_tensor(images).to_rgb() {
                let name = names.get(index).map(String::as_str);
                let path = self.out.join(file_name(index, name));
                save_png(&image, path, &[("Source", name.unwrap_or("features"))])?;
                index += 1;
                bar.inc(1);
            }
        }
        bar.finish_and_clear();
        if let Some(path) = &self.raw {
            save_tensors(path, &[raw.stored("images")], Default::default())?;
        }
        println!("{}: {count} images", self.out.display());
        Ok(())
    }
}

/// What a file says beside its tensors, if it can be read.
fn metadata<T: DeserializeOwned>(file: &TensorFile, key: &str) -> Option<T> {
    serde_json::from_str(file.metadata().get(key)?).ok()
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
