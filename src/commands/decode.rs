//! `svg decode`: features to images.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use burn::prelude::*;
use burn::store::bridge;
use burn::tensor::{DType, TensorData};
use clap::Args;
use serde::de::DeserializeOwned;
use svg_model::{Bundle, OpenOptions, Registry};
use svg_nn::{Container, GRID, StoredTensor, TensorFile};
use svg_roles::{Images, LatentSpace, Signed};
use svg_store::{RowFile, RowReader, listed};

use crate::commands::outputs::{Outputs, hold_folder};
use crate::commands::print;
use crate::commands::saved::Saved;
use crate::device::DeviceOptions;
use crate::progress::image_bar;
use crate::ranges::within;
use crate::streamed::{on_host, row_tensor};

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
    #[arg(long, value_name = "TOKENS", value_parser = within(2..=*GRID.end()))]
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
            let names: Vec<_> = file.tensors().iter().map(|tensor| &tensor.name).collect();
            format!(
                "{what} holds no tensor called features, but {}; `svg encode` writes such files",
                listed(&names)
            )
        })?;
        let shape = tensor.shape.to_vec();
        let &[count, tokens, channels] = &shape[..] else {
            bail!("features of {what} has shape {shape:?}; expected [n, tokens, channels]");
        };
        // Truth values, for one, need not be any, and then become no numbers.
        if !tensor.dtype.is_float() {
            let found = tensor.dtype.name();
            bail!("features of {what} are of type {found}; expected floating-point numbers");
        }
        let grid = self.grid.or_else(|| metadata(&file, "grid"));
        let grid = grid.unwrap_or([tokens.isqrt(); 2]);
        let [rows, columns] = grid;
        if rows.checked_mul(columns) != Some(tokens) || tokens == 0 {
            bail!("{tokens} tokens do not lie on {rows} rows and {columns} columns; say --grid");
        }
        let bundle = Bundle::open(&self.bundle)?;
        let expected = bundle.geometry()?.channels;
        if channels != expected {
            bail!("{what} has {channels} channels, this bundle's decoder takes {expected}");
        }
        let outputs = Outputs::default().folder("--out", [&self.out]);
        let outputs = outputs.file("--raw", &self.raw);
        let outputs = outputs.reads("FEATURES", [&self.features]);
        outputs.bundle("--bundle", [&self.bundle]).check()?;
        let _lock = hold_folder(&self.out, "--out")?;
        let device = device.open_f32()?;
        let options = OpenOptions {
            decode_only: true,
            ..OpenOptions::default()
        };
        let space = Registry::standard().space(&bundle, &options, &device)?;
        let mut rows = Rows::open(&file, tensor)?;
        let mut raw = match &self.raw {
            None => None,
            Some(path) => {
                let image = space.geometry().patch();
                let shape = [3, grid[0] * image[0], grid[1] * image[1]];
                let (none, tensors) = (BTreeMap::new(), [row_tensor("images", &shape)]);
                Some(RowFile::open(
                    path,
                    &none,
                    &tensors,
                    count,
                    &none,
                    |_, _| (),
                )?)
            }
        };
        let job = Job {
            space: &*space,
            grid,
            names,
            device,
        };
        let saved = match self.decode(job, &mut rows, count, raw.as_mut()) {
            Ok(saved) => saved,
            Err(error) => {
                // Nothing is lost if an empty file stays.
                let _ = raw.map(RowFile::discard);
                return Err(error);
            }
        };
        if let Some(raw) = raw {
            raw.finish(&BTreeMap::new())?;
        }
        saved.check()?;
        print(&format!("{}: {count} images\n", self.out.display()))
    }

    /// Decodes a batch at a time.
    fn decode(
        &self,
        job: Job<'_>,
        rows: &mut Rows,
        count: usize,
        mut raw: Option<&mut RowFile>,
    ) -> Result<Saved> {
        let mut saved = Saved::default();
        let bar = image_bar(count, "decoding");
        let batch = usize::from(self.batch);
        for first in (0..count).step_by(batch) {
            let some = first..count.min(first + batch);
            let features = Tensor::<3>::from_data(rows.read(some.clone())?, &job.device);
            let images = self.decoded(job.space, features, job.grid);
            let data = on_host(images.clone());
            let values = data.as_slice::<f32>().unwrap_or_default();
            if let Some(place) = values.iter().position(|value| !value.is_finite()) {
                bail!(
                    "image {} decodes to the value {}; look for damaged numbers in {} and in the bundle with \
                     `svg info`",
                    first + place * some.len() / values.len(),
                    values[place],
                    self.features.display()
                );
            }
            if let Some(raw) = &mut raw {
                raw.append(&[data.as_bytes()], some.len(), &[])?;
            }
            let images = Images::<Signed>::from_tensor(images).to_rgb();
            for (index, image) in some.zip(images) {
                let name = job.names.get(index).map(String::as_str);
                let path = self.out.join(file_name(index, name));
                saved.save(&image, path, &[("Source", name.unwrap_or("features"))])?;
                bar.inc(1);
            }
        }
        bar.finish_and_clear();
        Ok(saved)
    }

    fn decoded(&self, space: &dyn LatentSpace, features: Tensor<3>, grid: [usize; 2]) -> Tensor<4> {
        match self.tile {
            None => space.decode(features, grid),
            Some(tile) => space.decode_tiled(features, grid, tile),
        }
    }
}

/// What is the same for all batches.
struct Job<'a> {
    space: &'a dyn LatentSpace,
    grid: [usize; 2],
    names: Vec<String>,
    device: Device,
}

/// The entries of a tensor, a few at a time where the file allows it.
enum Rows {
    Mapped(RowReader, DType),
    Whole(TensorData),
}

impl Rows {
    fn open(file: &TensorFile, tensor: &StoredTensor) -> Result<Self> {
        if file.container() == Container::Safetensors
            && let Some(rows) = RowReader::open(file.path(), &tensor.name)?
        {
            return Ok(Self::Mapped(rows, tensor.dtype));
        }
        let whole = bridge::to_data(tensor).with_context(|| file.path().display().to_string())?;
        Ok(Self::Whole(whole))
    }

    /// Some entries, in f32.
    fn read(&mut self, rows: Range<usize>) -> Result<TensorData> {
        let data = match self {
            Self::Mapped(reader, dtype) => {
                let shape = [&[rows.len()], &reader.shape()[1..]].concat();
                TensorData::from_bytes_vec(reader.read(rows)?, shape, *dtype)
            }
            Self::Whole(data) => {
                let shape = [&[rows.len()], &data.shape().as_slice()[1..]].concat();
                let one = data.as_bytes().len() / data.shape().as_slice()[0];
                let bytes = data.as_bytes()[rows.start * one..rows.end * one].to_vec();
                TensorData::from_bytes_vec(bytes, shape, data.dtype())
            }
        };
        Ok(data.convert::<f32>())
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
    let sides = sides.filter(|sides| sides.iter().all(|side| GRID.contains(side)));
    sides.ok_or_else(|| {
        let most = GRID.end();
        format!("{text:?} is no grid; write rows x columns, as in 16x24, of at most {most} each")
    })
}
