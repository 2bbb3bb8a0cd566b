//! What the `image` crate's decoder of PNG does not give: metadata behind the pixels and in text, and pictures
//! whose last chunk is missing.

use std::borrow::Cow;
use std::io::Read;

use flate2::read::ZlibDecoder;

const SIGNATURE: usize = 8;
/// The chunk that ends a file.
const END: &[u8] = b"\0\0\0\0IEND\xae\x42\x60\x82";
/// Largest text that is unpacked.
const LONGEST: u64 = 1 << 24;

/// EXIF data and the XMP packet, wherever they are. Programs also keep EXIF data as hexadecimal digits in a
/// text.
pub(crate) fn metadata(bytes: &[u8]) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
    let (mut exif, mut profile, mut xmp) = (None, None, None);
    for (name, data) in chunks(bytes) {
        match name {
            b"eXIf" => exif = exif.or(Some(data.to_vec())),
            b"tEXt" | b"zTXt" | b"iTXt" => match text(name, data) {
                Some((b"Raw profile type exif", text)) => profile = profile.or(digits(&text)),
                Some((b"XML:com.adobe.xmp", text)) => xmp = xmp.or(Some(text)),
                _ => {}
            },
            _ => {}
        }
    }
    (exif.or(profile), xmp)
}

/// The file with the last chunk that it may lack. Pillow does not need that chunk; without it the pixels may
/// still be whole.
pub(crate) fn ended(bytes: &[u8]) -> Cow<'_, [u8]> {
    match chunks(bytes).any(|(name, _)| name == b"IEND") {
        true => Cow::Borrowed(bytes),
        false => Cow::Owned([bytes, END].concat()),
    }
}

/// Names and contents of the whole chunks.
fn chunks(bytes: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = bytes.get(SIGNATURE..).unwrap_or_default();
    std::iter::from_fn(move || {
        let length = u32::from_be_bytes(rest.get(..4)?.try_into().ok()?) as usize;
        let end = length.checked_add(8)?;
        let chunk = (rest.get(4..8)?, rest.get(8..end)?);
        rest = rest.get(end.checked_add(4)?..)?;
        Some(chunk)
    })
}

/// Keyword and content of a text.
fn text<'a>(name: &[u8], data: &'a [u8]) -> Option<(&'a [u8], Vec<u8>)> {
    let (keyword, rest) = split(data)?;
    let unpacked = |data: &[u8]| {
        let mut text = Vec::new();
        let read = ZlibDecoder::new(data).take(LONGEST).read_to_end(&mut text);
        read.ok().map(|_| text)
    };
    let text = match name {
        b"tEXt" => rest.to_vec(),
        b"zTXt" => unpacked(rest.get(1..)?)?,
        _ => {
            let is_packed = *rest.first()? == 1;
            let (_language, rest) = split(rest.get(2..)?)?;
            let (_translated, rest) = split(rest)?;
            match is_packed {
                true => unpacked(rest)?,
                false => rest.to_vec(),
            }
        }
    };
    Some((keyword, text))
}

/// What is before and after the first zero.
fn split(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let zero = data.iter().position(|&byte| byte == 0)?;
    Some((&data[..zero], &data[zero + 1..]))
}

/// The bytes of a profile in digits, which follow three lines.
fn digits(text: &[u8]) -> Option<Vec<u8>> {
    let lines = text.split(|&byte| byte == b'\n').skip(3);
    let digits: Vec<u8> = lines.flatten().copied().collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    digits.chunks_exact(2).map(byte).collect()
}
