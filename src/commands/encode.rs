//! `svg encode`: images to features.

use std::collections::HashMap;
use std::path::PathBuf;

use anyhow::{Result, anyhow};
use burn::store::burn_pack::Bytes;
use burn::tensor::DType;
use clap::Args;
use svg_model::{Alignment, svg};
use svg_nn::{StoredTensor, save_tensors};
use svg_roles::Draw;

use crate::commands::bundle::{Align, BundleOptions};
use crate::commands::checks::check_output;
use crate::commands::pictures::{PictureBatch, PictureOptions};
use crate::device::DeviceOptions;

/// Encode images to the features that the decoder takes
///
/// Writes one safetensors file: features [n, tokens, channels], tokens row by row, DINO's channels
/// first. Its metadata has the names of the images (paths), the grid and the bundle.
#[derive(Args)]
#[command(after_help = "\
Examples:
  svg encode --bundle svg/ --images photos/ --out features.safetensors
  svg encode --bundle svg/ --images a.jpg b.png --out features.safetensors --align batch --batch 2")]
pub struct Encode {
    #[command(flatten)]
    bundle: BundleOptions,
    #[command(flatten)]
    pictures: PictureOptions,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Whose statistics the residual is aligned with [default: as the bundle says]
    #[arg(long, value_enum)]
    align: Option<Align>,
}

impl Encode {
    pub fn run(self, device: &DeviceOptions) -> Result<()> {
        check_output(&self.out, "--out")?;
        let device = device.open_f32()?;
        let bundle = self.bundle.open()?;
        let space = self.bundle.space(&bundle, self.align, &device)?;
        let geometry = space.geometry();
        let size = self.pictures.size_for(geometry)?;
        let (mut names, mut numbers, mut one) = (Vec::new(), Vec::<f32>::new(), vec![]);
        let push = |batch: PictureBatch| {
            let features = space.encode(batch.images, Draw::Mode);
            one = features.dims()[1..].to_vec();
            let data = features.into_data().convert::<f32>();
            numbers.extend(
                data.try_into_vec::<f32>()
                    .map_err(|error| anyhow!("{error:?}"))?,
            );
            names.extend(batch.names);
            Ok(())
        };
        let count = self
            .pictures
            .for_each_batch(size, "encoding", &device, push)?;
        let shape = [&[count], one.as_slice()].concat();
        let bytes = Bytes::from_elems(numbers);
        let features = StoredTensor::new("features".into(), DType::F32, shape, None, bytes);
        let grid = geometry.grid_of([size as usize; 2]);
        let alignment = match self.align.map(Alignment::from) {
            Some(alignment) => Some(alignment),
            None => svg::space_config(&bundle)
                .ok()
                .map(|config| config.alignment),
        };
        let metadata = HashMap::from([
            ("paths".to_string(), serde_json::to_string(&names)?),
            ("grid".to_string(), serde_json::to_string(&grid)?),
            (
                "bundle".to_string(),
                self.bundle.bundle.display().to_string(),
            ),
        ]);
        let alignment =
            alignment.map(|alignment| ("alignment".to_string(), format!("{alignment:?}")));
        let metadata = metadata.into_iter().chain(alignment).collect();
        save_tensors(&self.out, &[features], metadata)?;
        println!("{}: features of {count} images", self.out.display());
        Ok(())
    }
}
