//! Recognition of files by their first bytes, never by their names.

use crate::error::DecodeError;

/// A format that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Jpeg,
    Tiff,
    Gif,
    Pnm,
    Png,
    Bmp,
    WebP,
}

/// Formats that are not read: name, place and bytes of their signature, and what to do.
const OTHERS: &[(&str, usize, &[u8], Advice)] = &[
    ("JPEG XL", 0, b"\xff\x0a", Advice::Convert("jxl")),
    (
        "JPEG XL",
        0,
        b"\0\0\0\x0cJXL \r\n\x87\n",
        Advice::Convert("jxl"),
    ),
    (
        "JPEG 2000",
        0,
        b"\0\0\0\x0cjP  \r\n\x87\n",
        Advice::Convert("jp2"),
    ),
    ("JPEG 2000", 0, b"\xff\x4f\xff\x51", Advice::Convert("j2k")),
    ("JPEG XR", 0, b"II\xbc", Advice::Convert("jxr")),
    ("a Photoshop document", 0, b"8BPS", Advice::Convert("psd")),
    ("a GIMP document", 0, b"gimp xcf", Advice::Convert("xcf")),
    ("a camera raw file", 8, b"CR\x02", Advice::Develop),
    ("a camera raw file", 0, b"FUJIFILMCCD-RAW", Advice::Develop),
    ("a camera raw file", 0, b"IIRO", Advice::Develop),
    ("a camera raw file", 0, b"IIRS", Advice::Develop),
    ("a camera raw file", 0, b"MMOR", Advice::Develop),
    ("a camera raw file", 0, b"IIU\0", Advice::Develop),
    ("a camera raw file", 0, b"FOVb", Advice::Develop),
    ("a camera raw file", 0, b"\0MRM", Advice::Develop),
    ("OpenEXR", 0, b"\x76\x2f\x31\x01", Advice::Convert("exr")),
    ("Radiance HDR", 0, b"#?R", Advice::Convert("hdr")),
    ("QOI", 0, b"qoif", Advice::Convert("qoi")),
    ("DDS", 0, b"DDS ", Advice::Convert("dds")),
    ("an icon", 0, b"\0\0\x01\0", Advice::Convert("ico")),
    ("an icon", 0, b"icns", Advice::Convert("icns")),
    ("PAM", 0, b"P7\n", Advice::Convert("pam")),
    ("PFM", 0, b"PF\n", Advice::Convert("pfm")),
    ("PFM", 0, b"Pf\n", Advice::Convert("pfm")),
    ("SGI", 0, b"\x01\xda", Advice::Convert("sgi")),
    (
        "a Sun raster file",
        0,
        b"\x59\xa6\x6a\x95",
        Advice::Convert("ras"),
    ),
    ("XPM", 0, b"/* XPM */", Advice::Convert("xpm")),
    ("FITS", 0, b"SIMPLE  =", Advice::Convert("fits")),
    (
        "a PNG in Apple's own form (CgBI)",
        12,
        b"CgBI",
        Advice::Revert,
    ),
    ("PDF", 0, b"%PDF", Advice::Convert("pdf")),
    ("PostScript", 0, b"%!PS", Advice::Convert("eps")),
    (
        "a WebM or Matroska film",
        0,
        b"\x1aE\xdf\xa3",
        Advice::Frames,
    ),
    ("an AVI film", 8, b"AVI ", Advice::Frames),
    ("a zip archive", 0, b"PK\x03\x04", Advice::Unpack),
    ("a gzip file", 0, b"\x1f\x8b", Advice::Unpack),
    ("a 7z archive", 0, b"7z\xbc\xaf", Advice::Unpack),
    ("an xz file", 0, b"\xfd7zXZ", Advice::Unpack),
    ("a zstd file", 0, b"\x28\xb5\x2f\xfd", Advice::Unpack),
    ("a tar archive", 257, b"ustar", Advice::Unpack),
    ("a NumPy array", 0, b"\x93NUMPY", Advice::Convert("npy")),
    (
        "a pointer of Git LFS, not the picture itself",
        0,
        b"version https://git-lfs",
        Advice::Fetch,
    ),
];

/// What to do with a file that is not read.
#[derive(Debug, Clone, Copy)]
enum Advice {
    /// Convert a file with this extension.
    Convert(&'static str),
    /// Develop camera raw data.
    Develop,
    /// Take pictures from a film.
    Frames,
    /// Undo Apple's change of PNGs.
    Revert,
    /// Unpack an archive.
    Unpack,
    /// Fetch the file from the store of large files.
    Fetch,
    /// Fetch the picture instead of a page about it.
    Page,
}

impl Advice {
    fn text(self) -> String {
        match self {
            Self::Convert(from) => {
                format!("convert it, for example by `magick IN.{from} OUT.png`")
            }
            Self::Develop => "develop it, for example by `dcraw -T IN` or `magick IN OUT.png`; \
                              the picture inside is only a preview"
                .to_string(),
            Self::Frames => {
                "take pictures from it, for example by `ffmpeg -i IN OUT-%06d.png`".to_string()
            }
            Self::Revert => {
                "convert it back by `pngcrush -revert-iphone-optimizations IN.png OUT.png`"
                    .to_string()
            }
            Self::Unpack => "unpack it, and give the folder".to_string(),
            Self::Fetch => "fetch the picture by `git lfs pull`".to_string(),
            Self::Page => {
                "it is probably what a server answered instead of the picture; fetch the file \
                           again or leave it out"
                    .to_string()
            }
        }
    }
}

impl Format {
    /// The format of a file.
    pub(crate) fn of(bytes: &[u8]) -> Result<Self, DecodeError> {
        match bytes {
            [] => Err(DecodeError::NoBytes),
            [0xff, 0xd8, 0xff, ..] => Ok(Self::Jpeg),
            [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..] if !is_canon(bytes) => {
                Ok(Self::Tiff)
            }
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Ok(Self::Gif),
            [b'P', b'1'..=b'6', space, ..] if space.is_ascii_whitespace() || *space == b'#' => {
                Ok(Self::Pnm)
            }
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..]
                if bytes.get(12..16) != Some(&b"CgBI"[..]) =>
            {
                Ok(Self::Png)
            }
            [b'B', b'M', ..] => Ok(Self::Bmp),
            [
                b'R',
                b'I',
                b'F',
                b'F',
                _,
                _,
                _,
                _,
                b'W',
                b'E',
                b'B',
                b'P',
                ..,
            ] => Ok(Self::WebP),
            _ => Err(other(bytes)),
        }
    }

    /// As in messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Jpeg => "JPEG",
            Self::Tiff => "TIFF",
            Self::Gif => "GIF",
            Self::Pnm => "PNM",
            Self::Png => "PNG",
            Self::Bmp => "BMP",
            Self::WebP => "WebP",
        }
    }
}

/// Whether these are raw data of a Canon camera, which begin as a TIFF.
fn is_canon(bytes: &[u8]) -> bool {
    bytes.get(8..11) == Some(&b"CR\x02"[..])
}

/// The error for raw data of a camera in a TIFF, whose first page is a preview.
pub(crate) fn camera_raw() -> DecodeError {
    DecodeError::OtherFormat {
        what: "a camera raw file",
        advice: Advice::Develop.text(),
    }
}

/// The error for a file in no format that is read, which names what it is.
fn other(bytes: &[u8]) -> DecodeError {
    let known = OTHERS.iter().find(|(_, at, signature, _)| {
        let found = bytes.get(*at..*at + signature.len());
        found == Some(*signature)
    });
    let known = known.map(|&(name, _, _, advice)| (name, advice));
    match known.or_else(|| media(bytes)).or_else(|| markup(bytes)) {
        Some((what, advice)) => DecodeError::OtherFormat {
            what,
            advice: advice.text(),
        },
        None => DecodeError::UnknownFormat,
    }
}

/// What the brands of an ISO media file say, which HEIC, AVIF, raw data and films share.
fn media(bytes: &[u8]) -> Option<(&'static str, Advice)> {
    if bytes.get(4..8)? != b"ftyp" {
        return None;
    }
    let length = u32::from_be_bytes(bytes.get(..4)?.try_into().ok()?);
    let end = (length as usize).min(bytes.len());
    let brands = bytes.get(8..end)?.chunks_exact(4);
    let of_brand = |brand: &[u8]| match brand {
        b"avif" | b"avis" => Some(("AVIF", Advice::Convert("avif"))),
        b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" | b"hevm" | b"hevs" => {
            Some(("HEIC", Advice::Convert("heic")))
        }
        b"crx " => Some(("a camera raw file", Advice::Develop)),
        b"jxl " => Some(("JPEG XL", Advice::Convert("jxl"))),
        _ => None,
    };
    let named = brands.clone().find_map(of_brand);
    let is_still = |brand: &[u8]| matches!(brand, b"mif1" | b"mif2" | b"msf1");
    named.or_else(|| match brands.clone().any(is_still) {
        true => Some(("HEIF", Advice::Convert("heif"))),
        false => Some(("a film", Advice::Frames)),
    })
}

/// What a text in angle brackets is.
fn markup(bytes: &[u8]) -> Option<(&'static str, Advice)> {
    let start = &bytes[..bytes.len().min(1024)];
    let text = String::from_utf8_lossy(start).to_ascii_lowercase();
    let text = text.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']);
    match text {
        text if !text.starts_with('<') => None,
        text if text.contains("<svg") => Some(("an SVG drawing", Advice::Convert("svg"))),
        text if text.contains("<html") || text.starts_with("<!doctype html") => {
            Some(("a web page", Advice::Page))
        }
        text if text.starts_with("<?xml") => Some(("an XML document", Advice::Page)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a file of another format is said to be.
    fn what(bytes: &[u8]) -> &'static str {
        match Format::of(bytes).unwrap_err() {
            DecodeError::OtherFormat { what, .. } => what,
            error => panic!("{bytes:?}: {error}"),
        }
    }

    #[test]
    fn formats_that_are_not_read_are_named_by_their_content() {
        let media = |brands: &[u8]| {
            let length = (8 + brands.len()) as u32;
            [
                &length.to_be_bytes()[..],
                b"ftyp",
                brands,
                b"\0\0\0\x08free",
            ]
            .concat()
        };
        for (bytes, name) in [
            (media(b"heic\0\0\0\0mif1heic"), "HEIC"),
            (media(b"mif1\0\0\0\0mif1heix"), "HEIC"),
            (media(b"mif1\0\0\0\0mif1avif"), "AVIF"),
            (media(b"avif\0\0\0\0mif1miaf"), "AVIF"),
            (media(b"mif1\0\0\0\0mif1miaf"), "HEIF"),
            (media(b"crx \0\0\0\x01isom"), "a camera raw file"),
            (media(b"isom\0\0\x02\0isommp41"), "a film"),
            (b"\xff\x0a\xfa".to_vec(), "JPEG XL"),
            (b"\0\0\0\x0cJXL \r\n\x87\n".to_vec(), "JPEG XL"),
            (b"\0\0\0\x0cjP  \r\n\x87\n".to_vec(), "JPEG 2000"),
            (b"8BPS\0\x01".to_vec(), "a Photoshop document"),
            (
                b"\x89PNG\r\n\x1a\n\0\0\0\x04CgBI".to_vec(),
                "a PNG in Apple's own form (CgBI)",
            ),
            (b"II*\0\x10\0\0\0CR\x02\0".to_vec(), "a camera raw file"),
            (b"FUJIFILMCCD-RAW 0201".to_vec(), "a camera raw file"),
            (b"  <svg xmlns='x'/>".to_vec(), "an SVG drawing"),
            (b"<?xml version='1.0'?><svg/>".to_vec(), "an SVG drawing"),
            (b"<!DOCTYPE html><p>404".to_vec(), "a web page"),
            (b"PK\x03\x04".to_vec(), "a zip archive"),
            (
                b"version https://git-lfs.github.com/spec/v1\n".to_vec(),
                "a pointer of Git LFS, not the picture itself",
            ),
        ] {
            assert_eq!(what(&bytes), name, "{bytes:?}");
        }
    }

    #[test]
    fn the_message_names_the_format_and_a_command() {
        let error = Format::of(b"\0\0\0\x10ftypheic\0\0\0\0").unwrap_err();
        assert_eq!(
            error.to_string(),
            "this is HEIC, which is not read here; convert it, for example by `magick IN.heic OUT.png`"
        );
    }

    #[test]
    fn formats_that_are_read_are_recognised() {
        for (bytes, format) in [
            (&b"\xff\xd8\xff\xe0"[..], Format::Jpeg),
            (b"II*\0\x08\0\0\0", Format::Tiff),
            (b"MM\0+\0\x08\0\0", Format::Tiff),
            (b"GIF87a", Format::Gif),
            (b"P5\n2 2", Format::Pnm),
            (b"P3#a\n", Format::Pnm),
            (b"\x89PNG\r\n\x1a\n", Format::Png),
            (b"BM", Format::Bmp),
            (b"RIFF\0\0\0\0WEBPVP8 ", Format::WebP),
        ] {
            assert_eq!(Format::of(bytes).unwrap(), format);
        }
    }
}
