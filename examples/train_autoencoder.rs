//! The first stage in miniature: an autoencoder on drawn pictures, from random weights to reconstructions.
//!
//! ```text
//! cargo run --release --example train_autoencoder
//! ```
//!
//! Half a minute on two cores. The frozen encoder is a small random one; `svg train autoencoder` does the
//! same with real pictures, a real encoder, checkpoints and logs.

use anyhow::Result;
use burn::prelude::*;
use svg_dino::DinoConfig;
use svg_image::{Images, Rgb, RgbImage, Signed, save_png};
use svg_train::autoencoder::{AutoencoderTraining, FeatureDistance, Stage};
use svg_train::log::comparison_sheet;

const STEPS: u64 = 300;

fn main() -> Result<()> {
    let device = Device::default();
    let mut config = AutoencoderTraining::cifar10();
    config.average_decay = None;
    config.optimizer.learning_rate = 1e-3;

    device.seed(config.seed);
    let encoder = DinoConfig::new(16, 2, 2, 32)
        .with_patch_size(4)
        .init(&device);
    let eye = FeatureDistance::new(&encoder);
    let mut stage = Stage::new(config.clone(), encoder, Box::new(eye), &device)?;

    for step in 0..STEPS {
        let pictures: Vec<_> = (0..16).map(|number| drawing(step * 16 + number)).collect();
        let images = Images::<Signed>::from_rgb(&pictures, &device).into_tensor();
        let learning_rate = config.optimizer.learning_rate;
        let (next, report) = stage.step(step, learning_rate, &[images]);
        stage = next;
        if step % 50 == 0 || step + 1 == STEPS {
            let l1 = report.scalars.get("l1").unwrap_or(f64::NAN);
            println!("step {step:>3}: mean absolute error {l1:.3}");
        }
    }

    // Pictures that it has not seen.
    let originals: Vec<_> = (1_000_000..1_000_016).map(drawing).collect();
    let images = Images::<Signed>::from_rgb(&originals, &device).into_tensor();
    let images = Images::<Signed>::from_tensor(stage.model().reconstruct(images));
    let path = "reconstructions.png";
    save_png(&comparison_sheet(&originals, &images.to_rgb()), path, &[])?;
    println!("{path}: originals over reconstructions");
    Ok(())
}

/// A disc of some colour before a slope of others, different for every number.
fn drawing(number: u64) -> RgbImage {
    let digit = |place: u32| (number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (8 * place)) as u8;
    let (x0, y0, r) = (digit(0) % 32, digit(1) % 32, 4 + digit(2) % 9);
    RgbImage::from_fn(32, 32, |x, y| {
        let (dx, dy) = (x as i32 - i32::from(x0), y as i32 - i32::from(y0));
        match dx * dx + dy * dy < i32::from(r) * i32::from(r) {
            true => Rgb([digit(3), digit(4), digit(5)]),
            false => Rgb([(x * 7) as u8, digit(6), (y * 7) as u8]),
        }
    })
}
