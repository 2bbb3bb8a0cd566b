//! Pictures in and out: bytes to typed pixels and back.
//!
//! Training, sampling and evaluation meet pictures at the same two doors. On the way in, files,
//! folders, archives and lists become 8-bit RGB ([`ImageSet`], [`decode`], [`Loader`]), a square
//! ([`adm_crop`]) and a tensor ([`Images`]); on the way out a tensor becomes pictures, sheets
//! ([`grid`]) and files that are complete or absent ([`save_png`]).
//!
//! One decision shapes the crate: **a pixel has exactly one value.** Published weights, latent
//! statistics and FID numbers were made with Pillow, so pictures are decoded and resampled bit for
//! bit as Pillow does it, and tests compare for equality, not for closeness. After that, the range
//! is part of the type: [`Images<Signed>`](Images) and [`Images<Unit>`](Images) convert into each
//! other but are never mistaken for each other, and only `[-1, 1]` leaves the type as a bare
//! tensor.
//!
//! ```
//! use burn::prelude::*;
//! use svg_image::{Images, RgbImage, Signed, adm_crop, grid};
//!
//! let photograph = RgbImage::from_fn(100, 70, |x, y| image::Rgb([x as u8, y as u8, 128]));
//! let crop = adm_crop(&photograph, 32);
//!
//! let images = Images::<Signed>::from_rgb(&[crop.clone(), crop], &Device::default());
//! let reconstruction = images.into_tensor().tanh(); // Some network: [2, 3, 32, 32].
//!
//! let sheet = grid(&Images::<Signed>::from_tensor(reconstruction).to_rgb(), 2, 4);
//! assert_eq!(sheet.dimensions(), (68, 32));
//! ```
//!
//! - [`decode`], [`DecodeOptions`], [`read_image`]: any common format to RGB, as Pillow reads it
//! - [`resize`], [`resize_region`], [`Filter`], [`adm_crop`]: Pillow's resampling, and the crop made of it
//! - [`resize_bilinear_plain`], [`plain_crop`]: OpenCV's bilinear, which does not smooth, and its crop
//! - [`mirrored`]: left and right exchanged
//! - [`Images`], [`PixelRange`], [`Signed`], [`Unit`]: tensors that know their black and white
//! - [`ImageSet`], [`Loader`]: lists of pictures, and their decoding on many threads
//! - [`save_png`], [`read_note`], [`encode_png`], [`grid`]: results
//! - [`ImageError`], [`DecodeError`]: what went wrong, with which file, and what to do
//!
//! Not here: normalisation to a network's statistics (each network's own business), and
//! the choice of augmentations (training's, as the `prepare` of a [`Loader`]).

mod archive;
mod crop;
mod error;
mod grid;
mod jpeg;
mod list;
mod load;
mod note;
mod plain;
mod range;
mod read;
mod resample;
mod samples;
mod save;
mod source;

pub use crop::{adm_crop, mirrored};
pub use error::{DecodeError, ImageError};
pub use grid::grid;
pub use image::{Rgb, RgbImage};
pub use load::{Loaded, Loader};
pub use note::read_note;
pub use plain::{plain_crop, resize_bilinear_plain};
pub use range::{Images, PixelRange, Signed, Unit};
pub use read::{DecodeOptions, Orientation, decode, dimensions, read_image};
pub use resample::{Filter, Region, resize, resize_region};
pub use save::{encode_png, save_png};
pub use source::{EXTENSIONS, ImageSet};
