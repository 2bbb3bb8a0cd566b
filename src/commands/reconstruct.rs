//! `svg reconstruct`: images through the model and back, with figures.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use svg_eval::{Lpips, psnr, ssim};
use svg_image::{RgbImage, grid, save_png};
use svg_roles::{Draw, Images, Signed};
use svg_store::write_bytes;

use crate::commands::bundle::{Align, BundleOptions};
use crate::commands::decode::file_name;
use crate::commands::pictures::{PictureBatch, PictureOptions};
use crate::commands::print;
use crate::device::DeviceOptions;

/// Send images through the model and back, and measure what is lost
///
/// Writes a PNG for each image, original left and reconstruction right, and a table, metrics.csv: PSNR
/// on 8 bits (peak 255), SSIM (Gaussian window of 11, range 2, unquantised, as torchmetrics), and LPIPS
/// v0.1 with VGG16 where --vgg names its weights. Means are printed.
#[derive(Args)]
#[command(after_help = "\
Examples:
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
    /// Write the table alone
    #[arg(long)]
    no_pictures: bool,
}

/// The smallest side for SSIM's window.
const SSIM_SIDE: u32 = 11;
/// The smallest side that VGG's five levels leave something of.
const LPIPS_SIDE: u32 = 16;

#[derive(Default)]
struct Means {
    count: usize,
    psnr: f64,
    ssim: f64,
    lpips: f64,
}

impl Reconstruct {
    pub fn run(self, device: &DeviceOptions) -> Result<()> {
        std::fs::create_dir_all(&self.out)
            .with_context(|| format!("--out {} cannot be made", self.out.display()))?;
        let device = device.open_f32()?;
        let bundle = self.bundle.open()?;
        let space = self.bundle.space(&bundle, self.align, &device)?;
        let lpips = self.vgg.as_ref().map(|path| Lpips::open(path, &device));
        let lpips = lpips.transpose()?;
        let size = self.pictures.size_for(space.geometry())?;
        let grid_of_tokens = space.geometry().grid_of([size as usize; 2]);
        let lpips = lpips.filter(|_| size >= LPIPS_SIDE);

        let mut table = String::from("index,image,psnr,ssim,lpips\n");
        let mut means = Means::default();
        let measure = |batch: PictureBatch| {
            let features = space.encode(batch.images.clone(), Draw::Mode);
            let decoded = space.decode(features, grid_of_tokens);
            let ssims = match size >= SSIM_SIDE {
                true => ssim(decoded.clone(), batch.images.clone()),
                false => vec![f64::NAN; batch.names.len()],
            };
            let lpips: Vec<f64> = match &lpips {
                Some(lpips) => {
                    let distance = lpips.forward(decoded.clone(), batch.images).into_data();
                    distance.convert::<f64>().iter().collect()
                }
                None => vec![f64::NAN; batch.names.len()],
            };
            let images = Images::<Signed>::from_tensor(decoded).to_rgb();
            for (at, (name, image)) in batch.names.iter().zip(&images).enumerate() {
                let original = &batch.crops[at];
                let (psnr, ssim, lpips) = (psnr(image, original), ssims[at], lpips[at]);
                let index = means.count;
                means.add(psnr, ssim, lpips);
                let quoted = name.replace('"', "\"\"");
                writeln!(
                    table,
                    "{index},\"{quoted}\",{psnr:.4},{},{}",
                    optional(ssim),
                    optional(lpips)
                )?;
                if !self.no_pictures {
                    let pair: [RgbImage; 2] = [original.clone(), image.clone()];
                    let note = format!("PSNR {psnr:.2} dB");
                    let path = self.out.join(file_name(index, Some(name)));
                    save_png(
                        &grid(&pair, 2, 4),
                        path,
                        &[("Source", name), ("Comment", &note)],
                    )?;
                }
            }
            Ok(())
        };
        let what = "reconstructing";
        let count = self.pictures.for_each_batch(size, what, &device, measure)?;
        let path = self.out.join("metrics.csv");
        write_bytes(&path, table)?;
        let mean = |sum: f64| sum / count as f64;
        let mut said = String::new();
        writeln!(said, "images  {count} of {size} x {size}")?;
        writeln!(said, "PSNR    {:.3} dB", mean(means.psnr))?;
        match size >= SSIM_SIDE {
            true => writeln!(said, "SSIM    {:.4}", mean(means.ssim))?,
            false => writeln!(said, "SSIM    needs {SSIM_SIDE} pixels to a side")?,
        }
        match (&self.vgg, size >= LPIPS_SIDE) {
            (Some(_), true) => writeln!(said, "LPIPS   {:.4} (VGG16, v0.1)", mean(means.lpips))?,
            (Some(_), false) => writeln!(said, "LPIPS   needs {LPIPS_SIDE} pixels to a side")?,
            (None, _) => writeln!(
                said,
                "LPIPS   not measured; --vgg names torchvision's VGG16"
            )?,
        }
        writeln!(said, "{}", path.display())?;
        print(&said)?;
        Ok(())
    }
}

impl Means {
    fn add(&mut self, psnr: f64, ssim: f64, lpips: f64) {
        self.count += 1;
        self.psnr += psnr;
        self.ssim += ssim;
        self.lpips += lpips;
    }
}

/// An empty place where nothing was measured.
fn optional(value: f64) -> String {
    match value.is_nan() {
        true => String::new(),
        false => format!("{value:.5}"),
    }
}
