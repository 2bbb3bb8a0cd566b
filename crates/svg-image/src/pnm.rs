//! Portable bitmaps, greymaps and pixmaps, as Pillow reads them.
//!
//! Samples are scaled from the largest value in the header to 8 bits by `round(255 v / max)`, halves to even. The
//! `image` crate rounds halves up, and scales colours of more than 8 bits to 16.

use image::RgbImage;

use crate::error::DecodeError;
use crate::format::Format;
use crate::read::{DecodeOptions, check_size};

/// Width and height from the header.
pub(crate) fn dimensions(bytes: &[u8]) -> Result<(u32, u32), DecodeError> {
    Header::read(bytes).map(|(header, _)| header.size)
}

pub(crate) fn decode(bytes: &[u8], options: &DecodeOptions) -> Result<RgbImage, DecodeError> {
    let (header, data) = Header::read(bytes)?;
    check_size(header.size, options.max_pixels)?;
    let (width, height) = header.size;
    let count = width as usize * height as usize * header.channels;
    let samples = match (header.is_plain, header.most) {
        (true, _) => header.plain(data, count)?,
        (false, 0) => bits(data, width as usize, height as usize)?,
        (false, 1..=255) => data
            .get(..count)
            .ok_or_else(cut)?
            .iter()
            .map(|&sample| header.scaled(sample.into()))
            .collect(),
        (false, _) => data
            .get(..2 * count)
            .ok_or_else(cut)?
            .chunks_exact(2)
            .map(|pair| header.scaled(u16::from_be_bytes([pair[0], pair[1]]).into()))
            .collect(),
    };
    let samples = match header.channels {
        1 => samples.iter().flat_map(|&grey| [grey; 3]).collect(),
        _ => samples,
    };
    Ok(RgbImage::from_raw(width, height, samples).expect("three samples a pixel"))
}

struct Header {
    size: (u32, u32),
    channels: usize,
    /// Whether samples are written in digits.
    is_plain: bool,
    /// The sample of white; 0 in bitmaps.
    most: u32,
}

impl Header {
    /// The header and what follows it.
    fn read(bytes: &[u8]) -> Result<(Self, &[u8]), DecodeError> {
        let kind = bytes.get(1).copied().unwrap_or_default();
        let mut words = Words(bytes.get(2..).unwrap_or_default());
        let size = (words.number()?, words.number()?);
        let is_bitmap = matches!(kind, b'1' | b'4');
        let most = match is_bitmap {
            true => 0,
            false => words.number()?,
        };
        if !is_bitmap && !(1..=65535).contains(&most) {
            let reason = format!("its largest sample is {most}, outside 1 to 65535");
            return Err(DecodeError::damaged(Format::Pnm, reason));
        }
        let header = Self {
            size,
            channels: if matches!(kind, b'3' | b'6') { 3 } else { 1 },
            is_plain: kind <= b'3',
            most,
        };
        Ok((header, words.0))
    }

    /// A sample in 8 bits.
    fn scaled(&self, sample: u32) -> u8 {
        let share = f64::from(sample.min(self.most)) / f64::from(self.most);
        match self.channels == 1 && self.most > 255 {
            // Grey of 16 bits, of which the high byte is kept.
            true => ((share * 65535.0).round_ties_even() as u16 >> 8) as u8,
            false => (share * 255.0).round_ties_even() as u8,
        }
    }

    /// Samples in digits.
    fn plain(&self, data: &[u8], count: usize) -> Result<Vec<u8>, DecodeError> {
        let mut words = Words(data);
        // Each sample has a byte at least, so a header cannot ask for more memory than that.
        let mut samples = Vec::with_capacity(count.min(data.len()));
        for _ in 0..count {
            samples.push(match self.most {
                0 => words.bit()?,
                most => match words.number()? {
                    sample if sample > most => {
                        let reason = format!("a sample is {sample}, above the largest, {most}");
                        return Err(DecodeError::damaged(Format::Pnm, reason));
                    }
                    sample => self.scaled(sample),
                },
            });
        }
        Ok(samples)
    }
}

/// Rows of bits that begin with a new byte each; 1 is black.
fn bits(data: &[u8], width: usize, height: usize) -> Result<Vec<u8>, DecodeError> {
    let stride = width.div_ceil(8);
    let rows = data.get(..stride * height).ok_or_else(cut)?;
    let row = |row: &[u8]| -> Vec<u8> {
        let bit = |at: usize| (row[at / 8] >> (7 - at % 8)) & 1;
        (0..width).map(|at| 255 * (1 - bit(at))).collect()
    };
    Ok(rows.chunks_exact(stride.max(1)).flat_map(row).collect())
}

/// Numbers between white space and comments.
struct Words<'a>(&'a [u8]);

impl Words<'_> {
    /// Passes over white space and comments.
    fn skip(&mut self) {
        while let [first, rest @ ..] = self.0 {
            self.0 = match first {
                b'#' => {
                    let is_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
                    let end = rest.iter().position(is_end).unwrap_or(rest.len());
                    &rest[end..]
                }
                first if first.is_ascii_whitespace() => rest,
                _ => return,
            };
        }
    }

    /// A number, with one byte of white space after it.
    fn number(&mut self) -> Result<u32, DecodeError> {
        self.skip();
        let digits = self.0.iter().take_while(|byte| byte.is_ascii_digit());
        let (digits, rest) = self.0.split_at(digits.count());
        let text = std::str::from_utf8(digits).unwrap_or_default();
        let number = text.parse().map_err(|_| match self.0 {
            [] => cut(),
            _ => DecodeError::damaged(Format::Pnm, "there is no number where one should be"),
        })?;
        self.0 = match rest {
            [space, rest @ ..] if space.is_ascii_whitespace() => rest,
            rest => rest,
        };
        Ok(number)
    }

    /// A sample of a plain bitmap, which needs no white space after it.
    fn bit(&mut self) -> Result<u8, DecodeError> {
        self.skip();
        let (bit, rest) = match self.0 {
            [b'0', rest @ ..] => (255, rest),
            [b'1', rest @ ..] => (0, rest),
            [] => return Err(cut()),
            _ => {
                let reason = "there is no 0 or 1 where one should be";
                return Err(DecodeError::damaged(Format::Pnm, reason));
            }
        };
        self.0 = rest;
        Ok(bit)
    }
}

fn cut() -> DecodeError {
    DecodeError::damaged(Format::Pnm, "it ends too early")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first samples of the pixels.
    fn levels(bytes: &[u8]) -> Vec<u8> {
        let image = decode(bytes, &DecodeOptions::default()).unwrap();
        image.pixels().map(|pixel| pixel.0[0]).collect()
    }

    #[test]
    fn samples_are_scaled_from_the_largest_value() {
        assert_eq!(levels(b"P2\n3 1\n# half\n100\n0 50 100"), [0, 128, 255]);
        assert_eq!(levels(b"P5 3 1 15\n\x00\x07\x0f"), [0, 119, 255]);
        let colours = b"P6 2 1 1000\n\x03\xe8\0\0\0\0\x01\xf4\0\0\0\0";
        assert_eq!(levels(colours), [255, 128]);
        let grey = b"P5 2 1 1000\n\x03\xe8\x01\xf4";
        assert_eq!(levels(grey), [255, 128]);
    }

    #[test]
    fn bitmaps_are_black_where_bits_are_set() {
        assert_eq!(levels(b"P1 3 1\n1 01"), [0, 255, 0]);
        assert_eq!(levels(b"P4 3 2\n\xa0\x40"), [0, 255, 0, 255, 0, 255]);
    }

    #[test]
    fn what_is_missing_or_wrong_is_said() {
        let error = |bytes: &[u8]| {
            let result = decode(bytes, &DecodeOptions::default());
            result.unwrap_err().to_string()
        };
        assert!(error(b"P5 3 1 255\n\x00\x07").contains("ends too early"));
        assert!(error(b"P2 3 1 255\n0 1").contains("ends too early"));
        assert!(error(b"P2 3 1 9\n0 1 10").contains("a sample is 10"));
        assert!(error(b"P2 3 1 0\n0 1 10").contains("largest sample is 0"));
        assert!(error(b"P2 3 x").contains("no number"));
        assert!(error(b"P1 3 1 012").contains("no 0 or 1"));
    }
}
