//! Samples of 5 and 6 bits, which the `image` crate rounds to 8 bits and Pillow truncates.

use image::RgbImage;

/// The picture with Pillow's samples, if the file has 16 bits for a pixel.
pub(crate) fn truncated(bytes: &[u8], mut image: RgbImage) -> RgbImage {
    if let Some(widths) = widths(bytes) {
        for pixel in image.pixels_mut() {
            for (sample, width) in pixel.0.iter_mut().zip(widths) {
                let most = (1_u32 << width) - 1;
                let number = (u32::from(*sample) * most + 127) / 255;
                *sample = (number * 255 / most) as u8;
            }
        }
    }
    image
}

/// Bits of red, green and blue.
fn widths(bytes: &[u8]) -> Option<[u32; 3]> {
    let number = |at: usize| {
        let bytes = bytes.get(at..at + 4)?.try_into().ok()?;
        Some(u32::from_le_bytes(bytes))
    };
    let (header, bits) = (number(14)?, number(28)? & 0xffff);
    if header < 40 || bits != 16 {
        return None;
    }
    let masks = match number(30)? {
        3 => [number(54)?, number(58)?, number(62)?],
        _ => [0x7c00, 0x3e0, 0x1f],
    };
    let widths = masks.map(u32::count_ones);
    widths
        .iter()
        .all(|width| matches!(width, 5 | 6))
        .then_some(widths)
}
