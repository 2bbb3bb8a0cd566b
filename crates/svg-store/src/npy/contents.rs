//! The bytes of an entry, read from the beginning to the end.

use std::io::{self, BufReader, Read};

use flate2::Crc;
use flate2::bufread::DeflateDecoder;

use super::error::NpyProblem;
use super::source::{Section, Source};

/// Bytes that are read at once.
const BUFFER: usize = 1 << 16;

/// An entry of an archive, or a file that is no archive.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// Its name without `.npy`.
    pub name: String,
    /// Where its bytes begin in the file.
    pub start: u64,
    /// Bytes in the file.
    pub stored: u64,
    /// Bytes after inflation.
    pub size: u64,
    pub deflated: bool,
    /// Checksum, if the file has one.
    pub crc: Option<u32>,
}

/// Reads an entry and compares its checksum at the end.
#[derive(Debug)]
pub(super) struct Contents {
    bytes: Bytes,
    left: u64,
    expected: Option<u32>,
    crc: Crc,
}

#[derive(Debug)]
enum Bytes {
    Stored(BufReader<Section>),
    Deflated(Box<DeflateDecoder<BufReader<Section>>>),
}

impl Contents {
    pub fn new(source: &Source, entry: &Entry) -> Self {
        let section = Section::new(source.clone(), entry.start, entry.stored);
        let section = BufReader::with_capacity(BUFFER, section);
        let bytes = match entry.deflated {
            true => Bytes::Deflated(Box::new(DeflateDecoder::new(section))),
            false => Bytes::Stored(section),
        };
        Self {
            bytes,
            left: entry.size,
            expected: entry.crc,
            crc: Crc::new(),
        }
    }

    /// Bytes that the archive promises and that are not read yet.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// Fills a buffer with the next bytes.
    pub fn fill(&mut self, buffer: &mut [u8]) -> Result<(), NpyProblem> {
        if buffer.len() as u64 > self.left {
            return Err(cut_off());
        }
        let read = match &mut self.bytes {
            Bytes::Stored(bytes) => bytes.read_exact(buffer),
            Bytes::Deflated(bytes) => bytes.read_exact(buffer),
        };
        read.map_err(explained)?;
        self.crc.update(buffer);
        self.left -= buffer.len() as u64;
        Ok(())
    }

    /// Gives the next bytes to `each` in pieces; all pieces but the last are as long as the first.
    pub fn pieces(
        &mut self,
        mut count: u64,
        mut each: impl FnMut(&[u8]) -> Result<(), NpyProblem>,
    ) -> Result<(), NpyProblem> {
        let mut buffer = vec![0; BUFFER.min(usize::try_from(count).unwrap_or(BUFFER))];
        while count > 0 {
            let length = buffer.len().min(usize::try_from(count).unwrap_or(BUFFER));
            self.fill(&mut buffer[..length])?;
            each(&buffer[..length])?;
            count -= length as u64;
        }
        Ok(())
    }

    /// At the end: nothing may follow, and the checksum must be right.
    ///
    /// # Panics
    ///
    /// If bytes are left.
    pub fn end(&mut self) -> Result<(), NpyProblem> {
        assert_eq!(self.left, 0, "the checksum is that of all bytes");
        let mut more = [0];
        let more = match &mut self.bytes {
            Bytes::Stored(_) => 0,
            Bytes::Deflated(bytes) => bytes.read(&mut more).map_err(explained)?,
        };
        if more > 0 {
            let what = "more bytes follow than the archive states";
            return Err(NpyProblem::Changed(what.to_string()));
        }
        match self.expected.is_none_or(|crc| crc == self.crc.sum()) {
            true => Ok(()),
            false => Err(NpyProblem::Changed("the checksum is another".to_string())),
        }
    }
}

fn cut_off() -> NpyProblem {
    NpyProblem::Changed("they end too early".to_string())
}

fn explained(error: io::Error) -> NpyProblem {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => cut_off(),
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => {
            NpyProblem::Changed("they cannot be inflated".to_string())
        }
        _ => NpyProblem::Read(error),
    }
}
