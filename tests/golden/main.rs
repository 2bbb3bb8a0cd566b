//! Equality with the PyTorch reference: one suite for every network and every device.
//!
//! `BURN_DEVICE=wgpu cargo test --features wgpu --test golden` runs the same comparisons on a GPU.

mod alignment;
mod compare;
mod decoder;
mod dinov3;
mod fill;
mod flow_training;
mod generate;
mod libraries;
mod perceptual;
mod residual;
mod sampler;
mod sit;
mod stage1;
