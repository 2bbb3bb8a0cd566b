//! Metrics of sets of images, given by their features.

pub(crate) mod blocks;
pub(crate) mod fd_infinity;
pub(crate) mod fdr;
pub(crate) mod features;
pub(crate) mod frechet_error;
pub(crate) mod inception_score;
pub(crate) mod interval;
pub(crate) mod kid;
pub(crate) mod mmd;
pub(crate) mod numpy_random;
pub(crate) mod prdc;
pub(crate) mod sliced;
pub(crate) mod summary;
