//! Bytes that are read at any place, by several readers at once.

use std::fmt::Debug;
use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;

/// Trait for files, and stretches of files, that are read without a position of their own.
pub trait ReadAt: Debug + Send + Sync {
    /// Number of bytes.
    ///
    /// # Errors
    ///
    /// Errors of the operating system.
    fn size(&self) -> io::Result<u64>;

    /// Reads bytes from a place on and says how many; 0 at the end.
    ///
    /// # Errors
    ///
    /// Errors of the operating system.
    fn read_at(&self, buffer: &mut [u8], place: u64) -> io::Result<usize>;
}

impl ReadAt for File {
    fn size(&self) -> io::Result<u64> {
        self.metadata().map(|metadata| metadata.len())
    }

    #[cfg(unix)]
    fn read_at(&self, buffer: &mut [u8], place: u64) -> io::Result<usize> {
        std::os::unix::fs::FileExt::read_at(self, buffer, place)
    }

    #[cfg(windows)]
    fn read_at(&self, buffer: &mut [u8], place: u64) -> io::Result<usize> {
        std::os::windows::fs::FileExt::seek_read(self, buffer, place)
    }
}

/// A file that is shared.
#[derive(Debug, Clone)]
pub(super) struct Source(pub Arc<dyn ReadAt>);

impl rawzip::ReaderAt for Source {
    fn read_at(&self, buffer: &mut [u8], place: u64) -> io::Result<usize> {
        self.0.read_at(buffer, place)
    }
}

impl Source {
    /// Fills a buffer from a place on.
    pub fn fill(&self, mut buffer: &mut [u8], mut place: u64) -> io::Result<()> {
        while !buffer.is_empty() {
            match self.0.read_at(buffer, place) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => {
                    buffer = &mut buffer[count..];
                    place += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Reads a stretch of a file from its beginning to its end.
#[derive(Debug)]
pub(super) struct Section {
    source: Source,
    place: u64,
    end: u64,
}

impl Section {
    pub fn new(source: Source, start: u64, length: u64) -> Self {
        Self {
            source,
            place: start,
            end: start.saturating_add(length),
        }
    }
}

impl Read for Section {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.place).unwrap_or(usize::MAX);
        let length = buffer.len().min(left);
        let count = self.source.0.read_at(&mut buffer[..length], self.place)?;
        self.place += count as u64;
        Ok(count)
    }
}
