//! Where the bytes of a picture are: in a file, in a stretch of one, in a row of a table, or in an array.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::Crc;
use flate2::read::DeflateDecoder;
use svg_store::{ReadAt, open_file, read_file};

use crate::arrays::Frame;
use crate::column::Recent;
use crate::table::Cell;

/// The bytes of a file in a folder or archive.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    File(PathBuf),
    Window(Window),
    Deflated(Box<Deflated>),
    Cell(Cell),
    Pixels(Pixels),
}

/// A stretch of a file.
#[derive(Debug, Clone)]
pub(crate) struct Window {
    store: Store,
    offset: u64,
    size: u64,
}

/// A file that holds archives. Those with a path are opened for each use: there may be more archives than a
/// process may have open files.
#[derive(Debug, Clone)]
enum Store {
    Path(Arc<Path>),
    Open(Arc<File>),
}

/// A compressed entry of a zip archive.
#[derive(Debug, Clone)]
pub(crate) struct Deflated {
    pub stored: Window,
    pub size: u64,
    pub crc: u32,
}

/// Pixels of an array, which are given away as the picture in PNM that they are the data of: it has no other numbers.
#[derive(Debug, Clone)]
pub(crate) struct Pixels {
    window: Window,
    frame: Frame,
}

impl Place {
    pub fn size(&self) -> io::Result<u64> {
        match self {
            Self::File(path) => std::fs::metadata(path).map(|metadata| metadata.len()),
            Self::Window(window) => Ok(window.size),
            Self::Deflated(entry) => Ok(entry.size),
            Self::Cell(cell) => Ok(cell.size()),
            Self::Pixels(pixels) => Ok(pixels.window.size),
        }
    }

    pub fn read(&self) -> io::Result<Vec<u8>> {
        match self {
            Self::File(path) => read_file(path),
            Self::Window(window) => window.read(),
            Self::Deflated(entry) => entry.read(),
            Self::Cell(cell) => cell.read(),
            Self::Pixels(pixels) => pixels.read(),
        }
    }

    /// The file on disk that the bytes are read from; `None` if that is an anonymous one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Window(window) => window.path(),
            Self::Deflated(entry) => entry.stored.path(),
            Self::Cell(cell) => cell.path(),
            Self::Pixels(pixels) => pixels.window.path(),
        }
    }

    /// The bytes as a stretch of a file, for an archive within an archive.
    pub fn window(&self, spool: &mut Spool) -> io::Result<Window> {
        match self {
            Self::File(path) => Window::of_file(path),
            Self::Window(window) => Ok(window.clone()),
            Self::Deflated(_) | Self::Cell(_) | Self::Pixels(_) => {
                let bytes = self.read()?;
                spool.append(|out| out.write_all(&bytes))
            }
        }
    }
}

impl Pixels {
    pub fn new(window: Window, frame: Frame) -> Self {
        Self { window, frame }
    }

    fn read(&self) -> io::Result<Vec<u8>> {
        let Frame {
            width,
            height,
            is_grey,
        } = self.frame;
        let kind = if is_grey { "P5" } else { "P6" };
        let header = format!("{kind} {width} {height} 255\n");
        let mut bytes = room(header.len() as u64 + self.window.size)?;
        bytes.extend(header.as_bytes());
        let start = bytes.len() as u64;
        self.window.reader()?.read_to_end(&mut bytes)?;
        match bytes.len() as u64 - start == self.window.size {
            true => Ok(bytes),
            false => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

impl Deflated {
    fn read(&self) -> io::Result<Vec<u8>> {
        let mut bytes = room(self.size)?;
        let inflated = DeflateDecoder::new(self.stored.reader()?);
        inflated.take(self.size + 1).read_to_end(&mut bytes)?;
        let mut crc = Crc::new();
        crc.update(&bytes);
        match bytes.len() as u64 == self.size && crc.sum() == self.crc {
            true => Ok(bytes),
            false => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "its bytes are not those of the archive's checksum",
            )),
        }
    }
}

impl Window {
    /// All of a file.
    pub fn of_file(path: &Path) -> io::Result<Self> {
        let size = std::fs::metadata(path)?.len();
        let store = Store::Path(path.into());
        Ok(Self {
            store,
            offset: 0,
            size,
        })
    }

    pub fn size(&self) -> u64 {
        self.size
    }

    /// The file that this is a stretch of; `None` if it is an anonymous one.
    pub fn path(&self) -> Option<&Path> {
        match &self.store {
            Store::Path(path) => Some(path),
            Store::Open(_) => None,
        }
    }

    /// A stretch of this one, unless it ends beyond it.
    pub fn part(&self, offset: u64, size: u64) -> Option<Self> {
        let end = offset.checked_add(size)?;
        (end <= self.size).then(|| Self {
            store: self.store.clone(),
            offset: self.offset + offset,
            size,
        })
    }

    pub fn read(&self) -> io::Result<Vec<u8>> {
        let mut bytes = room(self.size)?;
        self.reader()?.read_to_end(&mut bytes)?;
        match bytes.len() as u64 == self.size {
            true => Ok(bytes),
            false => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    /// At most `length` bytes of the beginning.
    pub fn head(&self, length: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.reader()?.take(length).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    pub fn reader(&self) -> io::Result<WindowReader> {
        let file = match &self.store {
            Store::Path(path) => Arc::new(open_file(path)?),
            Store::Open(file) => file.clone(),
        };
        Ok(WindowReader {
            file,
            start: self.offset,
            size: self.size,
            position: 0,
        })
    }
}

/// Memory for so many bytes. The number comes from an archive, and `vec!` would abort if it is absurd.
fn room(size: u64) -> io::Result<Vec<u8>> {
    let size = usize::try_from(size).map_err(|_| io::ErrorKind::OutOfMemory)?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(size)?;
    Ok(bytes)
}

/// Reads a [`Window`]. Several may read the same file at once.
#[derive(Debug)]
pub(crate) struct WindowReader {
    file: Arc<File>,
    start: u64,
    size: u64,
    position: u64,
}

impl Read for WindowReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.read_at(buffer, self.position)?;
        self.position += count as u64;
        Ok(count)
    }
}

impl ReadAt for WindowReader {
    fn size(&self) -> io::Result<u64> {
        Ok(self.size)
    }

    fn read_at(&self, buffer: &mut [u8], place: u64) -> io::Result<usize> {
        let left = self.size.saturating_sub(place);
        let length = buffer
            .len()
            .min(usize::try_from(left).unwrap_or(usize::MAX));
        match length {
            0 => Ok(0),
            length => read_at(&self.file, &mut buffer[..length], self.start + place),
        }
    }
}

impl Seek for WindowReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(by) => self.size.checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        let out_of_range = || io::Error::from(io::ErrorKind::InvalidInput);
        // A sum with the start must not overflow.
        self.position = position
            .filter(|position| self.start.checked_add(*position).is_some())
            .ok_or_else(out_of_range)?;
        Ok(self.position)
    }
}

#[cfg(unix)]
fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, offset)
}

#[cfg(windows)]
fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, offset)
}

/// One anonymous file for all that has to be unpacked before it can be read at random; it is deleted with its
/// last handle.
#[derive(Debug, Default)]
pub(crate) struct Spool {
    file: Option<Arc<File>>,
    length: u64,
    /// What was unpacked last of tables.
    pub recent: Arc<Recent>,
    /// The archives that were unpacked into it.
    pub unpacked: Vec<PathBuf>,
}

impl Spool {
    /// Appends what `fill` writes.
    pub fn append(
        &mut self,
        fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<Window> {
        let (file, start) = (self.file()?, self.length);
        let mut out = io::BufWriter::with_capacity(1 << 16, &*file);
        out.seek(SeekFrom::Start(start))?;
        fill(&mut out)?;
        self.length = out.stream_position()?;
        out.flush()?;
        drop(out);
        Ok(self.window(file, start))
    }

    /// Appends a file with holes: `pieces` are the positions and lengths of its data, which follow each other
    /// in `data`.
    pub fn append_sparse(
        &mut self,
        size: u64,
        pieces: &[(u64, u64)],
        data: &[u8],
    ) -> io::Result<Window> {
        let wrong = || io::Error::new(io::ErrorKind::InvalidData, "its map of holes is damaged");
        let (file, start) = (self.file()?, self.length);
        let end = start.checked_add(size).ok_or_else(wrong)?;
        file.set_len(end)?;
        let mut rest = data;
        for &(at, length) in pieces {
            let fits = at.checked_add(length).is_some_and(|last| last <= size);
            let length = usize::try_from(length).ok().filter(|_| fits);
            let (piece, others) = length
                .and_then(|length| rest.split_at_checked(length))
                .ok_or_else(wrong)?;
            (&*file).seek(SeekFrom::Start(start + at))?;
            (&*file).write_all(piece)?;
            rest = others;
        }
        self.length = end;
        Ok(self.window(file, start))
    }

    fn file(&mut self) -> io::Result<Arc<File>> {
        if self.file.is_none() {
            self.file = Some(Arc::new(svg_store::nameless_file()?));
        }
        Ok(self.file.clone().expect("it was made above"))
    }

    fn window(&self, file: Arc<File>, start: u64) -> Window {
        Window {
            store: Store::Open(file),
            offset: start,
            size: self.length - start,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_of_a_spool_are_read_at_once_and_end_where_they_should() {
        let mut spool = Spool::default();
        let one = spool.append(|out| out.write_all(b"one and")).unwrap();
        let sparse = spool.append_sparse(6, &[(1, 2), (5, 1)], b"abc").unwrap();
        let two = spool.append(|out| out.write_all(b"two")).unwrap();
        assert_eq!(one.read().unwrap(), b"one and");
        assert_eq!(sparse.read().unwrap(), b"\0ab\0\0c");
        assert_eq!(two.read().unwrap(), b"two");
        assert_eq!(one.part(4, 3).unwrap().read().unwrap(), b"and");
        assert!(one.part(4, 4).is_none() && one.part(u64::MAX, 2).is_none());
        assert_eq!(one.head(3).unwrap(), b"one");
        assert!(spool.append_sparse(4, &[(3, 2)], b"ab").is_err());
    }

    #[test]
    fn seeking_in_a_window_stays_in_it() {
        let mut spool = Spool::default();
        spool.append(|out| out.write_all(b"before")).unwrap();
        let window = spool.append(|out| out.write_all(b"0123456789")).unwrap();
        let mut reader = window.reader().unwrap();
        assert_eq!(reader.seek(SeekFrom::End(-3)).unwrap(), 7);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "789");
        assert!(reader.seek(SeekFrom::Current(-11)).is_err());
        assert!(reader.seek(SeekFrom::Start(u64::MAX)).is_err());
    }
}
