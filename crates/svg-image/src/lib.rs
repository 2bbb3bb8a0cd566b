//! Pictures in and out: bytes to pixels and back, without a tensor.
//!
//! Training, sampling and evaluation meet pictures at the same two doors. On the way in, files,
//! folders, archives and lists become 8-bit RGB ([`ImageSet`], [`decode`], [`Loader`]) and a square
//! ([`adm_crop`], or an [`Augmentation`] of it); on the way out pictures become sheets ([`grid`]) and
//! files that are complete or absent ([`save_png`]).
//!
//! One decision shapes the crate: **a pixel has exactly one value.** Published weights, latent
//! statistics and FID numbers were made with Pillow, so pictures are decoded and resampled bit for
//! bit as Pillow does it, and tests compare for equality, not for closeness.
//!
//! ```
//! use svg_image::{Filter, Rgb, RgbImage, adm_crop, grid, resize};
//!
//! let photograph = RgbImage::from_fn(100, 70, |x, y| Rgb([x as u8, y as u8, 128]));
//! let crop = adm_crop(&photograph, 32);
//! let small = resize(&photograph, 32, 32, Filter::Bicubic);
//!
//! let sheet = grid(&[crop, small], 2, 4);
//! assert_eq!(sheet.dimensions(), (68, 32));
//! ```
//!
//! - [`decode`], [`DecodeOptions`], [`read_image`]: any common format to RGB, as Pillow reads it
//! - [`resize`], [`resize_region`], [`Filter`], [`adm_crop`]: Pillow's resampling, and the crop made of it
//! - [`resize_bilinear_plain`], [`plain_crop`]: OpenCV's bilinear, which does not smooth, and its crop
//! - [`mirrored`]: left and right exchanged
//! - [`Augmentation`], [`CropSettings`], [`JitterSettings`]: random views, as DINOv2 makes them
//! - [`ImageSet`], [`Loader`]: lists of pictures, and their decoding on many threads
//! - [`save_png`], [`read_note`], [`encode_png`], [`grid`]: results
//! - [`ImageError`], [`DecodeError`]: what went wrong, with which file, and what to do
//!
//! Not here: tensors (`svg-roles`), normalisation to a network's statistics (each network's own
//! business), and the choice of augmentations (training's).

mod archive;
mod augment;
mod crop;
mod error;
mod grid;
mod jpeg;
mod list;
mod load;
mod note;
mod plain;
mod read;
mod resample;
mod samples;
mod save;
mod source;

pub use augment::{Augmentation, CropSettings, JitterSettings};
pub use crop::{adm_crop, mirrored};
pub use error::{DecodeError, ImageError};
pub use grid::grid;
pub use image::{Rgb, RgbImage};
pub use load::{Loaded, Loader};
pub use note::read_note;
pub use plain::{plain_crop, resize_bilinear_plain};
pub use read::{DecodeOptions, Orientation, decode, dimensions, read_image};
pub use resample::{Filter, Region, resize, resize_region};
pub use save::{encode_png, save_png};
pub use source::{EXTENSIONS, ImageSet};
