//! Bytes to RGB, as Pillow reads them.
//!
//! The format is told by the first bytes, never by a name. What comes out is what
//! `Image.open(…).convert("RGB")` gives: grey is repeated in three channels, a palette is looked up,
//! and transparency is *dropped*, not blended with a background. 16-bit samples keep their high
//! byte. Pillow does so too for colours, but saturates grey ones at 255, which turns nearly every
//! grey 16-bit picture white; that is not followed.
//!
//! Where Pillow gives up, as on a truncated file, so does this. It also gives up on JPEGs whose
//! compressed data are damaged, where libjpeg warns and goes on with what it can guess.

use std::io::Cursor;
use std::path::Path;

use image::metadata::Orientation as Transform;
use image::{DynamicImage, ImageDecoder, ImageReader, Limits, RgbImage};

use crate::error::{DecodeError, ImageError};
use crate::jpeg;
use crate::samples::to_rgb;

/// How pictures are decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodeOptions {
    /// What is done about a camera's note on how it was held. Default: [`Orientation::AsStored`].
    pub orientation: Orientation,
    /// Most pixels a picture may have. Default: 178 956 970, where Pillow refuses too.
    pub max_pixels: u64,
}

impl Default for DecodeOptions {
    fn default() -> Self {
        // Pillow's `MAX_IMAGE_PIXELS` is a quarter gigabyte of RGB; it warns there, refuses at twice.
        Self {
            orientation: Orientation::default(),
            max_pixels: 2 * (1024 * 1024 * 1024 / 4 / 3),
        }
    }
}

/// What is done about the EXIF orientation of a picture.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Orientation {
    /// Nothing. The pipelines that made the published weights and statistics ignore it.
    #[default]
    AsStored,
    /// The picture is turned and mirrored as a viewer would show it.
    Exif,
}

/// Decodes a picture to 8-bit RGB; of an animation, the first frame.
///
/// Holds at most the decoder's own planes beside the result: about twice the pixels, and for a
/// progressive JPEG its coefficients, about three times.
///
/// # Errors
///
/// If the bytes are of no known format, cut off or damaged, if the header announces no pixels or
/// more than `options.max_pixels` (nothing is allocated then), or if the samples are
/// floating-point numbers.
pub fn decode(bytes: &[u8], options: &DecodeOptions) -> Result<RgbImage, DecodeError> {
    guarded(|| {
        if jpeg::is_jpeg(bytes) {
            jpeg::decode(bytes, options)
        } else {
            decode_other(bytes, options)
        }
    })
}

/// Decodes a picture file; [`decode`] with the file's name in its errors.
///
/// # Errors
///
/// If the file cannot be read, and as [`decode`].
pub fn read_image(path: impl AsRef<Path>, options: &DecodeOptions) -> Result<RgbImage, ImageError> {
    let name = path.as_ref().display().to_string();
    let bytes = std::fs::read(path).map_err(|cause| ImageError::Read {
        path: name.clone(),
        cause,
    })?;
    decode(&bytes, options).map_err(|cause| ImageError::Decode { name, cause })
}

/// Columns and rows of a picture as stored, from its header.
///
/// # Errors
///
/// If the bytes are of no known format or the header is damaged.
pub fn dimensions(bytes: &[u8]) -> Result<(u32, u32), DecodeError> {
    guarded(|| {
        if jpeg::is_jpeg(bytes) {
            jpeg::dimensions(bytes)
        } else {
            other_decoder(bytes, u64::MAX).map(|decoder| decoder.dimensions())
        }
    })
}

/// Turns a panic of a decoder into an error. There are seven decoders below this crate, and a
/// training of weeks must not end at a damaged file that trips one of them.
fn guarded<T>(read: impl FnOnce() -> Result<T, DecodeError>) -> Result<T, DecodeError> {
    // Nothing outlives the call but its result, so nothing can be seen half changed.
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(read))
        .unwrap_or_else(|_| Err(DecodeError::Other("it makes its decoder fail".into())))
}

/// Refuses a picture by its header, before memory is taken for its pixels.
pub(crate) fn check_size((width, height): (u32, u32), limit: u64) -> Result<(), DecodeError> {
    match u64::from(width) * u64::from(height) {
        0 => Err(DecodeError::Empty { width, height }),
        pixels if pixels > limit => Err(DecodeError::TooLarge {
            width,
            height,
            limit,
        }),
        _ => Ok(()),
    }
}

fn other_decoder(bytes: &[u8], max_bytes: u64) -> Result<impl ImageDecoder + '_, DecodeError> {
    let mut reader = ImageReader::new(Cursor::new(bytes));
    let format = image::guess_format(bytes).map_err(|_| DecodeError::UnknownFormat)?;
    if !format.reading_enabled() {
        return Err(DecodeError::UnknownFormat);
    }
    reader.set_format(format);
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(max_bytes);
    reader.limits(limits);
    reader.into_decoder().map_err(other_error)
}

fn decode_other(bytes: &[u8], options: &DecodeOptions) -> Result<RgbImage, DecodeError> {
    // Eight bytes a pixel for the widest samples, as much again for a decoder's working copy, and
    // room for a decoder's tables.
    let max_bytes = options
        .max_pixels
        .saturating_mul(16)
        .saturating_add(1 << 24);
    let mut decoder = other_decoder(bytes, max_bytes)?;
    check_size(decoder.dimensions(), options.max_pixels)?;
    let transform = match options.orientation {
        Orientation::AsStored => None,
        // A damaged note on the orientation is no reason to lose the picture.
        Orientation::Exif => decoder.orientation().ok(),
    };
    let image = DynamicImage::from_decoder(decoder).map_err(other_error)?;
    Ok(transformed(to_rgb(image)?, transform))
}

fn other_error(error: image::ImageError) -> DecodeError {
    DecodeError::Other(error.to_string())
}

/// The picture turned and mirrored.
pub(crate) fn transformed(image: RgbImage, transform: Option<Transform>) -> RgbImage {
    match transform {
        None | Some(Transform::NoTransforms) => image,
        Some(transform) => {
            let mut image = DynamicImage::ImageRgb8(image);
            image.apply_orientation(transform);
            image.into_rgb8()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A picture of the golden set, by file name.
    fn file(name: &str) -> Vec<u8> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/files");
        std::fs::read(folder.join(name)).unwrap()
    }

    fn error(bytes: &[u8]) -> DecodeError {
        decode(bytes, &DecodeOptions::default()).unwrap_err()
    }

    #[test]
    fn a_truncated_picture_is_an_error() {
        for name in [
            "rgb_420.jpg",
            "rgb_444_progressive.jpg",
            "rgb.png",
            "rgb.bmp",
            "rgb.ppm",
        ] {
            let bytes = file(name);
            for part in [3, 2] {
                let cut = &bytes[..bytes.len() * (part - 1) / part];
                assert!(
                    decode(cut, &DecodeOptions::default()).is_err(),
                    "{name}, {part}"
                );
            }
        }
    }

    #[test]
    fn a_small_file_that_announces_a_huge_picture_is_refused_by_its_header() {
        let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
        png.extend(60_000_u32.to_be_bytes());
        png.extend(60_000_u32.to_be_bytes());
        png.extend([8, 2, 0, 0, 0]);
        png.extend(crc32(&png[12..]).to_be_bytes());
        png.extend(b"\0\0\0\0IDAT\x35\xaf\x06\x1e");
        assert_eq!(dimensions(&png).unwrap(), (60_000, 60_000));

        // The size in the frame header follows its marker, length and precision.
        let mut jpeg = file("rgb_420.jpg");
        let frame = jpeg
            .windows(2)
            .position(|marker| marker == [0xff, 0xc0])
            .unwrap();
        jpeg[frame + 5..frame + 9].copy_from_slice(&[0xea, 0x60, 0xea, 0x60]);

        for bytes in [png, jpeg] {
            let error = error(&bytes);
            let (width, height, limit) = (60_000, 60_000, 178_956_970);
            assert!(
                matches!(error, DecodeError::TooLarge { width: w, height: h, limit: l }
                    if (w, h, l) == (width, height, limit)),
                "{error}"
            );
            assert!(error.to_string().contains("max_pixels"));
        }
    }

    #[test]
    fn the_limit_is_the_callers() {
        let bytes = file("rgb.png");
        let (width, height) = dimensions(&bytes).unwrap();
        let pixels = u64::from(width) * u64::from(height);
        let limited = |max_pixels| DecodeOptions {
            max_pixels,
            ..DecodeOptions::default()
        };
        assert!(decode(&bytes, &limited(pixels)).is_ok());
        assert!(decode(&bytes, &limited(pixels - 1)).is_err());
        assert!(decode(&file("rgb_420.jpg"), &limited(pixels - 1)).is_err());
    }

    #[test]
    fn bytes_of_no_format_say_what_is_read() {
        for bytes in [
            &b""[..],
            b"\xff",
            b"\xff\xd8",
            b"GIF",
            b"<svg/>",
            b"\0\0\0\x1cftypavif",
        ] {
            let error = error(bytes);
            assert!(
                matches!(error, DecodeError::UnknownFormat),
                "{bytes:?}: {error}"
            );
        }
        assert!(error(b"").to_string().contains("JPEG, PNG"));
        // The beginnings of known formats, and no more.
        for bytes in [
            &b"\xff\xd8\xff"[..],
            b"\x89PNG\r\n\x1a\n",
            b"BM",
            b"P6 0 0 255\n",
            b"GIF89a",
        ] {
            assert!(
                decode(bytes, &DecodeOptions::default()).is_err(),
                "{bytes:?}"
            );
        }
    }

    #[test]
    fn a_panic_of_a_decoder_is_an_error() {
        let result: Result<(), _> = guarded(|| panic!("a decoder's mistake"));
        assert!(matches!(result, Err(DecodeError::Other(_))));
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named() {
        let error = read_image("no/such.png", &DecodeOptions::default()).unwrap_err();
        assert!(error.to_string().contains("no/such.png"), "{error}");
    }

    /// The checksum of PNG chunks, bit by bit.
    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0, |crc, &byte| {
            (0..8).fold(crc ^ u32::from(byte), |crc, _| {
                (crc >> 1) ^ (0xedb8_8320 * (crc & 1))
            })
        })
    }
}
