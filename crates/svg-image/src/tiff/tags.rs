//! The tags of the first page.

use std::collections::BTreeMap;

use super::{damaged, unsupported};
use crate::error::DecodeError;
use crate::format::camera_raw;

const SUBFILE: u16 = 254;
const WIDTH: u16 = 256;
const HEIGHT: u16 = 257;
const BITS: u16 = 258;
const COMPRESSION: u16 = 259;
const PHOTOMETRIC: u16 = 262;
const FILL_ORDER: u16 = 266;
const STRIP_OFFSETS: u16 = 273;
const ORIENTATION: u16 = 274;
const SAMPLES: u16 = 277;
const ROWS_PER_STRIP: u16 = 278;
const STRIP_BYTES: u16 = 279;
const PLANAR: u16 = 284;
const PREDICTOR: u16 = 317;
const COLOUR_MAP: u16 = 320;
const TILE_WIDTH: u16 = 322;
const TILE_HEIGHT: u16 = 323;
const TILE_OFFSETS: u16 = 324;
const TILE_BYTES: u16 = 325;
const SUB_PAGES: u16 = 330;
const EXTRA_SAMPLES: u16 = 338;
const SAMPLE_FORMAT: u16 = 339;
const JPEG_TABLES: u16 = 347;
const XMP: u16 = 700;
const DNG_VERSION: u16 = 50706;

/// Samples of a pixel, at most: as many as Pillow takes. Memory for them is allocated by the directory alone.
const MOST_SAMPLES: u64 = 6;

/// What the samples of a pixel mean, where it can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Colours {
    /// Grey, 0 is white.
    WhiteIsZero,
    /// Grey, 0 is black.
    BlackIsZero,
    Rgb,
    /// Red, green and blue, multiplied by the alpha sample after them.
    Premultiplied,
    Palette,
    Cmyk,
    YCbCr,
}

/// How the samples are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    PackBits,
    Lzw,
    Deflate,
    /// Group 4.
    Fax,
    Jpeg,
}

/// The kind of a picture that can be read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind {
    pub colours: Colours,
    pub compression: Compression,
    /// Samples of a pixel.
    pub channels: usize,
    /// Bits of a sample: 1, 2, 4, 8 or 16.
    pub bits: usize,
    /// Whether the lowest bit of a byte comes first.
    pub is_reversed: bool,
    /// Whether the lowest byte of a sample comes first.
    pub is_little: bool,
    /// Whether differences of neighbours are stored.
    pub is_predicted: bool,
    /// Whether the samples of each channel are kept apart.
    pub is_planar: bool,
}

/// Where strips or tiles are.
pub(super) struct Places {
    /// Columns and rows of one.
    pub size: [usize; 2],
    /// Offsets and lengths, row by row.
    pub spans: Vec<(usize, usize)>,
}

pub(super) struct Tags<'a> {
    file: &'a [u8],
    is_little: bool,
    entries: BTreeMap<u16, Entry>,
}

struct Entry {
    kind: u16,
    count: usize,
    /// Where its values begin.
    at: usize,
}

impl<'a> Tags<'a> {
    pub fn read(file: &'a [u8]) -> Result<Self, DecodeError> {
        let mut tags = Self {
            file,
            is_little: file.starts_with(b"II"),
            entries: BTreeMap::new(),
        };
        let read = tags.read_entries();
        read.ok_or_else(|| damaged("it ends before its directory"))?;
        Ok(tags)
    }

    fn read_entries(&mut self) -> Option<()> {
        let is_big = self.unsigned(2, 2)? == 43;
        // Bytes of an offset, of the number of entries, and of an entry.
        let (word, start, length) = if is_big { (8, 8, 20) } else { (4, 2, 12) };
        let directory = index(self.unsigned(word, word)?)?;
        let count = index(self.unsigned(directory, start)?)?;
        let first = directory.checked_add(start)?;
        for number in 0..count {
            let entry = first.checked_add(number.checked_mul(length)?)?;
            let tag = self.unsigned(entry, 2)? as u16;
            let kind = self.unsigned(entry + 2, 2)? as u16;
            let count = index(self.unsigned(entry + 4, word)?)?;
            let value = entry + 4 + word;
            let is_inside = count.checked_mul(bytes_of(kind))? <= word;
            let at = match is_inside {
                true => value,
                false => index(self.unsigned(value, word)?)?,
            };
            // Of two entries of a tag, the first counts.
            self.entries.entry(tag).or_insert(Entry { kind, count, at });
        }
        Some(())
    }

    /// An unsigned number of so many bytes.
    fn unsigned(&self, at: usize, bytes: usize) -> Option<u64> {
        let bytes = self.file.get(at..at.checked_add(bytes)?)?.iter();
        let join = |number: u64, byte: &u8| (number << 8) | u64::from(*byte);
        Some(match self.is_little {
            true => bytes.rev().fold(0, join),
            false => bytes.fold(0, join),
        })
    }

    /// The unsigned numbers of a tag; `None` where it is missing, of another type or outside the file.
    fn numbers(&self, tag: u16) -> Option<Vec<u64>> {
        let entry = self.entries.get(&tag)?;
        if !matches!(entry.kind, 1 | 3 | 4 | 13 | 16 | 18) {
            return None;
        }
        let bytes = bytes_of(entry.kind);
        if entry.count > self.file.len() {
            return None;
        }
        let number = |number: usize| self.unsigned(entry.at.checked_add(number * bytes)?, bytes);
        (0..entry.count).map(number).collect()
    }

    fn number(&self, tag: u16) -> Option<u64> {
        self.numbers(tag)?.first().copied()
    }

    /// The bytes of a tag.
    fn bytes(&self, tag: u16) -> Option<&'a [u8]> {
        let entry = self.entries.get(&tag)?;
        let length = entry.count.checked_mul(bytes_of(entry.kind))?;
        self.file.get(entry.at..entry.at.checked_add(length)?)
    }

    pub fn size(&self) -> Result<(u32, u32), DecodeError> {
        let side = |tag| {
            let side = self.number(tag).and_then(|side| u32::try_from(side).ok());
            side.ok_or_else(|| damaged("it has no width and height"))
        };
        Ok((side(WIDTH)?, side(HEIGHT)?))
    }

    pub fn orientation(&self) -> Option<u32> {
        self.number(ORIENTATION)
            .map(|value| u32::try_from(value).unwrap_or(0))
    }

    pub fn xmp(&self) -> Option<&'a [u8]> {
        self.bytes(XMP)
    }

    /// The palette: all reds, all greens, all blues, of 16 bits.
    pub fn palette(&self) -> Option<Vec<u64>> {
        self.numbers(COLOUR_MAP)
    }

    pub fn jpeg_tables(&self) -> Option<&'a [u8]> {
        self.bytes(JPEG_TABLES)
    }

    /// A part of the file, as far as the file goes.
    pub fn span(&self, (offset, length): (usize, usize)) -> &'a [u8] {
        let rest = self.file.get(offset..).unwrap_or_default();
        &rest[..length.min(rest.len())]
    }

    pub fn places(&self) -> Result<Places, DecodeError> {
        let (width, height) = self.size()?;
        let is_tiled = self.entries.contains_key(&TILE_OFFSETS);
        let (size, offsets, lengths) = match is_tiled {
            true => (
                [self.number(TILE_WIDTH), self.number(TILE_HEIGHT)],
                TILE_OFFSETS,
                TILE_BYTES,
            ),
            false => {
                let rows = self.number(ROWS_PER_STRIP).unwrap_or(height.into());
                let rows = rows.min(height.into());
                ([Some(width.into()), Some(rows)], STRIP_OFFSETS, STRIP_BYTES)
            }
        };
        let places = || {
            let size = [index(size[0]?)?, index(size[1]?)?];
            let spans = self
                .numbers(offsets)?
                .into_iter()
                .zip(self.numbers(lengths)?);
            let spans = spans.map(|(offset, length)| Some((index(offset)?, index(length)?)));
            let spans = spans.collect::<Option<_>>()?;
            (!size.contains(&0)).then_some(Places { size, spans })
        };
        places().ok_or_else(|| damaged("it does not say where its strips or tiles are"))
    }

    /// The kind of the picture.
    ///
    /// # Errors
    ///
    /// If it is one that is not read; the error says which.
    pub fn kind(&self) -> Result<Kind, DecodeError> {
        let photometric = self.number(PHOTOMETRIC);
        let is_preview = self.number(SUBFILE).is_some_and(|kind| kind & 1 == 1)
            && self.entries.contains_key(&SUB_PAGES);
        let is_sensor = matches!(photometric, Some(32803 | 34892));
        if is_preview || is_sensor || self.entries.contains_key(&DNG_VERSION) {
            return Err(camera_raw());
        }
        let compression = match self.number(COMPRESSION).unwrap_or(1) {
            1 => Compression::None,
            4 => Compression::Fax,
            5 => Compression::Lzw,
            7 => Compression::Jpeg,
            8 | 32946 => Compression::Deflate,
            32773 => Compression::PackBits,
            other => return Err(unsupported(compression_name(other))),
        };
        let formats = self.numbers(SAMPLE_FORMAT).unwrap_or_default();
        if let Some(format) = formats.iter().find(|format| **format != 1) {
            let what = match format {
                2 => "signed samples",
                3 => "floating-point samples",
                5 | 6 => "complex samples",
                _ => "samples of unknown type",
            };
            return Err(unsupported(what));
        }
        let channels = self.number(SAMPLES).unwrap_or(1);
        if channels > MOST_SAMPLES {
            return Err(unsupported(format!("{channels} samples for each pixel")));
        }
        let bits = self.numbers(BITS).unwrap_or(vec![1]);
        let is_uniform = bits.iter().all(|of_sample| *of_sample == bits[0]);
        let bits = match bits[..] {
            [bits @ (1 | 2 | 4 | 8 | 16), ..] if is_uniform => bits,
            [bits, ..] if is_uniform => return Err(unsupported(format!("samples of {bits} bits"))),
            _ => return Err(unsupported(format!("samples of different bits, {bits:?}"))),
        };
        let extra = self.numbers(EXTRA_SAMPLES).unwrap_or_default();
        let colours = match (photometric, channels, bits) {
            (Some(0), 1, _) => Colours::WhiteIsZero,
            (Some(1), 1, _) => Colours::BlackIsZero,
            (Some(1), 2.., 8 | 16) if extra.first() != Some(&1) => Colours::BlackIsZero,
            (Some(1), 2.., 8 | 16) => {
                return Err(unsupported("grey multiplied by its transparency"));
            }
            (Some(2), 4.., 8 | 16) if extra.first() == Some(&1) => Colours::Premultiplied,
            (Some(2), 3.., 8 | 16) => Colours::Rgb,
            (Some(3), 1, 1..=8) | (Some(3), 2.., 8) => Colours::Palette,
            (Some(5), 4.., 8 | 16) => Colours::Cmyk,
            (Some(6), 1, 8) => Colours::BlackIsZero,
            (Some(6), 3, 8) if compression == Compression::Jpeg => Colours::YCbCr,
            _ => return Err(unsupported(colours_name(photometric, channels, bits))),
        };
        let is_planar = channels > 1 && self.number(PLANAR) == Some(2);
        if is_planar && colours == Colours::YCbCr {
            return Err(unsupported("YCbCr with the samples in separate planes"));
        }
        if compression == Compression::Jpeg && (bits != 8 || colours == Colours::Palette) {
            return Err(unsupported("JPEG compression of other than 8-bit samples"));
        }
        if compression == Compression::Fax && (bits, channels) != (1, 1) {
            return Err(unsupported("fax compression of more than black and white"));
        }
        let is_predicted = match self.number(PREDICTOR).unwrap_or(1) {
            1 => false,
            2 if matches!(compression, Compression::Lzw | Compression::Deflate) && bits >= 8 => {
                true
            }
            2 => {
                return Err(unsupported(
                    "differences of neighbours (predictor 2) in other than LZW or Deflate of 8 or 16 bits",
                ));
            }
            other => return Err(unsupported(format!("predictor {other}"))),
        };
        Ok(Kind {
            colours,
            compression,
            channels: channels as usize,
            bits: bits as usize,
            is_reversed: self.number(FILL_ORDER) == Some(2),
            is_little: self.is_little,
            is_predicted,
            is_planar,
        })
    }
}

/// Bytes of a value of a type.
fn bytes_of(kind: u16) -> usize {
    match kind {
        3 | 8 => 2,
        4 | 9 | 11 | 13 => 4,
        5 | 10 | 12 | 16 | 17 | 18 => 8,
        _ => 1,
    }
}

fn index(number: u64) -> Option<usize> {
    usize::try_from(number).ok()
}

fn compression_name(code: u64) -> String {
    let name = match code {
        2 => "CCITT run lengths",
        3 => "fax group 3",
        6 => "old-style JPEG",
        34661 => "JBIG",
        34676 | 34677 => "SGI LogLuv",
        34712 => "JPEG 2000",
        34887 => "LERC",
        34925 => "LZMA",
        50000 => "Zstandard",
        50001 => "WebP",
        50002 | 52546 => "JPEG XL",
        _ => return format!("compression {code}"),
    };
    format!("{name} compression")
}

fn colours_name(photometric: Option<u64>, channels: u64, bits: u64) -> String {
    let name = match photometric {
        None => return "no photometric interpretation".to_string(),
        Some(0 | 1) => "grey",
        Some(2) => "RGB",
        Some(3) => "palette",
        Some(4) => "transparency mask",
        Some(5) => "CMYK",
        Some(6) => "YCbCr",
        Some(8..=10) => "L*a*b*",
        Some(32844 | 32845) => "LogLuv",
        Some(other) => return format!("photometric interpretation {other}"),
    };
    format!("{name} with {channels} samples of {bits} bits")
}
