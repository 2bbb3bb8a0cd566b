//! `svg encode`: images to features.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use svg_model::{Alignment, svg};
use svg_roles::Draw;

use crate::commands::bundle::{Align, BundleOptions};
use crate::commands::checks::check_tokens;
use crate::commands::outputs::Outputs;
use crate::commands::pictures::PictureOptions;
use crate::commands::print;
use crate::device::DeviceOptions;
use crate::interrupt::Interrupt;
use crate::streamed::{Streamed, on_host, row_tensor};

/// Encode images to the features that the decoder takes
///
/// Writes one safetensors file: features [n, tokens, channels], tokens row by row, DINO's channels
/// first. Its metadata has the names of the images (paths), the grid and the bundle. The file is written as
/// the work goes: memory holds one batch, and after a kill or Ctrl-C the same command goes on with
/// `FILE.partial`, to the same bytes.
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
        let set = self.pictures.reading.open_set(&self.pictures.images)?;
        let outputs = Outputs::default().file("--out", [&self.out]);
        let outputs = self.bundle.read_by(outputs).pictures("--images", [&*set]);
        outputs.check()?;
        let device = device.open_f32()?;
        let bundle = self.bundle.open()?;
        let space = self.bundle.space(&bundle, self.align, &device)?;
        let size = self.pictures.size_for(space.geometry())?;
        check_tokens(&*space, size)?;
        let geometry = space.geometry().at([size as usize; 2]);
        let stored = || svg::space_config(&bundle).ok();
        let alignment = self.align.map(Alignment::from);
        let alignment = alignment.or_else(|| Some(stored()?.alignment));
        let alignment = alignment.map(|found| format!("{found:?}"));
        let metadata = [
            ("grid", Some(serde_json::to_string(&geometry.grid())?)),
            ("bundle", Some(self.bundle.bundle.display().to_string())),
            (
                "orientation",
                Some(self.pictures.reading.orientation.to_string()),
            ),
            ("alignment", alignment.clone()),
        ];
        let metadata = metadata.into_iter();
        let metadata = metadata.filter_map(|(key, value)| Some((key.to_string(), value?)));
        let from = [
            ("features", bundle.features_fingerprint()),
            ("alignment", alignment.unwrap_or_default()),
        ];
        let streamed = Streamed {
            out: &self.out,
            set,
            pictures: PictureOptions {
                interrupt: Some(Interrupt::listen()?),
                ..self.pictures
            },
            size,
            tensors: vec![row_tensor(
                "features",
                &[geometry.tokens(), geometry.channels],
            )],
            from: from.map(|(name, value)| (name.to_string(), value)).into(),
            metadata: metadata.collect(),
        };
        let encode = |images| Ok(vec![on_host(space.encode(images, Draw::Mode))]);
        let count = streamed.write(&device, encode)?.len();
        print(&format!(
            "{}: features of {count} images\n",
            self.out.display()
        ))
    }
}
