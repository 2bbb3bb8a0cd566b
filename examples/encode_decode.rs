//! Images to features and back, through a bundle.
//!
//! ```text
//! cargo run --release --example encode_decode
//! cargo run --release --example encode_decode -- svg/ photo.jpg
//! ```
//!
//! Without a bundle it makes one that nobody has trained, to show the shapes. It writes
//! `reconstructions.png`: originals over reconstructions.

#![recursion_limit = "256"]

mod support;

use anyhow::{Result, bail};
use burn::prelude::*;
use svg_image::{DecodeOptions, adm_crop, grid, read_image, save_png};
use svg_model::{Bundle, OpenOptions, Registry};
use svg_roles::{Draw, Images, Signed};
use svg_shapes::Shapes;

fn main() -> Result<()> {
    let device = Device::default();
    let made = tempfile::tempdir()?;
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (folder, photo) = match arguments.as_slice() {
        [] => (support::untrained_bundle(made.path(), &device)?, None),
        [folder, photo] => (folder.into(), Some(photo)),
        _ => bail!("usage: encode_decode [BUNDLE PHOTO]"),
    };

    // Every file is checked against its hash here.
    let bundle = Bundle::open(&folder)?;
    let space = Registry::standard().space(&bundle, &OpenOptions::default(), &device)?;
    let geometry = space.geometry();
    let side = geometry.image[0] as u32;
    let mut pictures = match photo {
        Some(path) => vec![adm_crop(
            &read_image(path, &DecodeOptions::default())?,
            side,
        )],
        None => {
            let shapes = Shapes::new(1).with_size(side);
            shapes.images(4).map(|(_, image)| image).collect()
        }
    };

    let images = Images::<Signed>::from_rgb(&pictures, &device).into_tensor();
    let features = space.encode(images.clone(), Draw::Mode);
    println!("images   {:?}", images.dims());
    println!("features {:?}", features.dims()); // [batch, tokens, channels]

    let again = space.decode(features, geometry.grid()).clamp(-1.0, 1.0);
    let error = (again.clone() - images).abs().mean();
    println!("mean absolute error {:.3}", error.into_scalar::<f32>());

    let columns = pictures.len();
    pictures.extend(Images::<Signed>::from_tensor(again).to_rgb());
    save_png(&grid(&pictures, columns, 2), "reconstructions.png", &[])?;
    println!("reconstructions.png: originals over reconstructions");
    Ok(())
}
