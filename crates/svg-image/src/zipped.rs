//! The entries of zip archives and where their bytes are.

use std::io::{self, BufReader, Read, Seek, SeekFrom};

use zip::{CompressionMethod, ZipArchive};

use crate::links::{Content, Entry};
use crate::place::{Deflated, Place, Window};

/// The type in a Unix mode, and that of a symbolic link.
const TYPE: u32 = 0o170_000;
const LINK: u32 = 0o120_000;

/// The fixed part of a header before an entry's data.
const HEADER: usize = 30;

/// Lists the entries of an archive, in the order of its directory.
///
/// Reading an entry later needs no more than its position, so that the directory is not kept.
pub(crate) fn list_zip(archive: &Window) -> io::Result<Vec<Entry>> {
    let mut reader = BufReader::new(archive.reader()?);
    let mut zip = ZipArchive::new(BufReader::new(archive.reader()?)).map_err(invalid)?;
    let mut entries = Vec::new();
    for index in 0..zip.len() {
        let entry = zip.by_index_raw(index).map_err(invalid)?;
        // Windows writes its own separators at times.
        let name = String::from_utf8_lossy(entry.name_raw()).replace('\\', "/");
        if entry.is_dir() {
            let content = Content::Folder;
            entries.push(Entry { name, content });
            continue;
        }
        if entry.encrypted() {
            return Err(refused(&name, "is encrypted; unpack it with its password"));
        }
        let start = data_start(&mut reader, entry.header_start())?;
        let stored = archive.part(start, entry.compressed_size());
        let stored = stored.ok_or_else(|| refused(&name, "is cut off"))?;
        let place = match entry.compression() {
            CompressionMethod::Stored => Place::Window(stored),
            CompressionMethod::Deflated => Place::Deflated(Box::new(Deflated {
                stored,
                size: entry.size(),
                crc: entry.crc32(),
            })),
            other => {
                let what = format!("is compressed by {other}; write the archive anew with deflate");
                return Err(refused(&name, &what));
            }
        };
        let is_link = entry.unix_mode().is_some_and(|mode| mode & TYPE == LINK);
        let content = match is_link {
            true => Content::Symlink(String::from_utf8_lossy(&place.read()?).into_owned()),
            false => Content::File(place),
        };
        entries.push(Entry { name, content });
    }
    Ok(entries)
}

/// The first byte after a local header, whose lengths may differ from those of the directory.
fn data_start(reader: &mut BufReader<impl Read + Seek>, header: u64) -> io::Result<u64> {
    let mut bytes = [0; HEADER];
    reader.seek(SeekFrom::Start(header))?;
    reader.read_exact(&mut bytes)?;
    let length = |at: usize| u64::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]));
    Ok(header + HEADER as u64 + length(26) + length(28))
}

fn refused(name: &str, what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::Unsupported,
        format!("its entry {name} {what}"),
    )
}

fn invalid(error: zip::result::ZipError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
