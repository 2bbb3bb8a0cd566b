//! What a file is, by its first bytes. Names only decide where the bytes leave it open.

use std::path::Path;

use crate::source::EXTENSIONS;
use crate::unread::is_unread_picture;

/// Bytes that [`kind`] looks at.
pub(crate) const HEAD: u64 = 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Tar,
    Compressed(Compression),
    Zip,
    Parquet,
    /// An array of NumPy, or what is named like one or like an archive of them.
    Array,
    /// A list or table of paths.
    Text,
    /// A file of many pictures that is not read, and what to do about it.
    Foreign(&'static str),
    /// One picture, or no picture at all.
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    Gzip,
    Zstd,
    Bzip2,
    Xz,
}

const MAGIC: [(&[u8], Kind); 17] = [
    (b"\x1f\x8b", Kind::Compressed(Compression::Gzip)),
    (b"\x28\xb5\x2f\xfd", Kind::Compressed(Compression::Zstd)),
    (b"BZh", Kind::Compressed(Compression::Bzip2)),
    (b"\xfd7zXZ\0", Kind::Compressed(Compression::Xz)),
    (b"PK\x03\x04", Kind::Zip),
    (b"PK\x05\x06", Kind::Zip),
    (b"PK\x07\x08", Kind::Zip),
    (b"PAR1", Kind::Parquet),
    (
        b"7z\xbc\xaf\x27\x1c",
        Kind::Foreign("a 7z archive is not read; unpack it and give the folder"),
    ),
    (
        b"Rar!\x1a\x07",
        Kind::Foreign("a RAR archive is not read; unpack it and give the folder"),
    ),
    (
        b"LZIP",
        Kind::Foreign("lzip is not read; decompress it, or compress it with zstd, xz or gzip"),
    ),
    (
        b"\x04\x22\x4d\x18",
        Kind::Foreign("LZ4 is not read; decompress it, or compress it with zstd, xz or gzip"),
    ),
    (
        b"ARROW1",
        Kind::Foreign(
            "an Arrow file is not read; write the data set as parquet (Dataset.to_parquet)",
        ),
    ),
    (
        b"\x89HDF\r\n\x1a\n",
        Kind::Foreign("an HDF5 file is not read; write its pictures as files or as a tar archive"),
    ),
    (b"\x93NUMPY", Kind::Array),
    (
        b"\xff\xfe",
        Kind::Foreign("it is text in UTF-16; save it as UTF-8"),
    ),
    (
        b"\xfe\xff",
        Kind::Foreign("it is text in UTF-16; save it as UTF-8"),
    ),
];

/// Endings of names by which a folder's or archive's files are taken for archives or tables.
const ARCHIVES: [&str; 13] = [
    ".tar",
    ".tar.gz",
    ".tgz",
    ".tar.zst",
    ".tar.zstd",
    ".tzst",
    ".tar.bz2",
    ".tbz2",
    ".tbz",
    ".tar.xz",
    ".txz",
    ".zip",
    ".parquet",
];

/// What the file `name` is that begins with these bytes.
pub(crate) fn kind(head: &[u8], name: &Path) -> Kind {
    if is_tar(head) {
        return Kind::Tar;
    }
    if let Some((_, kind)) = MAGIC.iter().find(|(magic, _)| head.starts_with(magic)) {
        return *kind;
    }
    // Frames that zstd tools put before their data, such as pzstd.
    if head.len() > 4 && head[0] & 0xf0 == 0x50 && head[1..4] == [0x2a, 0x4d, 0x18] {
        return Kind::Compressed(Compression::Zstd);
    }
    match !head.is_empty() && is_text(head) && !is_picture_name(name) {
        true => Kind::Text,
        false => by_name(name),
    }
}

/// The kind that a name promises, for a message about bytes that do not keep it.
fn by_name(name: &Path) -> Kind {
    let ending = name.extension().unwrap_or_default().to_ascii_lowercase();
    match stem(name).map(|(_, ending)| ending) {
        Some(".zip") => Kind::Zip,
        Some(".parquet") => Kind::Parquet,
        Some(_) => Kind::Tar,
        None if ending == "npy" || ending == "npz" => Kind::Array,
        None if ["txt", "csv", "tsv", "jsonl"]
            .iter()
            .any(|text| ending == *text) =>
        {
            Kind::Text
        }
        None => Kind::Other,
    }
}

/// Whether the first block is the header of a tar entry, by its checksum, or the end of an empty archive.
fn is_tar(head: &[u8]) -> bool {
    let Some(block) = head.get(..512) else {
        return false;
    };
    if block.iter().all(|byte| *byte == 0) {
        return true;
    }
    let field = block[148..156].iter().copied();
    let digits = field.skip_while(|byte| *byte == b' ');
    let digits = digits.take_while(|byte| (b'0'..=b'7').contains(byte));
    let stored = digits.fold((0, 0), |(count, sum), digit| {
        (count + 1, sum * 8 + i64::from(digit - b'0'))
    });
    let inside = |at: &usize| (148..156).contains(at);
    let value = |at: usize| if inside(&at) { b' ' } else { block[at] };
    let unsigned: i64 = (0..512).map(|at| i64::from(value(at))).sum();
    let signed: i64 = (0..512).map(|at| i64::from(value(at) as i8)).sum();
    stored.0 > 0 && (stored.1 == unsigned || stored.1 == signed)
}

/// Whether these are the first bytes of text in UTF-8 that is no picture.
fn is_text(head: &[u8]) -> bool {
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        // The last character may be cut.
        Err(error) if error.error_len().is_none() && head.len() as u64 == HEAD => {
            std::str::from_utf8(&head[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return false,
    };
    let printable = |character: char| !character.is_control() || character.is_ascii_whitespace();
    let text = text.trim_start_matches('\u{feff}');
    let map =
        matches!(text.as_bytes(), [b'P', b'1'..=b'7', next, ..] if next.is_ascii_whitespace());
    !map && !text.trim_start().starts_with('<') && text.chars().all(printable)
}

fn is_picture_name(name: &Path) -> bool {
    let ending = name.extension().unwrap_or_default().to_string_lossy();
    let ending = ending.to_ascii_lowercase();
    EXTENSIONS.contains(&ending.as_str()) || is_unread_picture(&ending)
}

/// Whether a file in a folder or archive is named like an archive or table.
pub(crate) fn is_archive_name(name: &str) -> bool {
    stem(Path::new(name)).is_some()
}

/// The last part of an archive's name without its ending, and the ending.
pub(crate) fn stem(name: &Path) -> Option<(String, &'static str)> {
    let name = name.file_name()?.to_string_lossy();
    let lower = name.to_ascii_lowercase();
    let fits = ARCHIVES.iter().filter(|ending| lower.ends_with(**ending));
    let ending = fits.max_by_key(|ending| ending.len())?;
    let stem = &name[..name.len() - ending.len()];
    (!stem.is_empty()).then(|| (stem.to_string(), *ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(head: &[u8], name: &str, expected: Kind) {
        assert_eq!(kind(head, Path::new(name)), expected, "{name}");
    }

    #[test]
    fn bytes_decide_and_names_do_not() {
        let gzip = Kind::Compressed(Compression::Gzip);
        check(b"\x1f\x8b\x08", "some.tar", gzip);
        check(b"PK\x03\x04", "picture.png", Kind::Zip);
        check(
            b"\x5a\x2a\x4d\x18\x01",
            "some.zip",
            Kind::Compressed(Compression::Zstd),
        );
        check(b"\x89PNG\r\n\x1a\n", "picture.dat", Kind::Other);
        check(b"path,label\n", "no ending", Kind::Text);
        check(b"\xef\xbb\xbfa.png\n", "list.txt", Kind::Text);
        check(b"P6 4 4 255\n", "picture.dat", Kind::Other);
        check(b"<svg xmlns", "drawing", Kind::Other);
        check(b"a pointer", "picture.jpg", Kind::Other);
        check(b"\xa5\xa5", "noise.tar.zst", Kind::Tar);
        assert!(matches!(
            kind(b"Rar!\x1a\x07\x01", Path::new("a.tar")),
            Kind::Foreign(_)
        ));
    }

    #[test]
    fn old_archives_without_a_magic_word_are_known_by_their_checksum() {
        let mut header = tar::Header::new_old();
        header.set_path("a.png").unwrap();
        header.set_size(3);
        header.set_cksum();
        check(header.as_bytes(), "some.dat", Kind::Tar);
        let mut damaged = *header.as_bytes();
        damaged[0] += 1;
        check(&damaged, "some.dat", Kind::Other);
    }

    #[test]
    fn stems_are_names_without_all_of_the_ending() {
        let stem = |name: &str| stem(Path::new(name)).map(|(stem, _)| stem);
        assert_eq!(stem("a/n01440764.tar").as_deref(), Some("n01440764"));
        assert_eq!(stem("some.set.TAR.gz").as_deref(), Some("some.set"));
        assert_eq!(stem("picture.png"), None);
        assert_eq!(stem(".tar"), None);
    }
}
