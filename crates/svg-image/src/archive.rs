//! Random access to pictures in tar archives by an index of their positions.

use std::fs::File;
use std::io::{self, BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::error::ImageError;
use crate::source::is_picture;

/// An open, uncompressed archive. Many threads may read from it at once.
#[derive(Debug)]
pub(crate) struct Archive {
    file: File,
}

/// Position of one picture's bytes in an [`Archive`].
#[derive(Debug)]
pub(crate) struct Stretch {
    pub name: String,
    pub offset: u64,
    pub size: u64,
}

pub(crate) fn is_archive(path: &Path) -> bool {
    let name = path.to_string_lossy().to_ascii_lowercase();
    name.ends_with(".tar") || is_compressed(&name)
}

fn is_compressed(name: &str) -> bool {
    name.ends_with(".tar.gz") || name.ends_with(".tgz")
}

impl Archive {
    /// Opens an archive and lists its pictures in the order of a walk of the unpacked folder. Of two
    /// entries with the same name, the later one is used, as when unpacking.
    pub(crate) fn open(path: &Path) -> Result<(Self, Vec<Stretch>), ImageError> {
        let archive_error = |cause| ImageError::Archive {
            path: PathBuf::from(path),
            cause,
        };

        let mut file = File::open(path).map_err(ImageError::read(path.display()))?;
        if is_compressed(&path.to_string_lossy().to_ascii_lowercase()) {
            file = decompressed(file).map_err(archive_error)?;
        }
        let mut pictures = list(&file).map_err(archive_error)?;
        // The sort is stable, so that the latest of a name comes first and is kept.
        pictures.reverse();
        pictures.sort_by(|a, b| a.name.split('/').cmp(b.name.split('/')));
        pictures.dedup_by(|earlier, kept| earlier.name == kept.name);
        Ok((Self { file }, pictures))
    }

    pub(crate) fn read(&self, offset: u64, size: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let size = usize::try_from(size).map_err(|_| io::ErrorKind::OutOfMemory)?;
        // The size comes from the archive, and `vec!` would abort if it is absurd.
        bytes.try_reserve_exact(size)?;
        bytes.resize(size, 0);
        read_exact_at(&self.file, &mut bytes, offset)?;
        Ok(bytes)
    }
}

/// An anonymous file with the content of a gzip file; it is deleted with its last handle.
fn decompressed(file: File) -> io::Result<File> {
    let mut plain = svg_store::nameless_file()?;
    io::copy(
        &mut flate2::read::MultiGzDecoder::new(BufReader::new(file)),
        &mut plain,
    )?;
    plain.seek(SeekFrom::Start(0))?;
    Ok(plain)
}

fn list(file: &File) -> io::Result<Vec<Stretch>> {
    let end = file.metadata()?.len();
    let mut pictures = Vec::new();
    for entry in tar::Archive::new(file).entries_with_seek()? {
        let entry = entry?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        // Links hold no bytes, and those of a sparse file are not contiguous.
        if !entry.header().entry_type().is_file() || !is_picture(Path::new(&name)) {
            continue;
        }
        let (offset, size) = (entry.raw_file_position(), entry.size());
        if offset.checked_add(size).is_none_or(|last| last > end) {
            let message = format!("it is truncated within the entry {name}");
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, message));
        }
        let name = name.trim_start_matches("./").to_string();
        pictures.push(Stretch { name, offset, size });
    }
    Ok(pictures)
}

#[cfg(unix)]
fn read_exact_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, offset)
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !buffer.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, buffer, offset)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => {
                buffer = &mut buffer[count..];
                offset += count as u64;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tar file of the given entries.
    fn packed(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, bytes) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            builder.append_data(&mut header, name, *bytes).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn opened(name: &str, bytes: &[u8]) -> Result<(Archive, Vec<Stretch>), ImageError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        Archive::open(&path)
    }

    #[test]
    fn entries_are_sorted_like_a_walk_and_can_be_read() {
        let long = format!("{}/long.png", "folder".repeat(30));
        let bytes = packed(&[
            ("b/2.jpg", b"two"),
            ("notes.txt", b"no picture"),
            (&long, b"long"),
            ("./b-side.JPEG", b"side"),
            ("b/1.png", b"one"),
            ("b/._1.png", b"macOS metadata of one"),
            ("b/2.jpg", b"two again"),
        ]);
        let (archive, pictures) = opened("some.tar", &bytes).unwrap();
        let found: Vec<_> = pictures
            .iter()
            .map(|picture| {
                let bytes = archive.read(picture.offset, picture.size).unwrap();
                (picture.name.as_str(), String::from_utf8(bytes).unwrap())
            })
            .collect();
        let expected = [
            ("b/1.png", "one"),
            ("b/2.jpg", "two again"),
            ("b-side.JPEG", "side"),
        ];
        let expected = expected.map(|(name, text)| (name, text.to_string()));
        assert_eq!(found[..3], expected);
        assert_eq!(found[3], (long.as_str(), "long".to_string()));
    }

    #[test]
    fn compressed_archives_are_read_like_plain_ones() {
        use std::io::Write;
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder
            .write_all(&packed(&[("a.png", b"picture")]))
            .unwrap();
        let bytes = encoder.finish().unwrap();
        for name in ["some.tar.gz", "some.TGZ"] {
            let (archive, pictures) = opened(name, &bytes).unwrap();
            assert_eq!(pictures[0].name, "a.png");
            assert_eq!(
                archive.read(pictures[0].offset, pictures[0].size).unwrap(),
                b"picture"
            );
        }
        let cut = opened("some.tar.gz", &bytes[..bytes.len() / 2]);
        assert!(matches!(cut, Err(ImageError::Archive { .. })));
    }

    #[test]
    fn damaged_archives_are_errors() {
        let good = packed(&[("a.png", &[7; 2000]), ("b.png", b"picture")]);
        // Cut within the data of an entry and within a header.
        for length in [600, 700, 2700] {
            let cut = opened("cut.tar", &good[..length]);
            assert!(matches!(cut, Err(ImageError::Archive { .. })), "{length}");
        }
        // A size near the maximum of the format, with a correct checksum.
        let mut header = tar::Header::new_gnu();
        header.set_path("a.png").unwrap();
        header.set_entry_type(tar::EntryType::Regular);
        for size in [u64::MAX, u64::MAX / 2, 1 << 40] {
            header.set_size(size);
            header.set_cksum();
            assert!(opened("huge.tar", header.as_bytes()).is_err(), "{size}");
        }
        assert!(opened("noise.tar", &[0xa5; 4096]).is_err());
        assert!(opened("noise.tgz", &[0xa5; 4096]).is_err());
        assert!(opened("empty.tar", b"").unwrap().1.is_empty());
    }

    #[test]
    fn a_wrong_byte_in_a_header_does_not_panic() {
        let good = packed(&[("a.png", b"picture"), ("b.png", b"picture")]);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("some.tar");
        for position in 0..512 {
            let mut bytes = good.clone();
            bytes[position] = [0x00, 0x80, 0xff, b'7'][position % 4];
            std::fs::write(&path, bytes).unwrap();
            if let Ok((archive, pictures)) = Archive::open(&path) {
                for picture in pictures {
                    let _ = archive.read(picture.offset, picture.size);
                }
            }
        }
    }
}
