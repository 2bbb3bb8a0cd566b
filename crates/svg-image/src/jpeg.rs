//! JPEG decoding, bit for bit equal to Pillow's libjpeg-turbo.
//!
//! The decoder of the `image` crate differs from libjpeg-turbo by up to 8 levels per sample, so JPEGs are
//! decoded by a port of libjpeg-turbo.

use image::RgbImage;
use image::metadata::Orientation as Transform;
use libjpeg_turbo_rs::{ColorSpace, ComponentInfo, DecodeLimits, Decoder, JpegError, PixelFormat};

use crate::error::DecodeError;
use crate::format::Format;
use crate::orientation::{Orientation, transform, transformed};
use crate::read::{DecodeOptions, check_size};
use crate::samples::{cmyk_to_rgb, four_to_three};

/// Width and height from the frame header.
pub(crate) fn dimensions(bytes: &[u8]) -> Result<(u32, u32), DecodeError> {
    let info = libjpeg_turbo_rs::probe(bytes).map_err(jpeg_error)?;
    Ok((info.width as u32, info.height as u32))
}

pub(crate) fn decode(bytes: &[u8], options: &DecodeOptions) -> Result<RgbImage, DecodeError> {
    let decoded = samples(bytes, options, None)?;
    let [width, height] = decoded.size.map(|side| side as u32);
    let image = RgbImage::from_raw(width, height, decoded.data)
        .ok_or_else(|| DecodeError::damaged(Format::Jpeg, "its data do not match its size"))?;
    Ok(transformed(image, decoded.transform))
}

/// What was decoded.
pub(crate) struct Samples {
    /// Columns and rows.
    pub size: [usize; 2],
    /// The samples of each pixel side by side.
    pub data: Vec<u8>,
    /// How to turn it, if the options ask for that.
    pub transform: Option<Transform>,
}

/// The samples of a JPEG in RGB, or as `part` of another file in a format and from a colour space that the
/// file says.
pub(crate) fn samples(
    bytes: &[u8],
    options: &DecodeOptions,
    part: Option<(PixelFormat, ColorSpace)>,
) -> Result<Samples, DecodeError> {
    let limits = DecodeLimits {
        max_pixels: options.max_pixels,
        ..DecodeLimits::default()
    };
    let mut decoder = Decoder::new_with_limits(bytes, limits).map_err(jpeg_error)?;
    let header = decoder.header();
    let (width, height) = (header.width, header.height);
    check_size((width.into(), height.into()), options.max_pixels)?;
    let transform = match options.orientation {
        Orientation::AsStored => None,
        Orientation::Exif => transform(decoder.exif_data(), decoder.xmp_data()),
    };
    let colours = decoder.jpeg_color_space();
    let four_inks = matches!(colours, ColorSpace::Cmyk | ColorSpace::Ycck);
    if four_inks {
        check_inks(&decoder.header().components)?;
    }
    let format = match part {
        Some((_, space)) if space != colours => {
            let what = format!("{colours:?} colours where {space:?} is announced");
            return Err(DecodeError::unsupported(Format::Jpeg, what));
        }
        Some((format, _)) => format,
        None if four_inks => PixelFormat::Cmyk,
        None => PixelFormat::Rgb,
    };
    decoder.set_output_format(format);
    let mut data = decoder.decode_image().map_err(jpeg_error)?.data;
    if part.is_none() && four_inks {
        // JPEGs store inks inverted by Adobe's convention, which Pillow assumes whether the file is marked or not.
        four_to_three(&mut data, |stored| {
            cmyk_to_rgb([0, 1, 2, 3].map(|ink| 255 - stored[ink]))
        });
    }
    Ok(Samples {
        size: [width.into(), height.into()],
        data,
        transform,
    })
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
    let what = "CMYK with unusual sampling factors";
    Err(DecodeError::unsupported(Format::Jpeg, what))
}

fn jpeg_error(error: JpegError) -> DecodeError {
    match error {
        JpegError::Unsupported(what) => DecodeError::unsupported(Format::Jpeg, what),
        error @ (JpegError::LimitExceeded { .. } | JpegError::AllocationFailed { .. }) => {
            DecodeError::unsupported(Format::Jpeg, error.to_string())
        }
        JpegError::UnexpectedEof => DecodeError::damaged(Format::Jpeg, "it ends too early"),
        error => DecodeError::damaged(Format::Jpeg, error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            assert!(
                error.to_string().contains("CMYK with unusual sampling"),
                "{error}"
            );
        }
    }
}
