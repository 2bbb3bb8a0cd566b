//! How linear layers begin.

use burn::nn::{Initializer, Linear, LinearConfig};
use burn::prelude::*;

/// A layer with the weight of `weight` and a bias of zeros: an initialiser in burn's configuration fills
/// both.
pub(crate) fn linear(
    inputs: usize,
    outputs: usize,
    weight: Initializer,
    device: &Device,
) -> Linear {
    let mut linear = LinearConfig::new(inputs, outputs)
        .with_initializer(weight)
        .init(device);
    linear.bias = Some(Initializer::Zeros.init([outputs], device));
    linear
}

/// Uniform within `sqrt(6 / (inputs + outputs))` (Glorot and Bengio, 2010).
pub(crate) fn xavier() -> Initializer {
    Initializer::XavierUniform { gain: 1.0 }
}

/// Normal with a deviation of 0.02.
pub(crate) fn small() -> Initializer {
    Initializer::Normal {
        mean: 0.0,
        std: 0.02,
    }
}
