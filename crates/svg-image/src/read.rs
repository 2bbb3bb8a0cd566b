//! Decoding to RGB, as Pillow does it.
//!
//! The format is detected from the first bytes, never from a name. The result equals
//! `Image.open(…).convert("RGB")`: grey is repeated in three channels, palettes are looked up, TIFFs are turned
//! by their orientation, and transparency is *dropped*, not blended with a background. 16-bit samples keep
//! their high byte. Pillow does the same for colours but saturates grey samples at 255, which makes nearly
//! every grey 16-bit picture white; this is not reproduced.
//!
//! Files that Pillow rejects, such as truncated ones, are errors. JPEGs with damaged compressed data are
//! errors too, although libjpeg warns and decodes what it can.

use std::io::Cursor;
use std::path::Path;

use image::error::ImageError as Error;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, RgbImage};

use crate::error::{DecodeError, ImageError};
use crate::format::Format;
use crate::orientation::{Orientation, transform, transformed};
use crate::samples::to_rgb;
use crate::{bmp, gif, jpeg, png, pnm, tiff};

/// Options for decoding pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodeOptions {
    /// Handling of the orientation. Default: [`Orientation::AsStored`].
    pub orientation: Orientation,
    /// Maximum number of pixels. Default: 178 956 970, as in Pillow.
    pub max_pixels: u64,
}

impl Default for DecodeOptions {
    fn default() -> Self {
        // Pillow's `MAX_IMAGE_PIXELS` is a quarter gigabyte of RGB; it warns above it and rejects above twice.
        Self {
            orientation: Orientation::default(),
            max_pixels: 2 * (1024 * 1024 * 1024 / 4 / 3),
        }
    }
}

/// Decodes a picture to 8-bit RGB; of an animation, the first frame, of several pages, the first.
///
/// Peak memory is about twice that of the pixels, and about three times for a progressive JPEG, whose
/// coefficients are held.
///
/// # Errors
///
/// If the format is not read, if the data are truncated or damaged, if the header announces no pixels or
/// more than `options.max_pixels` (checked before allocating), or if the picture is of a kind that is not read,
/// such as floating-point samples. The error says which.
pub fn decode(bytes: &[u8], options: &DecodeOptions) -> Result<RgbImage, DecodeError> {
    guarded(|| match Format::of(bytes)? {
        Format::Jpeg => jpeg::decode(bytes, options),
        Format::Tiff => tiff::decode(bytes, options),
        Format::Gif => gif::decode(bytes, options),
        Format::Pnm => pnm::decode(bytes, options),
        Format::Png => decode_png(bytes, options),
        Format::Bmp => {
            let image = decode_other(bytes, Format::Bmp, options)?;
            Ok(bmp::truncated(bytes, image))
        }
        Format::WebP => decode_other(bytes, Format::WebP, options),
    })
}

/// Reads and decodes a picture file. Errors name the file.
///
/// # Errors
///
/// If the file cannot be read, and as [`decode`].
pub fn read_image(path: impl AsRef<Path>, options: &DecodeOptions) -> Result<RgbImage, ImageError> {
    let path = path.as_ref();
    let name = path.display().to_string();
    let bytes = svg_store::read_file(path).map_err(ImageError::read(&name))?;
    decode(&bytes, options).map_err(|cause| ImageError::Decode { name, cause })
}

/// Width and height of a picture as stored, from its header.
///
/// # Errors
///
/// If the format is not read or the header is damaged.
pub fn dimensions(bytes: &[u8]) -> Result<(u32, u32), DecodeError> {
    guarded(|| match Format::of(bytes)? {
        Format::Jpeg => jpeg::dimensions(bytes),
        Format::Tiff => tiff::dimensions(bytes),
        Format::Gif => gif::dimensions(bytes),
        Format::Pnm => pnm::dimensions(bytes),
        format => decoder(bytes, format, u64::MAX).map(|decoder| decoder.dimensions()),
    })
}

/// Converts a panic of a decoder into an error, so that a damaged file that triggers a bug in one of the
/// decoders does not end a long training run.
fn guarded<T>(read: impl FnOnce() -> Result<T, DecodeError>) -> Result<T, DecodeError> {
    // Only the result outlives the call, so no inconsistent state can be observed.
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(read))
        .unwrap_or(Err(DecodeError::Panicked))
}

/// Checks the size in the header before memory for the pixels is allocated.
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

/// The decoder of the `image` crate.
fn decoder(
    bytes: &[u8],
    format: Format,
    max_bytes: u64,
) -> Result<impl ImageDecoder + '_, DecodeError> {
    let mut reader = ImageReader::new(Cursor::new(bytes));
    reader.set_format(match format {
        Format::Bmp => ImageFormat::Bmp,
        Format::WebP => ImageFormat::WebP,
        _ => ImageFormat::Png,
    });
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(max_bytes);
    reader.limits(limits);
    reader
        .into_decoder()
        .map_err(|error| explained(error, format))
}

fn decode_png(bytes: &[u8], options: &DecodeOptions) -> Result<RgbImage, DecodeError> {
    let bytes = png::ended(bytes);
    let image = pixels(&bytes, Format::Png, options)?;
    Ok(match options.orientation {
        Orientation::AsStored => image,
        Orientation::Exif => {
            let (exif, xmp) = png::metadata(&bytes);
            transformed(image, transform(exif.as_deref(), xmp.as_deref()))
        }
    })
}

fn decode_other(
    bytes: &[u8],
    format: Format,
    options: &DecodeOptions,
) -> Result<RgbImage, DecodeError> {
    let image = pixels(bytes, format, options)?;
    if options.orientation == Orientation::AsStored {
        return Ok(image);
    }
    // Damaged metadata do not make the picture unusable.
    let mut decoder = decoder(bytes, format, u64::MAX)?;
    let exif = decoder.exif_metadata().ok().flatten();
    let xmp = decoder.xmp_metadata().ok().flatten();
    Ok(transformed(
        image,
        transform(exif.as_deref(), xmp.as_deref()),
    ))
}

/// The pixels as they are stored.
fn pixels(bytes: &[u8], format: Format, options: &DecodeOptions) -> Result<RgbImage, DecodeError> {
    // Eight bytes per pixel for the widest samples, the same for a decoder's working copy, and space for
    // its tables.
    let max_bytes = options
        .max_pixels
        .saturating_mul(16)
        .saturating_add(1 << 24);
    let decoder = decoder(bytes, format, max_bytes)?;
    check_size(decoder.dimensions(), options.max_pixels)?;
    let image = DynamicImage::from_decoder(decoder);
    to_rgb(image.map_err(|error| explained(error, format))?, format)
}

fn explained(error: Error, format: Format) -> DecodeError {
    match error {
        Error::Unsupported(error) => DecodeError::unsupported(format, error.to_string()),
        Error::Limits(error) => DecodeError::unsupported(format, error.to_string()),
        Error::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            DecodeError::damaged(format, "it ends too early")
        }
        error => DecodeError::damaged(format, error.to_string()),
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
    fn truncated_pictures_are_errors() {
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
    fn pictures_too_large_are_rejected_by_their_header() {
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
    fn the_pixel_limit_is_configurable() {
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
    fn unknown_formats_are_errors_that_name_the_known_ones() {
        for bytes in [&b"text"[..], b"\xff", b"\xff\xd8", b"GIF", b"<"] {
            let error = error(bytes);
            assert!(
                matches!(error, DecodeError::UnknownFormat),
                "{bytes:?}: {error}"
            );
        }
        assert!(error(b"text").to_string().contains("JPEG, PNG"));
        assert!(error(b"").to_string().contains("the file is empty"));
        // Magic bytes of known formats without content.
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
    fn a_panic_of_a_decoder_becomes_an_error() {
        let result: Result<(), _> = guarded(|| panic!("a decoder's mistake"));
        assert!(matches!(result, Err(DecodeError::Panicked)));
    }

    #[test]
    fn read_errors_name_the_file() {
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
