//! Image in, patch tokens out, as a program that depends on `svg-dino` and `svg-image` would do it.
//!
//! ```text
//! cargo run --release --example features
//! cargo run --release --example features -- --weights dinov3-vits16plus/ photo.jpg
//! ```
//!
//! Without weights it uses a small random network on a picture drawn by code, to show the shapes.

use anyhow::Result;
use burn::prelude::*;
use svg_dino::{Dino, DinoConfig};
use svg_image::{DecodeOptions, Rgb, RgbImage, adm_crop, read_image};
use svg_roles::{Images, Signed};

fn main() -> Result<()> {
    let device = Device::default();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (dino, picture) = match arguments.as_slice() {
        [] => (DinoConfig::new(64, 4, 2, 256).init(&device), drawing()),
        [flag, weights, photo] if flag == "--weights" => {
            let photo = read_image(photo, &DecodeOptions::default())?;
            (Dino::load(weights, &device)?, photo)
        }
        _ => anyhow::bail!("usage: features [--weights FILE PHOTO]"),
    };

    // The crop that the published statistics were made with, in the one range that networks accept.
    let crop = adm_crop(&picture, 256);
    let images = Images::<Signed>::from_rgb(&[crop], &device);
    let output = dino.forward(images.into_tensor());

    let [rows, columns] = output.grid;
    println!(
        "{rows} x {columns} patches, tokens {:?}",
        output.patches.dims()
    );

    // How much each patch resembles the one in the middle: cosine similarity.
    let unit = output.patches.clone() / output.patches.powi_scalar(2).sum_dim(2).sqrt();
    let middle = unit.clone().narrow(1, rows / 2 * columns + columns / 2, 1);
    let similarity = (unit * middle).sum_dim(2).into_data().convert::<f32>();
    let similarity = similarity.try_to_vec::<f32>().expect("converted to f32");
    for row in similarity.chunks(columns) {
        let shade = |s: &f32| [' ', '.', ':', 'o', '#'][(s.clamp(0.0, 0.99) * 5.0) as usize];
        println!(
            "{}",
            row.iter().flat_map(|s| [shade(s); 2]).collect::<String>()
        );
    }
    Ok(())
}

/// A bright disc on a dark gradient.
fn drawing() -> RgbImage {
    RgbImage::from_fn(320, 256, |x, y| {
        let (dx, dy) = (x as f32 - 160.0, y as f32 - 128.0);
        let inside = dx * dx + dy * dy < 80.0 * 80.0;
        if inside {
            Rgb([250, 200, 60])
        } else {
            Rgb([20, (x / 4) as u8, (y / 2) as u8])
        }
    })
}
