//! The encoder that travels in the program: trained by `svg pretrain` on `svg dataset shapes`.
//!
//! `assets/nano.md` is its card.

use std::path::Path;

use svg_store::{WriteError, write_bytes};

/// Its weights, as a safetensors file in official names.
const WEIGHTS: &[u8] = include_bytes!("../assets/nano.safetensors");

/// Patches to a side of the pictures that it was trained on, which are of 32 pixels.
pub const PATCHES: usize = 4;

/// Writes the file.
///
/// # Errors
///
/// [`WriteError`] if it cannot be written.
pub fn write(path: &Path) -> Result<(), WriteError> {
    write_bytes(path, WEIGHTS)
}
