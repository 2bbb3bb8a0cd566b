//! Reading, resizing, augmenting and writing pictures, without tensors.
//!
//! Files, folders, archives, arrays and lists are decoded to 8-bit RGB ([`ImageSet`], [`decode`], [`Loader`]) and
//! cropped to a square ([`adm_crop`], or an [`Augmentation`]). Results are arranged on sheets ([`grid`]) and
//! written atomically ([`save_png`]).
//!
//! The main design decision: **pixels equal those of Pillow.** Published weights, latent statistics and
//! FID numbers were made with Pillow, so pictures are decoded and resampled bit for bit as Pillow does it,
//! and tests compare for equality.
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
//! - [`decode`], [`DecodeOptions`], [`Orientation`], [`read_image`]: common formats to RGB, as Pillow reads them
//! - [`resize`], [`resize_region`], [`Filter`], [`adm_crop`]: Pillow's resampling, and ADM's centre crop
//! - [`resize_bilinear_plain`], [`plain_crop`]: OpenCV's bilinear resampling without smoothing, and its crop
//! - [`mirrored`]: horizontal flip
//! - [`Augmentation`], [`CropSettings`], [`JitterSettings`]: random views as in DINOv2
//! - [`ImageSet`], [`Loader`]: lists of pictures with their classes, and decoding on many threads
//! - [`save_png`], [`read_note`], [`encode_png`], [`grid`]: results
//! - [`ImageError`], [`DecodeError`], [`ClassError`]: errors that name the file and say what to do
//!
//! Not here: tensors (`svg-roles`), normalisation to a network's statistics (done by each network), and the
//! choice of augmentations (part of training).

mod archive;
mod arrays;
mod augment;
mod bmp;
mod classes;
mod column;
mod crop;
mod error;
mod folder;
mod format;
mod found;
mod gif;
mod grid;
mod jpeg;
mod kind;
mod label;
mod labels;
mod links;
mod list;
mod load;
mod open;
mod orientation;
mod pattern;
mod place;
mod plain;
mod png;
mod pnm;
mod read;
mod records;
mod resample;
mod root;
mod samples;
mod save;
mod shards;
mod source;
mod table;
mod tiff;
mod unpack;
mod unread;
mod webdataset;
mod zipped;

pub use augment::{Augmentation, CropSettings, JitterSettings};
pub use classes::ClassError;
pub use crop::{adm_crop, mirrored};
pub use error::{DecodeError, ImageError};
pub use grid::grid;
pub use image::{Rgb, RgbImage};
pub use load::{Loaded, Loader};
pub use orientation::Orientation;
pub use plain::{plain_crop, resize_bilinear_plain};
pub use read::{DecodeOptions, decode, dimensions, read_image};
pub use resample::{Filter, Region, resize, resize_region};
pub use save::{encode_png, read_note, save_png};
pub use source::{EXTENSIONS, ImageSet};
