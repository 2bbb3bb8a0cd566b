//! The samples of a strip or tile.

use std::borrow::Cow;
use std::io::Read;

use fax::Color;
use fax::decoder::{decode_g4, pels};
use flate2::read::ZlibDecoder;
use weezl::BitOrder;
use weezl::decode::Decoder;

use super::tags::{Compression, Kind};
use super::{damaged, unsupported};
use crate::error::DecodeError;

/// The samples of so many columns and rows, as [`super::chunks::samples`] gives them.
pub(super) fn unpacked(
    stored: &[u8],
    kind: &Kind,
    [columns, rows]: [usize; 2],
    per_pixel: usize,
) -> Result<Vec<u8>, DecodeError> {
    let count = columns * per_pixel;
    let stride = (count * kind.bits).div_ceil(8);
    let stored: Cow<[u8]> = match kind.is_reversed {
        true => stored.iter().map(|byte| byte.reverse_bits()).collect(),
        false => stored.into(),
    };
    let mut data = decompressed(&stored, kind.compression, [columns, rows], stride * rows)?;
    if kind.is_predicted {
        let lines = data.chunks_exact_mut(stride);
        lines.for_each(|line| summed(line, kind, per_pixel));
    }
    Ok(match kind.bits {
        8 => data,
        16 => {
            let high = usize::from(kind.is_little);
            data.chunks_exact(2).map(|sample| sample[high]).collect()
        }
        bits => {
            let lines = data.chunks_exact(stride.max(1));
            lines.flat_map(|line| numbers(line, count, bits)).collect()
        }
    })
}

/// Exactly `length` bytes.
fn decompressed(
    stored: &[u8],
    compression: Compression,
    size: [usize; 2],
    length: usize,
) -> Result<Vec<u8>, DecodeError> {
    let data = match compression {
        Compression::None | Compression::Jpeg => stored.get(..length).map(<[u8]>::to_vec),
        Compression::PackBits => packbits(stored, length),
        Compression::Lzw => match stored {
            // The form before TIFF 6.
            [0, second, ..] if second & 1 == 1 => {
                return Err(unsupported("LZW compression in its old form"));
            }
            _ => lzw(stored, length),
        },
        Compression::Deflate => {
            let mut data = Vec::with_capacity(length.min(stored.len().saturating_mul(1100)));
            let read = ZlibDecoder::new(stored)
                .take(length as u64)
                .read_to_end(&mut data);
            read.ok().map(|_| data)
        }
        Compression::Fax => fax(stored, size)?,
    };
    data.filter(|data| data.len() == length)
        .ok_or_else(|| damaged("a strip or tile ends too early or is not what was written"))
}

fn packbits(stored: &[u8], length: usize) -> Option<Vec<u8>> {
    let (mut data, mut rest) = (Vec::new(), stored);
    while data.len() < length {
        let (&code, after) = rest.split_first()?;
        match code {
            0..=127 => {
                let (literal, after) = after.split_at_checked(usize::from(code) + 1)?;
                data.extend(literal);
                rest = after;
            }
            128 => rest = after,
            _ => {
                let (&byte, after) = after.split_first()?;
                data.resize(data.len() + 257 - usize::from(code), byte);
                rest = after;
            }
        }
    }
    data.truncate(length);
    Some(data)
}

fn lzw(stored: &[u8], length: usize) -> Option<Vec<u8>> {
    let mut decoder = Decoder::with_tiff_size_switch(BitOrder::Msb, 8);
    let (mut data, mut rest, mut written) = (vec![0; length], stored, 0);
    while written < length {
        let result = decoder.decode_bytes(rest, &mut data[written..]);
        result.status.ok()?;
        if result.consumed_in == 0 && result.consumed_out == 0 {
            return None;
        }
        rest = &rest[result.consumed_in..];
        written += result.consumed_out;
    }
    Some(data)
}

/// Rows of fax group 4, 1 for black.
fn fax(stored: &[u8], [columns, rows]: [usize; 2]) -> Result<Option<Vec<u8>>, DecodeError> {
    let sides = (u16::try_from(columns), u16::try_from(rows));
    let (Ok(width), Ok(height)) = sides else {
        return Err(unsupported(
            "fax group 4 compression with more than 65535 columns or rows",
        ));
    };
    let mut data = Vec::new();
    let decoded = decode_g4(stored.iter().copied(), width, Some(height), |line| {
        let bits: Vec<bool> = pels(line, width)
            .map(|colour| colour == Color::Black)
            .collect();
        let byte = |bits: &[bool]| {
            let places = bits.iter().enumerate();
            places.fold(0, |byte, (place, bit)| byte | u8::from(*bit) << (7 - place))
        };
        data.extend(bits.chunks(8).map(byte));
    });
    Ok(decoded.map(|()| data))
}

/// Undoes the differences between neighbours.
fn summed(line: &mut [u8], kind: &Kind, per_pixel: usize) {
    if kind.bits == 8 {
        for at in per_pixel..line.len() {
            line[at] = line[at].wrapping_add(line[at - per_pixel]);
        }
        return;
    }
    let number = |line: &[u8], at: usize| {
        let bytes = [line[2 * at], line[2 * at + 1]];
        match kind.is_little {
            true => u16::from_le_bytes(bytes),
            false => u16::from_be_bytes(bytes),
        }
    };
    for at in per_pixel..line.len() / 2 {
        let sum = number(line, at).wrapping_add(number(line, at - per_pixel));
        let bytes = match kind.is_little {
            true => sum.to_le_bytes(),
            false => sum.to_be_bytes(),
        };
        line[2 * at..2 * at + 2].copy_from_slice(&bytes);
    }
}

/// The first `count` numbers of a line of 1, 2 or 4 bits each.
fn numbers(line: &[u8], count: usize, bits: usize) -> impl Iterator<Item = u8> {
    let (per_byte, mask) = (8 / bits, (1_u8 << bits) - 1);
    (0..count).map(move |at| {
        let shift = bits * (per_byte - 1 - at % per_byte);
        (line[at / per_byte] >> shift) & mask
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_bytes_are_literals_and_repeats() {
        let stored = b"\xfe\xaa\x02\x80\x00\x2a\xfd\xaa\x03\x80\x00\x2a\x22\xf7\xaa";
        let expected = b"\xaa\xaa\xaa\x80\0\x2a\xaa\xaa\xaa\xaa\x80\0\x2a\x22";
        assert_eq!(packbits(stored, 14).unwrap(), expected);
        assert_eq!(packbits(stored, 24).unwrap()[14..], [0xaa; 10]);
        assert_eq!(packbits(stored, 25), None);
    }

    #[test]
    fn numbers_begin_with_the_highest_bits() {
        let of = |bits| numbers(&[0b1101_0010, 0xf0], 9, bits).collect::<Vec<_>>();
        assert_eq!(of(1), [1, 1, 0, 1, 0, 0, 1, 0, 1]);
        assert_eq!(numbers(&[0b1101_0010], 3, 2).collect::<Vec<_>>(), [3, 1, 0]);
        assert_eq!(numbers(&[0xd2], 2, 4).collect::<Vec<_>>(), [13, 2]);
    }
}
