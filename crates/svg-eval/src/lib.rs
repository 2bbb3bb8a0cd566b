//! How good a reconstruction is, PSNR, SSIM and LPIPS with the published definitions, how far two sets
//! of features are apart, by Fréchet's distance, and what features know of classes, by two probes.
//!
//! Images in, numbers out. The crate knows no generator and no trainer; LPIPS is a metric first, and
//! training borrows it as a loss.
//!
//! The one design decision: **a metric is a function of two images and has no modes.** LPIPS as it is
//! usually copied carries a dropout that an innocent `train()` turns on, and its root has no gradient
//! where the features vanish; PSNR depends on whether pixels were rounded before. Here there is no
//! dropout to turn on, the root is guarded, and the function for rounded pixels takes another type
//! than the one for unrounded ones. What cannot be computed exactly is not computed: [`Lpips`] exists
//! only with all its weights.
//!
//! ```
//! use burn::prelude::*;
//! use svg_eval::{psnr_batch, ssim};
//!
//! let device = Device::default();
//! let reference = Tensor::<4>::zeros([1, 3, 16, 16], &device);
//! let images = reference.clone() + 0.2; // A tenth of the range from black to white.
//!
//! assert!((psnr_batch(images.clone(), reference.clone())[0] - 20.0).abs() < 1e-4);
//! assert!((ssim(reference.clone(), reference)[0] - 1.0).abs() < 1e-6);
//! ```
//!
//! - [`psnr`] and [`psnr_batch`]: decibels, of stored pixels and of unrounded ones
//! - [`ssim`]: structural similarity, as torchmetrics computes it
//! - [`Lpips`]: perceptual distance v0.1 on the features of VGG16, differentiable in its first input
//! - [`Moments`]: mean and covariance of features, and their directions of greatest variance
//! - [`frechet_distance`]: how far two sets of features are apart, and [`StoredMoments`], a reference that is kept
//! - [`NearestNeighbours`], [`LinearProbe`]: how well features tell classes apart, and [`Confusion`], which
//!   are taken for which
//! - [`EvalError`]: what is wrong with a file of VGG16 weights, and where to get one

mod confusion;
mod eigen;
mod error;
mod frechet;
mod import;
mod linear_probe;
mod lpips;
mod moments;
mod nearest;
mod psnr;
mod ssim;
mod stored_moments;
mod vgg;

pub use confusion::Confusion;
pub use error::EvalError;
pub use frechet::{FrechetError, frechet_distance};
pub use linear_probe::LinearProbe;
pub use lpips::Lpips;
pub use moments::Moments;
pub use nearest::NearestNeighbours;
pub use psnr::{psnr, psnr_batch};
pub use ssim::ssim;
pub use stored_moments::{MomentsError, StoredMoments};
pub use vgg::Vgg16;
