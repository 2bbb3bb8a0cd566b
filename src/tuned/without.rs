//! A program without graphics cards, which has nothing to keep.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::Known;

const REASON: &str = "the CPU's kernels are compiled with the program, and this one has no others; build it with \
                      `cargo build --release --features cuda` (or wgpu, vulkan)";

/// No folder is needed.
pub fn prepare() {}

/// An error, as nothing is kept.
pub fn check() -> Result<()> {
    bail!(REASON)
}

pub fn file() -> PathBuf {
    super::folder()
}

pub fn known() -> Known {
    Known::default()
}

pub fn export(_: &Path) -> Result<()> {
    bail!(REASON)
}

pub fn import(_: &Path) -> Result<usize> {
    bail!(REASON)
}
