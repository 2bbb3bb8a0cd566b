//! The encoder that travels in the program: trained by `svg pretrain` on `svg dataset shapes`.
//!
//! `assets/nano.md` is its card.

/// Its weights, as a safetensors file in official names.
pub const WEIGHTS: &[u8] = include_bytes!("../assets/nano.safetensors");

/// Patches to a side of the pictures that it was trained on, which are of 32 pixels.
pub const PATCHES: usize = 4;
