//! Errors of reading and writing pictures.
//!
//! Each message fits on one line, including its cause, because a broken picture among many becomes one line
//! of a log.

use std::fmt::Display;
use std::io;
use std::path::PathBuf;

use crate::source::EXTENSIONS;

/// Error of decoding a picture.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The first bytes match none of the supported formats.
    #[error(
        "the bytes are not a picture in a supported format (JPEG, PNG, BMP, GIF, WebP, TIFF, PNM); \
         convert it to PNG, or check that the download is complete"
    )]
    UnknownFormat,

    /// The header announces more pixels than [`DecodeOptions::max_pixels`] allows. Nothing was
    /// allocated.
    ///
    /// [`DecodeOptions::max_pixels`]: crate::DecodeOptions::max_pixels
    #[error(
        "the picture announces {width} x {height} pixels, more than the limit of {limit}; if you \
         trust it, raise the limit (max_pixels), else leave it out"
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

    /// The samples have no defined conversion to 8-bit colours.
    #[error("samples of type {0} have no defined range; convert the picture to 8 bits")]
    Samples(String),

    /// A JPEG is truncated or damaged, or uses a feature outside the common profiles.
    #[error("the JPEG cannot be decoded: {0}; fetch the file again or leave it out")]
    Jpeg(String),

    /// A picture of another format is truncated or damaged, or uses an unusual feature.
    #[error("the picture cannot be decoded: {0}; fetch the file again or leave it out")]
    Other(String),
}

/// Error of reading or writing a picture.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// A file or folder could not be read.
    #[error("cannot read {path}: {cause}; check the path and its permissions")]
    Read {
        /// The file or folder, or the entry of an archive.
        path: String,
        /// Error of the operating system.
        cause: io::Error,
    },

    /// A file was read but could not be decoded.
    #[error("{name}: {cause}")]
    Decode {
        /// The picture, as [`ImageSet::name`](crate::ImageSet::name) gives it.
        name: String,
        /// What is wrong with its bytes.
        cause: DecodeError,
    },

    /// An archive is damaged or not an archive.
    #[error(
        "{path} is not a readable archive: {cause}; fetch it again, or unpack it and give the \
         folder"
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
        list.display(), path.display()
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
        "{path} holds no pictures; looked in it and below for names ending in {}{}{unread}",
        EXTENSIONS.join(", "), if unread.is_empty() { "" } else { "; " }
    )]
    NoImages {
        /// The folder, archive or list.
        path: PathBuf,
        /// What is in it that is not read, in words; empty if there is nothing.
        unread: String,
    },

    /// A file of many pictures is of a kind that is not read.
    #[error("{path}: {advice}")]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What it is and what to do about it.
        advice: &'static str,
    },

    /// A list of pictures or labels says something else than it should.
    #[error("{list}: {reason}")]
    List {
        /// The list.
        list: PathBuf,
        /// What is wrong with it.
        reason: String,
    },

    /// A pattern stands for no file.
    #[error(
        "{pattern}: {reason}; write {{000..146}} for numbers and * for any text, in quotation marks"
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
