//! Errors of training data.

use svg_image::{ClassError, ImageError};

/// Why pictures cannot be used for training.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// A picture could not be found or sized.
    #[error(transparent)]
    Image(#[from] ImageError),

    /// A picture is smaller than the crop, and the recipe refuses such.
    #[error(
        "{name} has {width} x {height} pixels, fewer than the crop of {size} x {size}; leave it \
         out, or set smaller = \"enlarge\""
    )]
    Smaller {
        /// The picture, as [`ImageSet::name`](svg_image::ImageSet::name) gives it.
        name: String,
        /// Its columns.
        width: u32,
        /// Its rows.
        height: u32,
        /// Side of the crop.
        size: u32,
    },

    /// Most pictures are broken, so that something is wrong with all of them.
    #[error(
        "{broken} of {read} pictures in a row could not be read, the last because: {last}; check \
         the data and the disk before training on what is left"
    )]
    Broken {
        /// Pictures that could not be read.
        broken: u64,
        /// Pictures tried.
        read: u64,
        /// What was wrong with the last.
        last: ImageError,
    },

    /// The pictures have no classes.
    #[error(transparent)]
    Classes(#[from] ClassError),

    /// The pictures are not those of the checkpoint.
    #[error(
        "the data are not those of the checkpoint: {difference}; give the data that the run began \
         with, or go on with these by --force-data, with other pictures than an unbroken run"
    )]
    Changed {
        /// The difference, in words.
        difference: String,
    },
}
