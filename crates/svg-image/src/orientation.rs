//! Which way up a picture is.

use std::fmt;
use std::str::FromStr;

use image::metadata::Orientation as Transform;
use image::{DynamicImage, RgbImage};
use serde::{Deserialize, Serialize};

/// Handling of a picture's orientation. Parsed and printed as `stored` and `exif`.
///
/// TIFFs are turned by their orientation in both cases, because Pillow turns them when it loads them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Orientation {
    /// As `Image.open` of Pillow, which the pipelines of the published weights and statistics use: JPEG, PNG
    /// and WebP as they are stored.
    #[default]
    #[serde(rename = "stored")]
    AsStored,
    /// As `ImageOps.exif_transpose` of Pillow: rotated and mirrored as a viewer would.
    #[serde(rename = "exif")]
    Exif,
}

impl Orientation {
    /// Whether this is the default, which records leave out.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for Orientation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AsStored => "stored",
            Self::Exif => "exif",
        })
    }
}

impl FromStr for Orientation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "stored" => Ok(Self::AsStored),
            "exif" => Ok(Self::Exif),
            _ => Err(format!(
                "{text:?} is not an orientation: write stored for pictures as Pillow opens them, or exif to \
                 turn them as a viewer does"
            )),
        }
    }
}

/// The transformation that metadata ask for: the orientation in the EXIF data, or, where they have none, in
/// the XMP packet, as Pillow looks for it. Damaged metadata do not make a picture unusable.
pub(crate) fn transform(exif: Option<&[u8]>, xmp: Option<&[u8]>) -> Option<Transform> {
    transform_of(exif.and_then(of_exif), xmp)
}

/// The same from a value that was found.
pub(crate) fn transform_of(value: Option<u32>, xmp: Option<&[u8]>) -> Option<Transform> {
    let value = value.or_else(|| xmp.and_then(of_xmp))?;
    Transform::from_exif(u8::try_from(value).ok()?)
}

/// A picture after a transformation.
pub(crate) fn transformed(image: RgbImage, transform: Option<Transform>) -> RgbImage {
    match transform {
        None | Some(Transform::NoTransforms) => image,
        Some(transform) => {
            let mut image = DynamicImage::ImageRgb8(image);
            image.apply_orientation(transform);
            image.into_rgb8()
        }
    }
}

/// The value of tag 0x0112 in the first directory of EXIF data, with or without their `Exif` prefix.
fn of_exif(data: &[u8]) -> Option<u32> {
    const TAG: u32 = 0x0112;
    let mut data = data;
    while let Some(rest) = data.strip_prefix(b"Exif\0\0") {
        data = rest;
    }
    let is_little = match data.get(..2)? {
        b"II" => true,
        b"MM" => false,
        _ => return None,
    };
    let number = |at: usize, bytes: usize| {
        let bytes = data.get(at..at.checked_add(bytes)?)?.iter();
        let join = |number: u32, byte: &u8| (number << 8) | u32::from(*byte);
        Some(match is_little {
            true => bytes.rev().fold(0, join),
            false => bytes.fold(0, join),
        })
    };
    let directory = usize::try_from(number(4, 4)?).ok()?;
    let count = usize::try_from(number(directory, 2)?).ok()?;
    let entries = (0..count).map(|entry| directory + 2 + 12 * entry);
    let entry = entries
        .take_while(|&at| at < data.len())
        .find(|&at| number(at, 2) == Some(TAG))?;
    let bytes = match number(entry + 2, 2)? {
        1 => 1,
        3 => 2,
        4 => 4,
        _ => return None,
    };
    number(entry + 8, bytes)
}

/// The digit after the first `tiff:Orientation="` or `tiff:Orientation>` of an XMP packet.
fn of_xmp(packet: &[u8]) -> Option<u32> {
    const NAME: &[u8] = b"tiff:Orientation";
    let names = packet.windows(NAME.len()).enumerate();
    names
        .filter(|(_, window)| *window == NAME)
        .find_map(|(at, _)| {
            let rest = &packet[at + NAME.len()..];
            let digit = rest
                .strip_prefix(b"=\"")
                .or_else(|| rest.strip_prefix(b">"))?;
            let digit = digit.first()?;
            digit.is_ascii_digit().then(|| u32::from(digit - b'0'))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// EXIF data with one entry.
    fn exif(little: bool, kind: u16, value: &[u8]) -> Vec<u8> {
        let two = |number: u16| match little {
            true => number.to_le_bytes(),
            false => number.to_be_bytes(),
        };
        let four = |number: u32| match little {
            true => number.to_le_bytes(),
            false => number.to_be_bytes(),
        };
        let mut data = if little { b"II" } else { b"MM" }.to_vec();
        data.extend(two(42));
        data.extend(four(8));
        data.extend(two(1));
        data.extend(two(0x0112));
        data.extend(two(kind));
        data.extend(four(1));
        data.extend(value);
        data.resize(8 + 2 + 12, 0);
        data
    }

    #[test]
    fn the_orientation_is_read_in_both_byte_orders_and_three_types() {
        for (data, value) in [
            (exif(true, 3, &[6, 0]), 6),
            (exif(false, 3, &[0, 8]), 8),
            (exif(true, 1, &[5]), 5),
            (exif(false, 4, &[0, 0, 0, 3]), 3),
        ] {
            let prefixed = [b"Exif\0\0", &*data].concat();
            assert_eq!(of_exif(&data), Some(value));
            assert_eq!(of_exif(&prefixed), Some(value));
        }
    }

    #[test]
    fn damaged_metadata_have_no_orientation() {
        let whole = exif(true, 3, &[6, 0]);
        for length in 0..18 {
            assert_eq!(of_exif(&whole[..length]), None);
        }
        let mut far = whole.clone();
        far[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(of_exif(&far), None);
        assert_eq!(of_xmp(b"tiff:Orientation"), None);
        assert_eq!(of_xmp(b"tiff:Orientation=\"x\""), None);
    }

    #[test]
    fn the_xmp_packet_counts_where_the_exif_data_say_nothing() {
        let xmp = b"<rdf tiff:Orientation=\"6\"/>";
        assert_eq!(transform(None, Some(xmp)), Some(Transform::Rotate90));
        let element = b"<tiff:Orientation>3</tiff:Orientation>";
        assert_eq!(transform(None, Some(element)), Some(Transform::Rotate180));
        let upright = exif(true, 3, &[1, 0]);
        let found = transform(Some(&upright), Some(xmp));
        assert_eq!(found, Some(Transform::NoTransforms));
        // A value that means nothing is there all the same.
        assert_eq!(transform(Some(&exif(true, 3, &[9, 0])), Some(xmp)), None);
    }

    #[test]
    fn orientations_parse_what_they_print() {
        for orientation in [Orientation::AsStored, Orientation::Exif] {
            assert_eq!(orientation.to_string().parse(), Ok(orientation));
        }
        let error = "auto".parse::<Orientation>().unwrap_err();
        assert!(error.contains("\"auto\" is not an orientation: write stored"));
    }
}
