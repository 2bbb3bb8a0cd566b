//! Where the time of one ViT-S+/16 block goes on the CPU: each layer alone, 8 images of 256 x 256.
//!
//! ```text
//! cargo bench --bench layers
//! ```

mod support;

use burn::nn::LayerNormConfig;
use burn::prelude::*;
use burn::tensor::activation::silu;
use burn::tensor::module::{attention, linear};
use svg_nn::{Rotation, SelfAttentionConfig, SwiGluMlpConfig};

use support::{print_layer, random, timed};

const BATCH: usize = 8;
const TOKENS: usize = 261;

fn main() {
    support::allocator::keep_memory();
    let device = Device::default();
    let x = random([BATCH, TOKENS, 384], &device);
    let hidden = random([BATCH, TOKENS, 1536], &device);
    for (inputs, outputs) in [(384, 1152), (384, 384), (384, 1536), (1536, 384)] {
        let input = if inputs == 384 { &x } else { &hidden };
        let (weight, bias) = (
            random([inputs, outputs], &device),
            random([outputs], &device),
        );
        let gigaflop = 2.0 * (BATCH * TOKENS * inputs * outputs) as f64 / 1e9;
        let name = format!("linear, {inputs} to {outputs}");
        report(&name, gigaflop, || {
            linear(input.clone(), weight.clone(), Some(bias.clone()))
        });
    }
    let (heads, head_dim) = (6, 64);
    let rotation = Rotation::from_angles(&vec![0.3; 256 * head_dim / 2], head_dim, 5, &device);
    let layer = SelfAttentionConfig::new(384, heads).init(&device);
    report("attention layer, rotated", 0.0, || {
        layer.forward_rotated(x.clone(), &rotation)
    });
    let layer = SwiGluMlpConfig::new(384, 1536).init(&device);
    report("SwiGLU layer", 0.0, || layer.forward(x.clone()));
    let norm = LayerNormConfig::new(384).init(&device);
    report("norm", 0.0, || norm.forward(x.clone()));
    report("sum", 0.0, || x.clone() + x.clone());

    println!("composed of burn's operations, for comparison:");
    report("gating", 0.0, || silu(hidden.clone()) * hidden.clone());
    let qkv = random([BATCH, TOKENS, 3, heads, head_dim], &device);
    let part = |i| {
        qkv.clone()
            .narrow(2, i, 1)
            .squeeze_dim::<4>(2)
            .swap_dims(1, 2)
    };
    report("attention itself", 0.0, || {
        attention(part(0), part(1), part(2), None, None, Default::default())
    });
    report("rotation", 0.0, || {
        rotation.rotate(qkv.clone().narrow(2, 0, 2))
    });
}

/// Prints the median of twenty calls, after three to warm up.
fn report<const D: usize>(name: &str, gigaflop: f64, call: impl Fn() -> Tensor<D>) {
    let device = call().device();
    let seconds = timed([3, 20], &device, call).expect("the device answers");
    print_layer(name, gigaflop, seconds[10]);
}
