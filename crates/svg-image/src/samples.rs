//! Conversion of decoded samples to 8-bit RGB.

use image::{DynamicImage, ImageBuffer, Pixel, RgbImage};

use crate::error::DecodeError;
use crate::format::Format;

/// Converts any sample layout to RGB, in place where the layout allows.
pub(crate) fn to_rgb(image: DynamicImage, format: Format) -> Result<RgbImage, DecodeError> {
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
        other => {
            return Err(DecodeError::unsupported(
                format,
                format!("samples of type {:?}", other.color()),
            ));
        }
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

/// Pillow's conversion of inks, 255 for full ink.
pub(crate) fn cmyk_to_rgb([cyan, magenta, yellow, black]: [u8; 4]) -> [u8; 3] {
    let paper = 255 - i32::from(black);
    [cyan, magenta, yellow].map(|ink| {
        let product = i32::from(ink) * paper + 128;
        (paper - (((product >> 8) + product) >> 8)).clamp(0, 255) as u8
    })
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

pub(crate) fn high_byte(sample: u16) -> u8 {
    (sample >> 8) as u8
}

fn high_bytes(pixel: &[u16]) -> [u8; 3] {
    [pixel[0], pixel[1], pixel[2]].map(high_byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paper_without_ink_is_white_and_black_ink_covers_the_others() {
        assert_eq!(cmyk_to_rgb([0; 4]), [255; 3]);
        assert_eq!(cmyk_to_rgb([255, 127, 0, 255]), [0; 3]);
        assert_eq!(cmyk_to_rgb([255, 0, 0, 0]), [0, 255, 255]);
    }
}
