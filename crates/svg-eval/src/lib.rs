//! Metrics with the published definitions: PSNR, SSIM and LPIPS of two images; the Fréchet distance, Inception
//! Score, precision and recall, KID and others of two sets of features; and two probes that measure how well
//! features separate classes.
//!
//! The crate is independent of generators and trainers. LPIPS can also be used as a loss.
//!
//! The main design decision: **a metric is a function and has no modes.** The usual
//! implementation of LPIPS contains dropout, which `train()` activates, and its root has no gradient
//! where the features vanish; PSNR depends on whether pixels were rounded before. Here there is no
//! dropout, the root is guarded, and the function for rounded pixels takes another type than the one
//! for unrounded ones. [`Lpips`] can only be constructed with all its weights. Where tools give one name to
//! several rules, as for precision and recall, the rule is an argument ([`Balls`], [`Splits`]). Metrics of
//! sets compute in f64 on the host, with the same bits on any number of threads.
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
//! - [`psnr`] and [`psnr_batch`]: peak signal-to-noise ratio of stored and of unrounded pixels
//! - [`ssim`]: structural similarity, as torchmetrics computes it
//! - [`Lpips`]: perceptual distance v0.1 on the features of VGG16, differentiable in its first input
//! - [`Features`]: features of a set of images on the host
//! - [`Moments`]: mean, covariance and principal directions of features
//! - [`frechet_distance`]: distance between two sets of features (FID, sFID, FD-DINOv2), and [`StoredMoments`], a
//!   stored reference
//! - [`fd_infinity`], [`fdr6`]: the distance without the bias of few samples, and relative to real images
//! - [`inception_score`], [`prdc`] (precision, recall, density, coverage), [`kid`], [`mmd`], [`cmmd`], [`mind`]
//! - [`bootstrap_mean`], [`inception_score_interval`], [`frechet_interval`]: an [`Interval`] for each, and
//!   [`frechet_error`], the standard error of a distance from one pass over the features
//! - [`NearestNeighbours`], [`LinearProbe`]: classification of features, and [`Confusion`], the confusion matrix
//! - [`EvalError`], [`FeaturesError`], [`FrechetError`]: errors for files of VGG16 weights, sets and distances

mod confusion;
mod eigen;
mod frechet;
mod given_moments;
mod highest;
mod import;
mod linear_probe;
mod lpips;
mod moments;
mod nearest;
mod psnr;
mod sets;
mod ssim;
mod stored_moments;
mod vgg;

pub use confusion::Confusion;
pub use frechet::{FrechetError, frechet_distance};
pub use given_moments::CovarianceError;
pub use linear_probe::LinearProbe;
pub use lpips::{EvalError, Lpips};
pub use moments::Moments;
pub use nearest::NearestNeighbours;
pub use psnr::{psnr, psnr_batch};
pub use sets::fd_infinity::{FdInfinity, fd_infinity};
pub use sets::fdr::{Fdr, FdrEncoder, fdr6};
pub use sets::features::{Features, FeaturesError};
pub use sets::frechet_error::frechet_error;
pub use sets::inception_score::{InceptionScore, Splits, inception_score};
pub use sets::interval::{
    Interval, IntervalMethod, Resampling, bootstrap_mean, frechet_interval,
    inception_score_interval,
};
pub use sets::kid::{Kid, KidConfig, kid};
pub use sets::mmd::{Estimator, Kernel, cmmd, mmd};
pub use sets::numpy_random::NumpyRandom;
pub use sets::prdc::{Balls, Edge, Prdc, prdc};
pub use sets::sliced::{mind, random_directions, sliced_wasserstein};
pub use ssim::ssim;
pub use stored_moments::{MomentsError, StoredMoments};
pub use vgg::Vgg16;
