//! Conversion of decoded samples to 8-bit RGB.

use image::{DynamicImage, ImageBuffer, Pixel, RgbImage};

use crate::error::DecodeError;

/// Converts any sample layout to RGB, in place where the layout allows.
pub(crate) fn to_rgb(image: DynamicImage) -> Result<RgbImage, DecodeError> {
    Ok(match image {
        DynamicImage::ImageRgb8(image) => image,
        DynamicImage::ImageRgba8(image) => {
            let (width, height) = image.dimensions();
            let mut samples = image.into_raw();
            four_to_three(&mut samples, |pixel| [pixel[0], pixel[1], pixel[2]]);
            RgbImage::from_raw(width, height, samples).expect("three samples a pixel")
        }
        DynamicImage::ImageLuma8(image) => map(&image, |grey| [grey[0]; 3]),
        DynamicImage::ImageLumaA8(image) => map(&image, |grey| [grey[0]; 3]),
        DynamicImage::ImageLuma16(image) => map(&image, |grey| [high_byte(grey[0]); 3]),
        DynamicImage::ImageLumaA16(image) => map(&image, |grey| [high_byte(grey[0]); 3]),
        DynamicImage::ImageRgb16(image) => map(&image, high_bytes),
        DynamicImage::ImageRgba16(image) => map(&image, high_bytes),
        other => return Err(DecodeError::Samples(format!("{:?}", other.color()))),
    })
}

/// Replaces each four samples by three, in place.
pub(crate) fn four_to_three(samples: &mut Vec<u8>, rgb: impl Fn(&[u8]) -> [u8; 3]) {
    let pixels = samples.len() / 4;
    for pixel in 0..pixels {
        let three = rgb(&samples[pixel * 4..pixel * 4 + 4]);
        samples[pixel * 3..pixel * 3 + 3].copy_from_slice(&three);
    }
    samples.truncate(pixels * 3);
    samples.shrink_to_fit();
}

fn map<P: Pixel>(
    image: &ImageBuffer<P, Vec<P::Subpixel>>,
    rgb: impl Fn(&[P::Subpixel]) -> [u8; 3],
) -> RgbImage {
    let mut samples = Vec::with_capacity(image.pixels().len() * 3);
    for pixel in image.pixels() {
        samples.extend(rgb(pixel.channels()));
    }
    RgbImage::from_raw(image.width(), image.height(), samples).expect("three samples a pixel")
}

fn high_byte(sample: u16) -> u8 {
    (sample >> 8) as u8
}

fn high_bytes(pixel: &[u16]) -> [u8; 3] {
    [pixel[0], pixel[1], pixel[2]].map(high_byte)
}
