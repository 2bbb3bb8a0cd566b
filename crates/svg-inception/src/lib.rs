//! The Inception v3 of FID, sFID, KID and the Inception Score, with the resizing of each tool.
//!
//! Numbers called FID were made by different programs, which agree on the network of 2015-12-05 and not on how an image
//! becomes its input. [`Inception`] is that network under one of their protocols: it takes images of any size and returns
//! the features of all metrics in one pass.
//!
//! The main design decision: **a protocol is a value, and a file is what it says or an error.** Which pixels a tool
//! resizes by which rule ([`Resize`]) is an argument and part of [`Embedding::name`](svg_roles::Embedding), so features
//! of two rules are not mixed unnoticed. A tensor too many or too few is an error. torchvision's network of the same
//! architecture has other pools and other weights; its file opens as a [`Kind`] of its own, with a warning for the user.
//!
//! ```
//! use burn::prelude::*;
//! use svg_inception::{Inception, InceptionV3, Kind, Resize};
//!
//! let device = Device::default();
//! // Zeros in place of the trained weights, which `Inception::open(path, resize, &device)` reads.
//! let weights = InceptionV3::init(Kind::Fid, &device).tensors();
//! let inception = Inception::from_tensors(weights, Resize::Tensorflow, "zeros", &device).unwrap();
//!
//! // Images are in [-1, 1], of any size; the rest is the protocol's.
//! let images = Tensor::<4>::zeros([1, 3, 64, 48], &device);
//! let output = inception.outputs(images);
//! assert_eq!(output.pool3.dims(), [1, 2048]);
//! assert_eq!(output.spatial.dims(), [1, 2023]);
//! assert_eq!(output.logits_without_bias.dims(), [1, 1008]);
//! ```
//!
//! - [`Inception`]: a file, a rule of resizing, and the outputs of images or pixels; an [`Embedding`](svg_roles::Embedding)
//! - [`InceptionOutput`]: features of FID, of sFID, and logits
//! - [`Resize`]: TensorFlow 1's, PyTorch's and Pillow's rule
//! - [`InceptionV3`], [`Unit`]: the network and its parts, [`Kind`]: which one a file holds
//! - [`InceptionError`]: error for files of weights

mod blocks;
mod error;
mod import;
mod inception;
mod network;
mod resize;
#[cfg(test)]
mod tests;
mod unit;

pub use blocks::{BlockA, BlockB, BlockC, BlockD, BlockE};
pub use error::InceptionError;
pub use inception::Inception;
pub use network::{Classifier, InceptionOutput, InceptionV3, Kind};
pub use resize::{Resize, UnknownResize};
pub use unit::{Filters, Statistics, Unit};
