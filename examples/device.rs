//! The same features on a device that is chosen at run time.
//!
//! ```text
//! cargo run --release --example device -- cpu
//! cargo run --release --example device --features vulkan -- vulkan
//! BURN_DEVICE=flex cargo run --release --example device
//! ```
//!
//! Hardware is a value: nothing but the constructors sees it. What is compiled in is a matter of
//! features, so a name that is not there is an error of this program, not of the network.

#![recursion_limit = "256"]

use anyhow::{Result, bail};
use burn::prelude::*;
use svg_dino::DinoConfig;

fn main() -> Result<()> {
    let device = match std::env::args().nth(1).as_deref() {
        None => Device::default(),
        #[cfg(feature = "flex")]
        Some("cpu") => Device::flex(),
        #[cfg(feature = "wgpu")]
        Some("wgpu") => Device::wgpu(Default::default()),
        #[cfg(feature = "vulkan")]
        Some("vulkan") => Device::vulkan(Default::default()),
        #[cfg(feature = "cuda")]
        Some("cuda") => Device::cuda(0usize),
        Some(name) => bail!("no {name} in this program: build it with that feature"),
    };

    let dino = DinoConfig::new(64, 4, 2, 256).init(&device);
    let images = Tensor::<4>::zeros([2, 3, 64, 96], &device);
    let output = dino.forward(images);
    let (at, tokens) = (output.patches.device(), output.patches.dims());
    println!("{at:?} computed tokens {tokens:?}");
    Ok(())
}
