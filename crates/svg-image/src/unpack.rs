//! Decompression of archives into a file that can be read at random.

use std::io::{self, BufRead, BufReader, Read, Write};

use bzip2::read::MultiBzDecoder;
use flate2::read::MultiGzDecoder;
use lzma_rust2::XzReader;
use ruzstd::decoding::StreamingDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};

use crate::kind::Compression;
use crate::place::{Spool, Window, WindowReader};

/// The largest window of zstd that is accepted, as of `zstd --long=31`.
const ZSTD_WINDOW: u64 = 1 << 31;

/// The decompressed content of a file. Files of several streams, which parallel compressors write, are one.
pub(crate) fn unpacked(
    compression: Compression,
    window: &Window,
    spool: &mut Spool,
) -> io::Result<Window> {
    let source = BufReader::with_capacity(1 << 16, window.reader()?);
    spool.append(|out| {
        let mut plain: Box<dyn Read> = match compression {
            Compression::Gzip => Box::new(MultiGzDecoder::new(source)),
            Compression::Bzip2 => Box::new(MultiBzDecoder::new(source)),
            Compression::Xz => Box::new(XzReader::new(source, true)),
            Compression::Zstd => return copy_zstd(source, out),
        };
        io::copy(&mut plain, out).map(|_| ())
    })
}

/// Decompresses all frames and passes over those that are to be skipped.
fn copy_zstd(mut source: BufReader<WindowReader>, out: &mut dyn Write) -> io::Result<()> {
    while !source.fill_buf()?.is_empty() {
        match StreamingDecoder::new_with_max_window_size(&mut source, ZSTD_WINDOW) {
            Ok(mut frame) => {
                io::copy(&mut frame, out)?;
                let frame = frame.into_frame_decoder();
                let stored = frame.get_checksum_from_data();
                if stored.is_some() && stored != frame.get_calculated_checksum() {
                    let message = "its bytes are not those of its checksum";
                    return Err(io::Error::new(io::ErrorKind::InvalidData, message));
                }
            }
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                length,
                ..
            })) => {
                let mut skipped = (&mut source).take(length.into());
                io::copy(&mut skipped, &mut io::sink())?;
            }
            Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error)),
        }
    }
    Ok(())
}
