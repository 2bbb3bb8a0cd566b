//! The layers of a convolutional decoder on the CPU, forward and backward, beside burn's own.
//!
//! ```text
//! cargo bench --bench convolution
//! ```
//!
//! Rates are those of the direct algorithm, whatever is really computed.

mod support;

use std::time::Instant;

use burn::prelude::*;
use burn::tensor::activation;
use burn::tensor::module::{conv2d, conv2d_weight_backward};
use burn::tensor::ops::ConvOptions;
use svg_nn::{Activation, GroupNorm, conv3x3};

use support::{print_layer, random, timed};

/// Channels in and out, rows and columns.
const CONVOLUTIONS: [[usize; 3]; 6] = [
    [512, 512, 16],
    [512, 512, 32],
    [256, 256, 64],
    [128, 128, 256],
    [392, 512, 16],
    [128, 3, 256],
];

fn main() {
    support::allocator::keep_memory();
    let device = Device::default();
    for sizes in CONVOLUTIONS {
        convolution(sizes, &device);
    }
    for (channels, side) in [(128, 256), (512, 16)] {
        norm(channels, side, &device);
    }
    let x = random([1, 1200, 1000], &device);
    report("gelu, 1.2 million", 0.0, || {
        Activation::Gelu.forward(x.clone())
    });
    report("  burn", 0.0, || activation::gelu(x.clone()));
}

fn convolution([inputs, outputs, side]: [usize; 3], device: &Device) {
    let x = random([1, inputs, side, side], device);
    let dy = random([1, outputs, side, side], device);
    let weight = random([outputs, inputs, 3, 3], device);
    let bias = random([outputs], device);
    let options = || ConvOptions::new([1, 1], [1, 1], [1, 1], 1);
    let gigaflop = 18.0 * (inputs * outputs * side * side) as f64 / 1e9;
    println!("{inputs} to {outputs} channels, {side} x {side}");
    report("  forward", gigaflop, || {
        conv3x3(x.clone(), weight.clone(), Some(bias.clone()))
    });
    report("    burn", gigaflop, || {
        conv2d(x.clone(), weight.clone(), Some(bias.clone()), options())
    });
    report_backward("  input backward", gigaflop, &x, |x| {
        conv3x3(x, weight.clone(), None)
    });
    report("    burn", gigaflop, || {
        let turned = weight.clone().swap_dims(0, 1).flip([2, 3]);
        conv2d(dy.clone(), turned, None, options())
    });
    report_backward("  weight backward", gigaflop, &weight, |weight| {
        conv3x3(x.clone(), weight, None)
    });
    report("    burn", gigaflop, || {
        conv2d_weight_backward(x.clone(), weight.clone(), dy.clone(), options())
    });
}

fn norm(channels: usize, side: usize, device: &Device) {
    let x = random([1, channels, side, side], device);
    let (gamma, beta) = (random([channels], device), random([channels], device));
    println!("group norm and swish, {channels} channels, {side} x {side}");
    let norm = GroupNorm {
        groups: 32,
        epsilon: 1e-6,
        swish: true,
    };
    report("  forward", 0.0, || {
        norm.forward(x.clone(), gamma.clone(), beta.clone())
    });
    report("  forward, composed", 0.0, || {
        let groups = x.clone().reshape([1, 32, channels / 32 * side * side]);
        let centred = groups.clone() - groups.mean_dim(2);
        let variance = centred.clone().square().mean_dim(2);
        let normed = (centred / (variance + 1e-6).sqrt()).reshape([1, channels, side, side]);
        let affine = |of: &Tensor<1>| of.clone().reshape([1, channels, 1, 1]);
        activation::silu(normed * affine(&gamma) + affine(&beta))
    });
    report_backward("  backward", 0.0, &x, |x| {
        norm.forward(x, gamma.clone(), beta.clone())
    });
}

/// Prints the best of ten calls, after two to warm up.
fn report<const D: usize>(name: &str, gigaflop: f64, call: impl Fn() -> Tensor<D>) {
    let device = call().device();
    let seconds = timed([2, 10], &device, call).expect("the device answers");
    print_layer(name, gigaflop, seconds[0]);
}

/// The same for the gradient at `leaf` of the sum of what `call` makes of it.
fn report_backward(
    name: &str,
    gigaflop: f64,
    leaf: &Tensor<4>,
    call: impl Fn(Tensor<4>) -> Tensor<4>,
) {
    let once = |_| {
        let value = call(leaf.clone().autodiff().require_grad());
        let start = Instant::now();
        let _gradients = value.backward();
        leaf.device().sync().expect("the device answers");
        start.elapsed().as_secs_f64()
    };
    let best = (0..12).map(once).skip(2).fold(f64::MAX, f64::min);
    print_layer(name, gigaflop, best);
}
