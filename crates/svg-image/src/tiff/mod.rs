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
