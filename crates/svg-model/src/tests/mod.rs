//! Small networks that the tests of several modules use.

use std::sync::Arc;

use burn::module::{ModuleMapper, Param};
use burn::prelude::*;
use burn::tensor::Distribution;
use svg_decoder::DecoderConfig;
use svg_dino::DinoConfig;
use svg_residual::{Moments, ResidualConfig, Statistics};
use svg_sit::{Sit, SitConfig};

use crate::{Alignment, AutoencoderConfig, SvgAutoencoder};

/// Features of 24 channels on 2 x 2 tokens.
pub fn autoencoder(alignment: Alignment) -> SvgAutoencoder {
    let device = Device::default();
    let dino = DinoConfig::new(16, 1, 2, 32).with_patch_size(4);
    let residual = ResidualConfig::new()
        .with_image_size(8)
        .with_patch_size(4)
        .with_d_model(16)
        .with_n_heads(2)
        .with_d_ff(16)
        .with_n_layers(1);
    let decoder = DecoderConfig::new(24)
        .with_width(32)
        .with_width_multipliers(vec![1, 1, 1])
        .with_resolution(8)
        .with_attention_resolutions(vec![]);
    let config = AutoencoderConfig::new(decoder)
        .with_residual(Some(residual))
        .with_alignment(alignment);
    let mut autoencoder = config.init(Arc::new(dino.init(&device)), &device);
    let moments = |mean, std| Moments { mean, std };
    autoencoder.encoder.statistics = Some(Statistics {
        semantic: moments(0.1, 0.9),
        residual: moments(-0.2, 0.3),
    });
    autoencoder
}

/// Of a network for features of 24 channels on 2 x 2 tokens and ten classes.
pub fn sit_config() -> SitConfig {
    SitConfig::new(24, 2, 2, 32, 2, 2, 64).with_n_classes(10)
}

/// A network of that configuration whose gates are open.
pub fn woken() -> Sit {
    sit_config().init(&Device::default()).map(&mut Wake)
}

/// Adds noise to every parameter, so that the velocity is not zero.
struct Wake;

impl ModuleMapper for Wake {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|tensor| {
            let noise = tensor.random_like(Distribution::Normal(0.0, 0.1));
            tensor + noise
        })
    }
}
