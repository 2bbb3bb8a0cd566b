//! The parameters that an architecture has, without making any.

use std::collections::BTreeMap;

use crate::{DinoConfig, FeedForwardKind};

/// Path and shape of every parameter, linear weights as `[out, in]`.
pub(crate) fn parameter_shapes(config: &DinoConfig) -> BTreeMap<String, Vec<usize>> {
    let DinoConfig { d_model, d_ff, .. } = *config;
    let mut shapes = BTreeMap::new();
    let mut put = |path: String, shape: &[usize]| {
        shapes.insert(path, shape.to_vec());
    };
    put("cls_token".into(), &[1, 1, d_model]);
    put("mask_token".into(), &[1, 1, d_model]);
    if config.n_registers > 0 {
        put("register_tokens".into(), &[1, config.n_registers, d_model]);
    }
    let patch = [d_model, 3, config.patch_size, config.patch_size];
    put("patch_embed.proj.weight".into(), &patch);
    put("patch_embed.proj.bias".into(), &[d_model]);
    let feed_forward: &[(&str, usize, usize)] = match config.feed_forward {
        FeedForwardKind::Mlp => &[("fc1", d_model, d_ff), ("fc2", d_ff, d_model)],
        FeedForwardKind::SwiGlu => &[
            ("gate", d_model, d_ff),
            ("up", d_model, d_ff),
            ("down", d_ff, d_model),
        ],
    };
    for block in (0..config.n_layers).map(|i| format!("blocks.{i}")) {
        put(format!("{block}.attn.qkv.weight"), &[3 * d_model, d_model]);
        if config.qkv_bias {
            put(format!("{block}.attn.qkv.bias"), &[3 * d_model]);
        }
        put(format!("{block}.attn.proj.weight"), &[d_model, d_model]);
        put(format!("{block}.attn.proj.bias"), &[d_model]);
        for (name, inputs, outputs) in feed_forward {
            put(format!("{block}.mlp.{name}.weight"), &[*outputs, *inputs]);
            put(format!("{block}.mlp.{name}.bias"), &[*outputs]);
        }
        for norm in ["norm1", "norm2"] {
            put(format!("{block}.{norm}.weight"), &[d_model]);
            put(format!("{block}.{norm}.bias"), &[d_model]);
        }
        for scale in ["ls1", "ls2"] {
            put(format!("{block}.{scale}.gamma"), &[d_model]);
        }
    }
    put("norm.weight".into(), &[d_model]);
    put("norm.bias".into(), &[d_model]);
    shapes
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::module::Module;

    #[test]
    fn they_are_the_parameters_of_the_network() {
        for name in DinoConfig::preset_names() {
            let config = DinoConfig::preset(name).unwrap();
            let shapes = parameter_shapes(&config);
            let count: usize = shapes.values().map(|s| s.iter().product::<usize>()).sum();
            let dino = config.init(&Default::default());
            assert_eq!(count, dino.num_params(), "{name}");
        }
    }
}
