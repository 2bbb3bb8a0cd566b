//! What is known of graphics cards: compiled kernels, and which of several were the fastest, kept between starts.
//!
//! Burn compiles a kernel when it is first used, and tries several for each size of a matrix product. Its results go to a
//! database; without it each start of the program would do so again, which takes a minute for the largest networks.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Result;
#[cfg(feature = "tuned")]
use anyhow::{Context, anyhow, ensure};
use etcetera::BaseStrategy as _;
use indicatif::ProgressBar;

use crate::progress::status;

/// The environment variable that names the folder.
pub const VARIABLE: &str = "SVG_CACHE";

/// When somebody who waits is told what for, and how often again.
const SOON: Duration = Duration::from_secs(2);
const AGAIN: Duration = Duration::from_secs(15);

/// The folder of the database: that of the variable, or `svg` in the user's folder of caches.
pub fn folder() -> PathBuf {
    if let Some(named) = std::env::var_os(VARIABLE).filter(|named| !named.is_empty()) {
        return PathBuf::from(named);
    }
    let caches = etcetera::choose_base_strategy().map(|user| user.cache_dir());
    caches.unwrap_or_else(|_| std::env::temp_dir()).join("svg")
}

/// Chooses the folder. Comes before the first device.
///
/// A `cubecl.toml` or `burn.toml` in the present folder or above it that names another is obeyed.
#[cfg(feature = "tuned")]
pub fn prepare() {
    use burn::cubecl::config::cache::CacheConfig;
    use burn::cubecl::config::{CubeClRuntimeConfig, RuntimeConfig as _};

    let mut config = CubeClRuntimeConfig::from_current_dir().override_from_env();
    if matches!(config.environment.path, CacheConfig::Target) {
        config.environment.path = CacheConfig::Directory(folder());
    }
    CubeClRuntimeConfig::try_set(config);
}

/// An error where nothing is kept.
#[cfg(feature = "tuned")]
pub fn check() -> Result<()> {
    Ok(())
}

/// Where nothing is kept, no folder is needed.
#[cfg(not(feature = "tuned"))]
pub fn prepare() {}

/// The results so far.
#[derive(Debug, Default)]
pub struct Known {
    /// Kernels.
    pub compiled: u64,
    /// Sizes for which the fastest kernel is known.
    pub tuned: u64,
}

/// What the database holds.
#[cfg(feature = "tuned")]
pub fn known() -> Known {
    let mut known = Known::default();
    for of in burn::cubecl::environment::namespaces() {
        match of.namespace.contains("autotune") {
            true => known.tuned += of.entries,
            false => known.compiled += of.entries,
        }
    }
    known
}

/// Writes all results into one file, which [`import`] takes on another machine with the same card and program.
#[cfg(feature = "tuned")]
pub fn export(file: &Path) -> Result<()> {
    use burn::cubecl::bundle::BundleFormat;

    let saved = burn::cubecl::environment::bundle().save(file, BundleFormat::Flat);
    let failed = || format!("{} cannot be written", file.display());
    saved
        .map_err(|error| anyhow!("{error}"))
        .with_context(failed)?;
    Ok(())
}

/// Takes the results of a file that [`export`] has written, and says how many were new.
#[cfg(feature = "tuned")]
pub fn import(file: &Path) -> Result<usize> {
    let opened = burn::cubecl::bundle::open(file).map_err(|error| anyhow!("{error}"));
    let opened = opened.with_context(|| {
        let file = file.display();
        format!(
            "{file} is no file of `svg tune --export`; make it anew on a machine with such a card"
        )
    })?;
    let report = burn::cubecl::bundle::import(&*opened);
    ensure!(
        report.failed == 0,
        "{} of its results cannot be written to {}; is the disk full, or the folder another user's?",
        report.failed,
        folder().display()
    );
    Ok(report.imported)
}

#[cfg(not(feature = "tuned"))]
mod without {
    use super::*;

    const REASON: &str = "this program keeps nothing between starts; build it with `cargo build --release --features \
                          cuda,tuned` (or wgpu, vulkan)";

    pub fn check() -> Result<()> {
        anyhow::bail!(REASON)
    }

    pub fn known() -> Known {
        Known::default()
    }

    pub fn export(_: &Path) -> Result<()> {
        anyhow::bail!(REASON)
    }

    pub fn import(_: &Path) -> Result<usize> {
        anyhow::bail!(REASON)
    }
}
#[cfg(not(feature = "tuned"))]
pub use without::{check, export, import, known};

/// What a first step waits for.
pub const FIRST_STEP: &str = match cfg!(feature = "cards") {
    true => "the first step, for which a card may compile and tune kernels",
    false => "the first step",
};

/// Tells somebody who waits what for, until it is dropped.
pub struct Waiting {
    done: Option<Sender<()>>,
    teller: Option<JoinHandle<()>>,
}

impl Waiting {
    /// Says so when it has lasted two seconds, and then every now and then, above a bar that may be hidden.
    pub fn to(what: &str, bar: &ProgressBar) -> Self {
        let (done, over) = channel();
        let (what, bar, begun) = (what.to_string(), bar.clone(), Instant::now());
        let teller = std::thread::spawn(move || {
            let mut pause = SOON;
            while over.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                let seconds = begun.elapsed().as_secs_f64();
                bar.suspend(|| status!("{what}: {seconds:.0} s so far"));
                pause = AGAIN;
            }
        });
        Self {
            done: Some(done),
            teller: Some(teller),
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        drop(self.done.take());
        if let Some(teller) = self.teller.take() {
            // It only writes lines.
            let _ = teller.join();
        }
    }
}
