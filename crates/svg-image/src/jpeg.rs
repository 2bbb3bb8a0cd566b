//! JPEG decoding, bit for bit equal to Pillow's libjpeg-turbo.
//!
//! The decoder of the `image` crate differs from libjpeg-turbo by up to 8 levels per sample, so JPEGs are
//! decoded by a port of libjpeg-turbo.

use image::RgbImage;
use image::metadata::Orientation as Transform;
use libjpeg_turbo_rs::{ColorSpace, ComponentInfo, DecodeLimits, Decoder, PixelFormat};

use crate::error::DecodeError;
use crate::read::{DecodeOptions, Orientation, check_size, transformed};
use crate::samples::four_to_three;

pub(crate) fn is_jpeg(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0xff, 0xd8, 0xff])
}

/// Width and height from the frame header.
pub(crate) fn dimensions(bytes: &[u8]) -> Result<(u32, u32), DecodeError> {
    let info = libjpeg_turbo_rs::probe(bytes).map_err(jpeg_error)?;
    Ok((info.width as u32, info.height as u32))
}

pub(crate) fn decode(bytes: &[u8], options: &DecodeOptions) -> Result<RgbImage, DecodeError> {
    let limits = DecodeLimits {
        max_pixels: options.max_pixels,
        ..DecodeLimits::default()
    };
    let mut decoder = Decoder::new_with_limits(bytes, limits).map_err(jpeg_error)?;
    let header = decoder.header();
    let (width, height) = (header.width.into(), header.height.into());
    check_size((width, height), options.max_pixels)?;
    let transform = match options.orientation {
        Orientation::AsStored => None,
        Orientation::Exif => decoder.exif_data().and_then(Transform::from_exif_chunk),
    };
    let colours = decoder.jpeg_color_space();
    let four_inks = matches!(colours, ColorSpace::Cmyk | ColorSpace::Ycck);
    let mut format = PixelFormat::Rgb;
    if four_inks {
        check_inks(&decoder.header().components)?;
        format = PixelFormat::Cmyk;
    }
    decoder.set_output_format(format);
    let mut samples = decoder.decode_image().map_err(jpeg_error)?.data;
    if four_inks {
        four_to_three(&mut samples, cmyk_to_rgb);
    }
    let image = RgbImage::from_raw(width, height, samples)
        .ok_or_else(|| DecodeError::Jpeg("its data do not match its size".into()))?;
    Ok(transformed(image, transform))
}

/// Rejects CMYK sampling factors that no program writes and on which the decoder panics. Common are four
/// full planes, or two halved planes between full ones.
fn check_inks(inks: &[ComponentInfo]) -> Result<(), DecodeError> {
    let usual = |sampling: fn(&ComponentInfo) -> u8| {
        let full = inks.iter().map(sampling).max().unwrap_or(0);
        inks.iter().enumerate().all(|(number, ink)| {
            let halved = (1..=2).contains(&number) && sampling(ink) * 2 == full;
            sampling(ink) == full || halved
        })
    };
    if usual(|ink| ink.horizontal_sampling) && usual(|ink| ink.vertical_sampling) {
        return Ok(());
    }
    Err(DecodeError::Jpeg(
        "its CMYK sampling factors are unusual".into(),
    ))
}

fn jpeg_error(error: libjpeg_turbo_rs::JpegError) -> DecodeError {
    DecodeError::Jpeg(error.to_string())
}

/// Pillow's conversion of CMYK. JPEGs store inks inverted (`255 - ink`) by Adobe's convention, which Pillow
/// assumes whether the file is marked or not.
fn cmyk_to_rgb(stored: &[u8]) -> [u8; 3] {
    let paper = i32::from(stored[3]);
    [stored[0], stored[1], stored[2]].map(|stored| {
        let product = (255 - i32::from(stored)) * paper + 128;
        (paper - (((product >> 8) + product) >> 8)).clamp(0, 255) as u8
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cmyk_without_ink_is_white_and_black_ink_covers_the_others() {
        assert_eq!(cmyk_to_rgb(&[255, 255, 255, 255]), [255; 3]);
        assert_eq!(cmyk_to_rgb(&[0, 128, 255, 0]), [0; 3]);
        assert_eq!(cmyk_to_rgb(&[0, 255, 255, 255]), [0, 255, 255]);
    }

    #[test]
    fn unusual_cmyk_sampling_is_rejected() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/files/cmyk.jpg");
        let good = std::fs::read(path).unwrap();
        let frame = good
            .windows(2)
            .position(|marker| marker == [0xff, 0xc0])
            .unwrap();
        // The sampling factors of ink k, in the frame header.
        let place = |ink: usize| frame + 11 + 3 * ink;
        for (ink, sampling) in [(0, 0x13), (1, 0x22), (2, 0x31), (3, 0x23)] {
            let mut bytes = good.clone();
            bytes[place(ink)] = sampling;
            let error = decode(&bytes, &DecodeOptions::default()).unwrap_err();
            assert!(error.to_string().contains("CMYK sampling"), "{error}");
        }
    }
}
