//! The first frame of a GIF, as Pillow shows it.
//!
//! The `gif` crate decodes; the `image` crate's decoder would leave black what the frame does not cover, where
//! Pillow has the transparent colour, or else the first one.

use std::io::Cursor;

use gif::{ColorOutput, Decoder, DecodingError};
use image::RgbImage;

use crate::error::DecodeError;
use crate::format::Format;
use crate::read::{DecodeOptions, check_size};

/// Width and height of the screen.
pub(crate) fn dimensions(bytes: &[u8]) -> Result<(u32, u32), DecodeError> {
    let decoder = open(bytes)?;
    Ok((decoder.width().into(), decoder.height().into()))
}

pub(crate) fn decode(bytes: &[u8], options: &DecodeOptions) -> Result<RgbImage, DecodeError> {
    let mut decoder = open(bytes)?;
    let screen = [decoder.width(), decoder.height()].map(u32::from);
    let frame = decoder.next_frame_info().map_err(gif_error)?;
    let frame = frame.ok_or_else(|| DecodeError::damaged(Format::Gif, "it holds no frame"))?;
    let place = [frame.left, frame.top].map(u32::from);
    let size = [frame.width, frame.height].map(u32::from);
    // A frame that exceeds the screen enlarges it.
    let [width, height] = [0, 1].map(|axis| screen[axis].max(place[axis] + size[axis]));
    check_size((width, height), options.max_pixels)?;
    let beside = frame.transparent.unwrap_or(0);
    let mut indices = vec![0; decoder.buffer_size()];
    decoder.read_into_buffer(&mut indices).map_err(gif_error)?;
    let palette = decoder.palette().map_err(gif_error)?;
    let colour = |index: u8| {
        let at = 3 * usize::from(index);
        let colour = palette.get(at..at + 3).map(|rgb| [rgb[0], rgb[1], rgb[2]]);
        // What a palette lacks is black.
        image::Rgb(colour.unwrap_or_default())
    };
    let mut picture = RgbImage::from_pixel(width, height, colour(beside));
    for (row, line) in indices.chunks_exact(size[0].max(1) as usize).enumerate() {
        for (column, &index) in line.iter().enumerate() {
            let (x, y) = (place[0] + column as u32, place[1] + row as u32);
            picture.put_pixel(x, y, colour(index));
        }
    }
    Ok(picture)
}

fn open(bytes: &[u8]) -> Result<Decoder<Cursor<&[u8]>>, DecodeError> {
    let mut options = gif::DecodeOptions::new();
    options.set_color_output(ColorOutput::Indexed);
    // The size is checked before memory is allocated.
    options.set_memory_limit(gif::MemoryLimit::Unlimited);
    options.read_info(Cursor::new(bytes)).map_err(gif_error)
}

fn gif_error(error: DecodingError) -> DecodeError {
    match error.to_string() {
        text if text.contains("no color table") => {
            DecodeError::unsupported(Format::Gif, "no palette")
        }
        text => DecodeError::damaged(Format::Gif, text),
    }
}
