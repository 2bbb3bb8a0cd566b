//! What samples mean, as Pillow converts them to RGB.

use image::RgbImage;

use super::damaged;
use super::tags::{Colours, Kind, Tags};
use crate::error::DecodeError;
use crate::samples::cmyk_to_rgb;

/// The picture of samples that lie side by side.
pub(super) fn to_rgb(samples: Vec<u8>, tags: &Tags, kind: &Kind) -> Result<RgbImage, DecodeError> {
    let (width, height) = tags.size()?;
    let most = (1_u16 << kind.bits.min(8)) - 1;
    // Numbers of fewer bits are grey levels from 0 to 255 in equal steps.
    let grey = |sample: u8| (u16::from(sample) * 255 / most) as u8;
    let each = |rgb: &dyn Fn(&[u8]) -> [u8; 3]| -> Vec<u8> {
        samples.chunks_exact(kind.channels).flat_map(rgb).collect()
    };
    let rgb = match kind.colours {
        Colours::BlackIsZero => each(&|pixel| [grey(pixel[0]); 3]),
        Colours::WhiteIsZero => each(&|pixel| [255 - grey(pixel[0]); 3]),
        Colours::Rgb | Colours::YCbCr if kind.channels == 3 => samples,
        Colours::Rgb | Colours::YCbCr => each(&|pixel| [pixel[0], pixel[1], pixel[2]]),
        Colours::Premultiplied => each(&divided),
        Colours::Cmyk => each(&|pixel| cmyk_to_rgb([pixel[0], pixel[1], pixel[2], pixel[3]])),
        Colours::Palette => {
            let count = 1 << kind.bits;
            let palette = tags.palette().filter(|palette| palette.len() >= 3 * count);
            let palette = palette.ok_or_else(|| damaged("its palette is missing or too short"))?;
            let level = |at: usize| (palette[at] >> 8) as u8;
            each(&|pixel| [0, 1, 2].map(|channel| level(channel * count + usize::from(pixel[0]))))
        }
    };
    Ok(RgbImage::from_raw(width, height, rgb).expect("three samples a pixel"))
}

/// A colour that was multiplied by the alpha sample behind it.
fn divided(pixel: &[u8]) -> [u8; 3] {
    let alpha = u16::from(pixel[3]);
    [pixel[0], pixel[1], pixel[2]].map(|colour| match alpha {
        0 => 0,
        alpha => (u16::from(colour) * 255 / alpha).min(255) as u8,
    })
}
