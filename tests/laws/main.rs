//! The laws of the workspace that the compiler does not know: which crate uses which, what a library is published
//! with, where documents lead, and that `configs/` holds the presets.

mod architecture;
mod configs;
mod docs;
mod packages;
mod roles;
