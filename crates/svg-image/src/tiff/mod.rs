//! TIFF as Pillow reads it: the first page, turned by its orientation.
//!
//! The `tiff` crate (0.11.3) is not used: it knows no palettes and ignores reversed bits, fails on intact tiles in
//! LZW and on tiles in planes, and its JPEGs differ from libjpeg's. Compressed data are for crates of their own;
//! what is here is where strips and tiles are and what their samples mean.

mod chunks;
mod colours;
mod tags;
mod unpack;

use image::RgbImage;

use crate::error::DecodeError;
use crate::format::Format;
use crate::orientation::{transform_of, transformed};
use crate::read::{DecodeOptions, check_size};

use tags::Tags;

/// Width and height of the first page as stored.
pub(crate) fn dimensions(bytes: &[u8]) -> Result<(u32, u32), DecodeError> {
    Tags::read(bytes)?.size()
}

pub(crate) fn decode(bytes: &[u8], options: &DecodeOptions) -> Result<RgbImage, DecodeError> {
    let tags = Tags::read(bytes)?;
    check_size(tags.size()?, options.max_pixels)?;
    let kind = tags.kind()?;
    let samples = chunks::samples(&tags, &kind, options)?;
    let image = colours::to_rgb(samples, &tags, &kind)?;
    let transform = transform_of(tags.orientation(), tags.xmp());
    Ok(transformed(image, transform))
}

fn unsupported(what: impl Into<String>) -> DecodeError {
    DecodeError::unsupported(Format::Tiff, what)
}

fn damaged(reason: impl Into<String>) -> DecodeError {
    DecodeError::damaged(Format::Tiff, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A TIFF of 4 x 4 pixels in LZW with these 32-bit tags and no others.
    fn lzw(tags: &[(u16, u32)]) -> Vec<u8> {
        let common = [(256, 4), (257, 4), (258, 8), (259, 5), (262, 2)];
        let mut all: Vec<_> = common.iter().chain(tags).copied().collect();
        all.sort_unstable();
        let mut bytes = b"II*\0\x08\0\0\0".to_vec();
        bytes.extend((all.len() as u16).to_le_bytes());
        for (tag, value) in all {
            bytes.extend(u16::to_le_bytes(tag));
            bytes.extend(b"\x04\0\x01\0\0\0");
            bytes.extend(u32::to_le_bytes(value));
        }
        bytes.extend([0; 64]);
        bytes
    }

    #[test]
    fn memory_that_a_directory_asks_for_is_checked_before_it_is_allocated() {
        let error = |tags: &[(u16, u32)]| {
            let result = decode(&lzw(tags), &DecodeOptions::default());
            result.unwrap_err().to_string()
        };
        let strip = [(273, 80), (278, 4), (279, 16)];
        let many = error(&[&[(277, 1 << 31)], &strip[..]].concat());
        assert!(many.contains("2147483648 samples for each pixel"), "{many}");
        // Tiles of a kibibyte to the side are small, and these are not.
        for (columns, expected) in [(1 << 10, "a strip or tile"), (u32::MAX, "4294967295 x 4")] {
            let tile = [
                (277, 3),
                (322, columns),
                (323, 1 << 10),
                (324, 80),
                (325, 16),
            ];
            let error = error(&tile);
            assert!(error.contains(expected), "{error}");
        }
    }
}
