//! `svg reconstruct`: images through the model and back, with figures.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::Result;
use burn::prelude::*;
use clap::Args;
use svg_eval::{psnr, ssim};
use svg_image::grid;
use svg_roles::{Draw, Images, Signed};
use svg_store::write_bytes;
use svg_train::data::PictureBatch;

use crate::commands::bundle::{Align, BundleOptions};
use crate::commands::checks::{check_finite, check_tokens};
use crate::commands::decode::file_name;
use crate::commands::outputs::{Outputs, hold_folder};
use crate::commands::pictures::PictureOptions;
use crate::commands::print;
use crate::commands::saved::Saved;
use crate::device::DeviceOptions;
use crate::lpips::open_lpips;

/// Send images through the model and back, and measure what is lost
///
/// Writes a PNG for each image, original left and reconstruction right, and a table, metrics.csv: PSNR
/// on 8 bits (peak 255), SSIM (Gaussian window of 11, range 2, unquantised, as torchmetrics), and LPIPS
/// v0.1 with VGG16 (unquantised) where --vgg names its weights. Reconstructions are clamped to the range of
/// images before each. Means are printed.
#[derive(Args)]
#[command(after_help = "Examples:
  svg reconstruct --bundle svg/ --images photos/ --out pairs/
  svg reconstruct --bundle svg/ --images val.tar --limit 1000 --out pairs/ --vgg vgg16-397923af.pth")]
pub struct Reconstruct {
    #[command(flatten)]
    bundle: BundleOptions,
    #[command(flatten)]
    pictures: PictureOptions,
    /// The folder for pictures and table
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// Whose statistics the residual is aligned with [default: as the bundle says]
    #[arg(long, value_enum)]
    align: Option<Align>,
    /// torchvision's VGG16 weights, for LPIPS
    #[arg(long, value_name = "FILE")]
    vgg: Option<PathBuf>,
    /// Which network of the file of --vgg, where it holds several
    #[arg(long, value_name = "KEY", requires = "vgg")]
    vgg_key: Option<String>,
    /// Write the table alone
    #[arg(long)]
    no_pictures: bool,
}

/// The smallest side for SSIM's window.
pub const SSIM_SIDE: u32 = 11;
/// The smallest side that VGG's five levels leave something of.
pub const LPIPS_SIDE: u32 = 16;

impl Reconstruct {
    pub fn run(self, device: &DeviceOptions) -> Result<()> {
        let set = self.pictures.reading.open_set(&self.pictures.images)?;
        let (table_path, vgg) = (self.out.join("metrics.csv"), &self.vgg);
        let outputs = Outputs::default().folder("--out", [&self.out]);
        let outputs = self.bundle.read_by(outputs.file("--out", [&table_path]));
        let outputs = outputs.reads("--vgg", vgg);
        outputs.pictures("--images", [&*set]).check()?;
        let _lock = hold_folder(&self.out, "--out")?;
        let device = device.open_f32()?;
        let bundle = self.bundle.open()?;
        let space = self.bundle.space(&bundle, self.align, &device)?;
        let key = self.vgg_key.as_deref();
        let lpips = self.vgg.as_ref();
        let lpips = lpips.map(|path| open_lpips(path, key, &device));
        let lpips = lpips.transpose()?;
        let size = self.pictures.size_for(space.geometry())?;
        check_tokens(&*space, size)?;
        let grid_of_tokens = space.geometry().grid_of([size as usize; 2]);
        let lpips = lpips.filter(|_| size >= LPIPS_SIDE);

        let mut table = String::from("index,image,psnr,ssim,lpips\n");
        let (mut index, mut sums, mut saved) = (0, [0.0; 3], Saved::default());
        let measure = |batch: PictureBatch, originals: Tensor<4>| {
            let features = space.encode(originals.clone(), Draw::Mode);
            let decoded = space.decode(features, grid_of_tokens);
            check_finite(&decoded, "the reconstructed images")?;
            // All three figures are of what an image file can hold.
            let decoded = decoded.clamp(-1.0, 1.0);
            let ssims = match size >= SSIM_SIDE {
                true => ssim(decoded.clone(), originals.clone()),
                false => vec![f64::NAN; batch.names.len()],
            };
            let lpips: Vec<f64> = match &lpips {
                Some(lpips) => {
                    let distance = lpips.forward(decoded.clone(), originals).into_data();
                    distance.convert::<f64>().iter().collect()
                }
                None => vec![f64::NAN; batch.names.len()],
            };
            let images = Images::<Signed>::from_tensor(decoded).to_rgb();
            let pairs = batch.names.iter().zip(batch.images.into_iter().zip(images));
            for (at, (name, (original, image))) in pairs.enumerate() {
                let figures = [psnr(&image, &original), ssims[at], lpips[at]];
                sums = [0, 1, 2].map(|i| sums[i] + figures[i]);
                let ([psnr, ssim, lpips], quoted) = (figures, name.replace('"', "\"\""));
                let (ssim, lpips) = (optional(ssim), optional(lpips));
                writeln!(table, "{index},\"{quoted}\",{psnr:.4},{ssim},{lpips}")?;
                if !self.no_pictures {
                    let note = format!("PSNR {psnr:.2} dB");
                    let path = self.out.join(file_name(index, Some(name)));
                    let notes = [("Source", name.as_str()), ("Comment", &note)];
                    saved.save(&grid(&[original, image], 2, 4), path, &notes)?;
                }
                index += 1;
            }
            Ok(())
        };
        let (pictures, what) = (&self.pictures, "reconstructing");
        let count = pictures.for_each_batch_of(set, size, what, &device, measure)?;
        saved.check()?;
        write_bytes(&table_path, table)?;
        let [psnr, ssim, lpips] = sums.map(|sum| sum / count as f64);
        let ssim = match size >= SSIM_SIDE {
            true => format!("{ssim:.4}"),
            false => format!("needs {SSIM_SIDE} pixels to a side"),
        };
        let lpips = match (&self.vgg, size >= LPIPS_SIDE) {
            (Some(_), true) => format!("{lpips:.4} (VGG16, v0.1)"),
            (Some(_), false) => format!("needs {LPIPS_SIDE} pixels to a side"),
            (None, _) => "not measured; --vgg names torchvision's VGG16".to_string(),
        };
        print(&format!(
            "images  {count} of {size} x {size}\nPSNR    {psnr:.3} dB\nSSIM    {ssim}\nLPIPS   {lpips}\n{}\n",
            table_path.display()
        ))
    }
}

/// An empty place where nothing was measured.
fn optional(value: f64) -> String {
    match value.is_nan() {
        true => String::new(),
        false => format!("{value:.5}"),
    }
}
