//! The entries of tar archives and where their bytes are.

use std::io;

use tar::EntryType;

use crate::links::{Content, Entry};
use crate::place::{Place, Spool, Window};

/// Largest file with holes. Its archive only states how long the holes are, so that a few bytes could ask for any
/// amount of disk and memory.
const MOST_WITH_HOLES: u64 = 1 << 30;

/// Lists the entries of an uncompressed archive, in its order.
pub(crate) fn list_tar(archive: &Window, spool: &mut Spool) -> io::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for entry in tar::Archive::new(archive.reader()?).entries_with_seek()? {
        let mut entry = entry?;
        let mut name = text(&entry.path_bytes());
        let target = entry.link_name_bytes().map(|target| text(&target));
        let kind = entry.header().entry_type();
        let content = match kind {
            EntryType::Regular | EntryType::Continuous => {
                let (offset, size) = (entry.raw_file_position(), entry.size());
                let Some(window) = archive.part(offset, size) else {
                    return Err(truncated(&name));
                };
                let sparse = sparse_of(&mut entry)?;
                if let Some(real) = sparse.as_ref().and_then(|sparse| sparse.name.clone()) {
                    name = real;
                }
                let window = match sparse {
                    Some(sparse) => {
                        check_holes(&name, sparse.size)?;
                        sparse.filled(&window, spool)?
                    }
                    None => window,
                };
                Content::File(Place::Window(window))
            }
            // The reader fills the holes of this older format.
            EntryType::GNUSparse => {
                check_holes(&name, entry.size())?;
                let window = spool.append(|out| io::copy(&mut entry, out).map(|_| ()))?;
                if window.size() != entry.size() {
                    return Err(truncated(&name));
                }
                Content::File(Place::Window(window))
            }
            EntryType::Directory => Content::Folder,
            EntryType::Link => Content::HardLink(target.unwrap_or_default()),
            EntryType::Symlink => Content::Symlink(target.unwrap_or_default()),
            // Devices, pipes and the name of the volume.
            _ => continue,
        };
        entries.push(Entry { name, content });
    }
    Ok(entries)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn truncated(name: &str) -> io::Error {
    let message = format!("it is truncated within the entry {name}");
    io::Error::new(io::ErrorKind::UnexpectedEof, message)
}

fn check_holes(name: &str, size: u64) -> io::Result<()> {
    if size <= MOST_WITH_HOLES {
        return Ok(());
    }
    let message = format!(
        "its entry {name} is a file of {size} bytes with holes, and those of more than {MOST_WITH_HOLES} are not \
         read; unpack the archive and give the folder"
    );
    Err(io::Error::new(io::ErrorKind::Unsupported, message))
}

/// What pax headers say of a file with holes, as of
/// <https://www.gnu.org/software/tar/manual/html_section/Sparse-Formats.html>.
#[derive(Default)]
struct Sparse {
    name: Option<String>,
    size: u64,
    /// Positions and lengths in turn, of the formats 0.0 and 0.1.
    numbers: Vec<u64>,
    /// Format 1.0: the map is at the beginning of the data.
    map_in_data: bool,
}

fn sparse_of<R: io::Read>(entry: &mut tar::Entry<'_, R>) -> io::Result<Option<Sparse>> {
    let mut sparse = Sparse::default();
    let mut found = false;
    for extension in entry.pax_extensions()?.into_iter().flatten() {
        let extension = extension?;
        let key = text(extension.key_bytes());
        let Some(key) = key.strip_prefix("GNU.sparse.") else {
            continue;
        };
        found = true;
        let value = text(extension.value_bytes());
        let number = || value.parse().map_err(|_| damaged_map());
        match key {
            "name" => sparse.name = Some(value.clone()),
            "size" | "realsize" => sparse.size = number()?,
            "major" => sparse.map_in_data = number()? >= 1,
            "offset" | "numbytes" => sparse.numbers.push(number()?),
            "map" => {
                let numbers = value.split(',').map(|number| number.parse::<u64>());
                let numbers: Result<Vec<u64>, _> = numbers.collect();
                sparse.numbers = numbers.map_err(|_| damaged_map())?;
            }
            _ => (),
        }
    }
    Ok(found.then_some(sparse))
}

impl Sparse {
    /// The file with its holes, which are zeros.
    fn filled(mut self, stored: &Window, spool: &mut Spool) -> io::Result<Window> {
        let bytes = stored.read()?;
        let mut data = bytes.as_slice();
        if self.map_in_data {
            let mut lines = bytes.split(|byte| *byte == b'\n');
            let mut length = 0;
            let mut next = || {
                let line = lines.next().ok_or_else(damaged_map)?;
                length += line.len() + 1;
                let number = std::str::from_utf8(line)
                    .ok()
                    .and_then(|line| line.parse().ok());
                number.ok_or_else(damaged_map)
            };
            let count: u64 = next()?;
            self.numbers.clear();
            for _ in 0..count.saturating_mul(2) {
                self.numbers.push(next()?);
            }
            data = data
                .get(length.next_multiple_of(512)..)
                .ok_or_else(damaged_map)?;
        }
        let pieces = self.numbers.chunks(2).map(|pair| match *pair {
            [at, length] => Ok((at, length)),
            _ => Err(damaged_map()),
        });
        let pieces = pieces.collect::<io::Result<Vec<_>>>()?;
        spool.append_sparse(self.size, &pieces, data)
    }
}

fn damaged_map() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "the map of a file with holes is damaged",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ImageError;
    use crate::links::Tree;
    use crate::root::of_archive;

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

    /// The names and contents of an archive's pictures.
    fn opened(name: &str, bytes: &[u8]) -> Result<Vec<(String, String)>, ImageError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let mut spool = Spool::default();
        let root = of_archive(&path, None, &mut spool)?.expect("it is an archive");
        let text = |place: &Place| String::from_utf8(place.read().unwrap()).unwrap();
        let pictures = root.pictures.iter();
        Ok(pictures
            .map(|picture| (picture.name.clone(), text(&picture.place)))
            .collect())
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
        let found = opened("some.tar", &bytes).unwrap();
        let expected = [
            ("b/1.png", "one"),
            ("b/2.jpg", "two again"),
            ("b-side.JPEG", "side"),
            (&long, "long"),
        ];
        let expected = expected.map(|(name, text)| (name.to_string(), text.to_string()));
        assert_eq!(found, expected);
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
        assert!(opened("noise.zip", &[0xa5; 4096]).is_err());
        assert!(opened("empty.tar", b"").unwrap().is_empty());
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
            let window = Window::of_file(&path).unwrap();
            if let Ok(entries) = list_tar(&window, &mut Spool::default()) {
                for member in Tree::of_entries(entries).members {
                    let _ = member.place.read();
                }
            }
        }
    }

    #[test]
    fn holes_of_more_than_a_gibibyte_are_not_filled() {
        let size = MOST_WITH_HOLES + 512;
        let mut header = tar::Header::new_gnu();
        header.set_path("old.png").unwrap();
        header.set_entry_type(EntryType::GNUSparse);
        header.set_size(0);
        let gnu = header.as_gnu_mut().unwrap();
        gnu.set_real_size(size);
        gnu.sparse[0].set_offset(size);
        gnu.sparse[0].set_length(0);
        header.set_cksum();
        let old = [header.as_bytes(), &[0; 1024][..]].concat();

        let mut builder = tar::Builder::new(Vec::new());
        let text = size.to_string();
        let said: [(&str, &[u8]); 2] = [
            ("GNU.sparse.realsize", text.as_bytes()),
            ("GNU.sparse.map", b"0,0"),
        ];
        builder.append_pax_extensions(said).unwrap();
        let mut header = tar::Header::new_ustar();
        header.set_size(0);
        builder
            .append_data(&mut header, "new.png", &[][..])
            .unwrap();
        for bytes in [old, builder.into_inner().unwrap()] {
            let error = opened("holes.tar", &bytes).unwrap_err().to_string();
            assert!(
                error.contains("with holes") && error.contains("unpack"),
                "{error}"
            );
        }
    }

    #[test]
    fn files_with_holes_are_filled_in_each_format() {
        let data = [b'x'; 10];
        // What GNU tar's formats 0.1 and 1.0 say of 5 data bytes at 3 and 5 at 1000, of 1200 in all.
        let mut expected = vec![0; 1200];
        expected[3..8].fill(b'x');
        expected[1000..1005].fill(b'x');
        let mut map = b"2\n3\n5\n1000\n5\n".to_vec();
        map.resize(512, 0);
        map.extend(data);
        let old: [(&str, &[u8]); 4] = [
            ("GNU.sparse.size", b"1200"),
            ("GNU.sparse.numblocks", b"2"),
            ("GNU.sparse.name", b"cat/1.png"),
            ("GNU.sparse.map", b"3,5,1000,5"),
        ];
        let new: [(&str, &[u8]); 4] = [
            ("GNU.sparse.major", b"1"),
            ("GNU.sparse.minor", b"0"),
            ("GNU.sparse.name", b"cat/1.png"),
            ("GNU.sparse.realsize", b"1200"),
        ];
        for (extensions, stored) in [(old, data.to_vec()), (new, map)] {
            let mut builder = tar::Builder::new(Vec::new());
            builder.append_pax_extensions(extensions).unwrap();
            let mut header = tar::Header::new_ustar();
            header.set_size(stored.len() as u64);
            let name = "cat/GNUSparseFile.7/1.png";
            builder.append_data(&mut header, name, &stored[..]).unwrap();
            let bytes = builder.into_inner().unwrap();
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("some.tar");
            std::fs::write(&path, bytes).unwrap();
            let window = Window::of_file(&path).unwrap();
            let entries = list_tar(&window, &mut Spool::default()).unwrap();
            let tree = Tree::of_entries(entries);
            assert_eq!(tree.members[0].name, "cat/1.png");
            assert_eq!(tree.members[0].place.size().unwrap(), 1200);
            assert_eq!(tree.members[0].place.read().unwrap(), expected);
        }
    }
}
