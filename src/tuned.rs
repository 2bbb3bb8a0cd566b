//! What is known of graphics cards: compiled kernels, and which of several were the fastest, kept between starts.
//!
//! Burn compiles a kernel when it is first used, and tries several for each size of a matrix product. Its results go to a
//! database; without it each start of the program would do so again, which takes minutes for the largest networks.

use std::path::PathBuf;

use etcetera::BaseStrategy as _;

#[cfg(feature = "tuned")]
#[path = "tuned/heard.rs"]
mod heard;
#[cfg(feature = "tuned")]
#[path = "tuned/kept.rs"]
mod kept;
#[cfg(feature = "tuned")]
pub use kept::{check, export, file, import, known, prepare};
#[cfg(not(feature = "tuned"))]
#[path = "tuned/without.rs"]
mod without;
#[cfg(not(feature = "tuned"))]
pub use without::{check, export, file, import, known, prepare};

/// The environment variable that names the folder.
pub const VARIABLE: &str = "SVG_CACHE";

/// The folder of the database: that of the variable, or `svg` in the user's folder of caches.
pub fn folder() -> PathBuf {
    if let Some(named) = std::env::var_os(VARIABLE).filter(|named| !named.is_empty()) {
        return PathBuf::from(named);
    }
    let caches = etcetera::choose_base_strategy().map(|user| user.cache_dir());
    caches.unwrap_or_else(|_| std::env::temp_dir()).join("svg")
}

/// The results so far.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// Kernels. Through WGSL (`wgpu`) the driver compiles them, and keeps them itself if it does.
    pub compiled: u64,
    /// Sizes for which the fastest kernel is known.
    pub tuned: u64,
}
