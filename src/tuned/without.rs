//! A program that keeps nothing.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::Known;

const REASON: &str = "this program keeps nothing between starts; build it with `cargo build --release --features \
                      cuda,tuned` (or wgpu, vulkan)";

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
