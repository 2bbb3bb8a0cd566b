//! The architecture from shapes alone, as far as they say it.

use std::collections::BTreeMap;

use svg_nn::StoredTensor;

use crate::{DinoConfig, FeedForwardKind, RopePeriods, rope_periods};

/// The architecture of a file without documents. Stored periods tell the number of heads, then `heads` does;
/// without both, heads have 64 channels, as in all released models but the largest.
pub(crate) fn infer(
    tensors: &BTreeMap<String, StoredTensor>,
    periods: Option<&[f32]>,
    heads: Option<usize>,
) -> Result<DinoConfig, String> {
    let shape = |path: &str| -> Result<Vec<usize>, String> {
        let tensor = tensors.get(path);
        let tensor = tensor.ok_or_else(|| format!("{path} is missing"))?;
        Ok(tensor.shape.to_vec())
    };
    let number = |path: &String| {
        let (number, _) = path.strip_prefix("blocks.")?.split_once('.')?;
        number.parse().ok()
    };
    let last: Option<usize> = tensors.keys().filter_map(number).max();
    let n_layers = last.map_or(0, |last| last.saturating_add(1));
    let patch = shape("patch_embed.proj.weight")?;
    let &[d_model, 3, patch_size, _] = patch.as_slice() else {
        return Err(format!(
            "patch_embed.proj.weight has shape {patch:?}, expected [d, 3, p, p]"
        ));
    };
    let gated = tensors.contains_key("blocks.0.mlp.gate.weight");
    let hidden = if gated { "gate" } else { "fc1" };
    let d_ff = shape(&format!("blocks.0.mlp.{hidden}.weight"))?;
    let &[d_ff, _] = d_ff.as_slice() else {
        return Err(format!(
            "blocks.0.mlp.{hidden}.weight has shape {d_ff:?}, expected [f, d]"
        ));
    };
    let registers = tensors.get("register_tokens");
    let n_registers = match registers.map(|tokens| tokens.shape.as_slice()) {
        None => 0,
        Some(&[_, count, _]) => count,
        Some(other) => {
            return Err(format!(
                "register tokens have shape {other:?}, expected [1, r, d]"
            ));
        }
    };
    let n_heads = match (periods, heads) {
        (Some(periods), _) if !periods.is_empty() => d_model / (4 * periods.len()),
        (_, Some(heads)) => heads,
        _ if d_model == 4096 => 32,
        _ if d_model % 64 == 0 => d_model / 64,
        _ => {
            return Err(format!(
                "the number of heads cannot be told from {d_model} channels; put the model's \
                 config.json beside the file"
            ));
        }
    };
    Ok(DinoConfig::new(d_model, n_layers, n_heads, d_ff)
        .with_feed_forward(match gated {
            true => FeedForwardKind::SwiGlu,
            false => FeedForwardKind::Mlp,
        })
        .with_patch_size(patch_size)
        .with_n_registers(n_registers)
        .with_qkv_bias(tensors.contains_key("blocks.0.attn.qkv.bias")))
}

/// Stored periods are one of the two known roundings, or another model's.
pub(crate) fn recognise_periods(
    stored: &[f32],
    config: &DinoConfig,
) -> Result<RopePeriods, String> {
    if 4 * stored.len() != config.head_dim() {
        return Err(format!(
            "its rope_embed.periods are for heads of {} channels, those of this architecture have {}",
            4 * stored.len(),
            config.head_dim()
        ));
    }
    let close = |rounding| {
        let expected = rope_periods(config.head_dim(), config.rope_base, rounding);
        let mut pairs = stored.iter().zip(&expected);
        pairs.all(|(a, b)| (a / b - 1.0).abs() < 1e-5)
    };
    // Bf16 first: with few periods both may be the same numbers, and official files store bf16.
    [RopePeriods::Bf16Rounded, RopePeriods::Exact]
        .into_iter()
        .find(|rounding| close(*rounding))
        .ok_or_else(|| {
            format!(
                "its rope_embed.periods are not those of base {}: {stored:?}; if the model has another base, \
                 put a config.json with its rope_theta beside the file",
                config.rope_base
            )
        })
}
