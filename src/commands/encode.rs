//! `svg encode`: images to features.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use svg_model::{Alignment, svg};
use svg_nn::save_tensors;
use svg_roles::Draw;
use svg_train::data::PictureBatch;

use crate::commands::bundle::{Align, BundleOptions};
use crate::commands::checks::{check_finite, check_output};
use crate::commands::pictures::PictureOptions;
use crate::device::DeviceOptions;
use crate::gathered::Gathered;

/// Encode images to the features that the decoder takes
///
/// Writes one safetensors file: features [n, tokens, channels], tokens row by row, DINO's channels
/// first. Its metadata has the names of the images (paths), the grid and the bundle.
#[derive(Args)]
#[command(after_help = "Examples:
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
        let size = self.pictures.size_for(space.geometry())?;
        let (mut names, mut features) = (Vec::new(), Gathered::default());
        let push = |batch: PictureBatch, images| {
            names.extend(batch.names);
            let encoded = space.encode(images, Draw::Mode);
            check_finite(&encoded, "the features")?;
            features.push(encoded)
        };
        let count = self
            .pictures
            .for_each_batch(size, "encoding", &device, push)?;
        let grid = space.geometry().grid_of([size as usize; 2]);
        let stored = || svg::space_config(&bundle).ok();
        let alignment = self.align.map(Alignment::from);
        let alignment = alignment.or_else(|| Some(stored()?.alignment));
        let metadata = [
            ("paths", Some(serde_json::to_string(&names)?)),
            ("grid", Some(serde_json::to_string(&grid)?)),
            ("bundle", Some(self.bundle.bundle.display().to_string())),
            ("alignment", alignment.map(|found| format!("{found:?}"))),
        ];
        let metadata = metadata.into_iter();
        let metadata = metadata.filter_map(|(key, value)| Some((key.to_string(), value?)));
        save_tensors(
            &self.out,
            &[features.stored("features")],
            metadata.collect(),
        )?;
        println!("{}: features of {count} images", self.out.display());
        Ok(())
    }
}
