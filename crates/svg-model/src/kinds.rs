//! The kinds of parts that this crate writes.

/// An encoder: DINOv3, under Meta's names.
pub const DINOV3: &str = "dinov3";
/// An encoder: DINOv2, MAE, SigLIP or CLIP; its configuration says which.
pub const VIT: &str = "vit";
/// A space: SVG's features, under the published checkpoint's names.
pub const SVG: &str = "svg";
/// A space: patches of pixels, which nothing was learned for.
pub const PIXELS: &str = "pixels";
/// A space: a KL autoencoder, under latent diffusion's names.
pub const KL_VAE: &str = "kl_vae";
/// Latent statistics: mean and deviation of each channel.
pub const CHANNELS: &str = "channels";
/// A flow: SiT, under the published checkpoint's names.
pub const SIT: &str = "sit";
