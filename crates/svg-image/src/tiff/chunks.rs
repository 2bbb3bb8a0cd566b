//! Strips and tiles.

use libjpeg_turbo_rs::{ColorSpace, PixelFormat};

use super::tags::{Colours, Compression, Kind, Places, Tags};
use super::unpack::unpacked;
use super::{damaged, unsupported};
use crate::error::DecodeError;
use crate::jpeg::{self, Samples};
use crate::read::{DecodeOptions, check_size};

/// A marker of Adobe that says how colours are stored: 0 as they are, 1 as YCbCr.
const COLOURS: [u8; 16] = *b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0\0";

/// The samples of each pixel side by side, of 8 bits: high bytes of wider samples, numbers below `2^bits` of
/// narrower ones.
pub(super) fn samples(
    tags: &Tags,
    kind: &Kind,
    options: &DecodeOptions,
) -> Result<Vec<u8>, DecodeError> {
    let (width, height) = tags.size()?;
    let [width, height] = [width as usize, height as usize];
    let Places { size, spans } = tags.places()?;
    check_chunk(size, height, options)?;
    let across = width.div_ceil(size[0]);
    let of_plane = across * height.div_ceil(size[1]);
    let (planes, per_pixel) = match kind.is_planar {
        true => (kind.channels, 1),
        false => (1, kind.channels),
    };
    if spans.len() < of_plane * planes {
        return Err(damaged("it has too few strips or tiles"));
    }
    let mut samples = vec![0; width * height * kind.channels];
    for (index, span) in spans.into_iter().take(of_plane * planes).enumerate() {
        let (plane, number) = (index / of_plane, index % of_plane);
        let [left, top] = [number % across * size[0], number / across * size[1]];
        let [columns, rows] = [size[0].min(width - left), size[1].min(height - top)];
        let stored = tags.span(span);
        let (stride, chunk) = match kind.compression {
            Compression::Jpeg => pixels_of_jpeg(stored, tags, kind, options)?,
            _ => (size[0], unpacked(stored, kind, [size[0], rows], per_pixel)?),
        };
        if stride < columns || chunk.len() < stride * rows * per_pixel {
            return Err(damaged("a strip or tile is too small"));
        }
        for (row, line) in chunk
            .chunks_exact(stride * per_pixel)
            .take(rows)
            .enumerate()
        {
            let start = (top + row) * width + left;
            let target = &mut samples[start * kind.channels..(start + columns) * kind.channels];
            let line = &line[..columns * per_pixel];
            match kind.is_planar {
                false => target.copy_from_slice(line),
                true => {
                    let places = target.iter_mut().skip(plane).step_by(kind.channels);
                    places
                        .zip(line)
                        .for_each(|(place, sample)| *place = *sample);
                }
            }
        }
    }
    Ok(samples)
}

/// Checks the size of a strip or tile before memory for it is allocated: a tile may be larger than the picture.
fn check_chunk(
    [columns, rows]: [usize; 2],
    height: usize,
    options: &DecodeOptions,
) -> Result<(), DecodeError> {
    let side = |side: usize| u32::try_from(side).unwrap_or(u32::MAX);
    // Rows below the picture are not read.
    check_size((side(columns), side(rows.min(height))), options.max_pixels)
}

/// Columns and samples of a strip or tile that is a JPEG.
fn pixels_of_jpeg(
    stored: &[u8],
    tags: &Tags,
    kind: &Kind,
    options: &DecodeOptions,
) -> Result<(usize, Vec<u8>), DecodeError> {
    let (format, space) = match (kind.colours, kind.channels) {
        (Colours::BlackIsZero | Colours::WhiteIsZero, 1) => {
            (PixelFormat::Grayscale, ColorSpace::Grayscale)
        }
        _ if kind.is_planar => (PixelFormat::Grayscale, ColorSpace::Grayscale),
        (Colours::Rgb, 3) => (PixelFormat::Rgb, ColorSpace::Rgb),
        (Colours::YCbCr, 3) => (PixelFormat::Rgb, ColorSpace::YCbCr),
        // Four samples as they are, whatever they mean.
        (_, 4) => (PixelFormat::Cmyk, ColorSpace::Cmyk),
        _ => {
            return Err(unsupported(
                "JPEG compression of other than 1, 3 or 4 samples",
            ));
        }
    };
    let stream = stream(stored, tags.jpeg_tables(), space == ColorSpace::YCbCr);
    let stream = stream.ok_or_else(|| damaged("a strip or tile is no JPEG"))?;
    let Samples { size, data, .. } = jpeg::samples(&stream, options, Some((format, space)))?;
    Ok((size[0], data))
}

/// A strip or tile with the tables of all of them and the mark of its colours.
fn stream(stored: &[u8], tables: Option<&[u8]>, is_ycbcr: bool) -> Option<Vec<u8>> {
    const START: &[u8] = b"\xff\xd8";
    const END: &[u8] = b"\xff\xd9";
    let body = stored.strip_prefix(START)?;
    let tables = tables.unwrap_or_default();
    let tables = tables.strip_prefix(START).unwrap_or(tables);
    let tables = tables.strip_suffix(END).unwrap_or(tables);
    let mut colours = COLOURS;
    colours[15] = is_ycbcr.into();
    Some([START, &colours, tables, body].concat())
}
