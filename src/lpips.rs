//! LPIPS from a file of weights.

use std::path::Path;

use anyhow::Result;
use burn::prelude::*;
use svg_eval::Lpips;

use crate::encoder::say;

/// Opens LPIPS with the VGG16 at `path`, under `key` where the file holds several, and prints what is worth knowing.
pub fn open_lpips(path: &Path, key: Option<&str>, device: &Device) -> Result<Lpips> {
    let (lpips, notes) = Lpips::open_network(path, key, device)?;
    say(path, &notes);
    Ok(lpips)
}
