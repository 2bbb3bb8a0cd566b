//! Errors of reading and writing pictures.
//!
//! Each message fits on one line, including its cause, because a broken picture among many becomes one line
//! of a log.

use std::fmt::Display;
use std::io;
use std::path::PathBuf;

use svg_store::{printable, printable_path};

use crate::format::Format;
use crate::source::EXTENSIONS;

/// Error of decoding a picture.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// There are no bytes.
    #[error("the file is empty; fetch it again or leave it out")]
    NoBytes,

    /// The first bytes match no known format.
    #[error(
        "the bytes are not a picture in a known format (JPEG, PNG, BMP, GIF, WebP, TIFF and PNM are read); \
         convert it to PNG, or check that the download is complete"
    )]
    UnknownFormat,

    /// The first bytes match a format that is not read.
    #[error("this is {what}, which is not read here; {advice}")]
    OtherFormat {
        /// The format.
        what: &'static str,
        /// What to do.
        advice: String,
    },

    /// The header announces more pixels than [`DecodeOptions::max_pixels`] allows. Nothing was
    /// allocated.
    ///
    /// [`DecodeOptions::max_pixels`]: crate::DecodeOptions::max_pixels
    #[error(
        "the picture announces {width} x {height} pixels, more than the limit of {limit}; if you trust it, make \
         it smaller, or raise the limit (max_pixels, --max-pixels of `svg features`), else leave it out"
    )]
    TooLarge {
        /// Announced columns.
        width: u32,
        /// Announced rows.
        height: u32,
        /// Largest accepted number of pixels.
        limit: u64,
    },

    /// The header announces a picture without pixels.
    #[error("the picture has no pixels ({width} x {height}); leave it out")]
    Empty {
        /// Announced columns.
        width: u32,
        /// Announced rows.
        height: u32,
    },

    /// The file is intact, but of a kind of its format that is not read.
    #[error(
        "this kind of {format} is not read here: {what}; convert it, for example by \
         `magick IN.{} -depth 8 OUT.png`", format.to_lowercase()
    )]
    Unsupported {
        /// The format.
        format: &'static str,
        /// What is not read.
        what: String,
    },

    /// The file is truncated or damaged.
    #[error("the {format} is damaged: {reason}; fetch the file again or leave it out")]
    Damaged {
        /// The format.
        format: &'static str,
        /// What is wrong.
        reason: String,
    },

    /// The decoder panicked, which is its mistake.
    #[error("the decoder failed; convert the picture to PNG, or leave it out")]
    Panicked,
}

impl DecodeError {
    pub(crate) fn unsupported(format: Format, what: impl Into<String>) -> Self {
        Self::Unsupported {
            format: format.name(),
            what: what.into(),
        }
    }

    pub(crate) fn damaged(format: Format, reason: impl Into<String>) -> Self {
        Self::Damaged {
            format: format.name(),
            reason: reason.into(),
        }
    }
}

/// Error of reading or writing a picture.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// A file or folder could not be read.
    #[error(
        "cannot read {}: {cause}; check the path and its permissions",
        printable(path)
    )]
    Read {
        /// The file or folder, or the entry of an archive.
        path: String,
        /// Error of the operating system.
        cause: io::Error,
    },

    /// A file was read but could not be decoded.
    #[error("{}: {cause}", printable(name))]
    Decode {
        /// The picture, as [`ImageSet::name`](crate::ImageSet::name) gives it.
        name: String,
        /// What is wrong with its bytes.
        cause: DecodeError,
    },

    /// An archive is damaged or not an archive.
    #[error(
        "{} is not a readable archive: {}; fetch it again, or unpack it and give the \
         folder",
        printable_path(path), printable(&cause.to_string())
    )]
    Archive {
        /// The archive.
        path: PathBuf,
        /// Error of the archive reader.
        cause: io::Error,
    },

    /// A list names a missing file.
    #[error(
        "{}, line {line}: cannot read {}: {cause}; paths in a list are relative to its folder",
        printable_path(list),
        printable_path(path)
    )]
    Listed {
        /// The list.
        list: PathBuf,
        /// Number of the line, from 1.
        line: usize,
        /// The missing file.
        path: PathBuf,
        /// Error of the operating system.
        cause: io::Error,
    },

    /// A folder, archive or list holds no picture.
    #[error(
        "{} holds no pictures; looked in it and below for names ending in {}{}{unread}",
        printable_path(path), EXTENSIONS.join(", "), if unread.is_empty() { "" } else { "; " }
    )]
    NoImages {
        /// The folder, archive or list.
        path: PathBuf,
        /// What is in it that is not read, in words; empty if there is nothing.
        unread: String,
    },

    /// A file of many pictures is of a kind that is not read.
    #[error("{}: {advice}", printable_path(path))]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What it is and what to do about it.
        advice: &'static str,
    },

    /// A list of pictures or labels says something else than it should.
    #[error("{}: {}", printable_path(list), printable(reason))]
    List {
        /// The list.
        list: PathBuf,
        /// What is wrong with it.
        reason: String,
    },

    /// A file of NumPy cannot be read.
    #[error(transparent)]
    Array(#[from] svg_store::NpyError),

    /// A pattern stands for no file.
    #[error(
        "{}: {reason}; write {{000..146}} for numbers and * for any text, in quotation marks",
        printable(pattern)
    )]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },

    /// A file could not be written.
    #[error(transparent)]
    Write(#[from] svg_store::WriteError),
}

impl ImageError {
    /// [`ImageError::Read`] of a file or folder.
    pub(crate) fn read(path: impl Display) -> impl FnOnce(io::Error) -> Self {
        move |cause| Self::Read {
            path: path.to_string(),
            cause,
        }
    }
}
