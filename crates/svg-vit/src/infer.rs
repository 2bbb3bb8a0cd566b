//! The architecture from shapes and from what documents say.

use std::collections::BTreeMap;

use svg_nn::{Checked, StoredTensor};
use svg_roles::PixelStatistics;

use crate::beside::Said;
use crate::import::Imported;
use crate::layout::Layout;
use crate::{Family, Gelu, Positions, VitConfig};

/// The architecture of a file, and what had to be assumed.
///
/// # Errors
///
/// In words, what cannot be told and how to tell it.
pub(crate) fn infer(file: &Imported, said: &Said) -> Result<(VitConfig, Vec<String>), String> {
    let mut notes = Vec::new();
    let mut config = shown(file)?;
    if let Some(reason) = said.contradiction(&config) {
        return Err(format!("{reason}; keep each model in a folder of its own"));
    }
    config.n_heads = match (said.n_heads, usual_heads(&config)) {
        (Some(heads), _) | (None, Some(heads)) => heads,
        _ if config.d_model.is_multiple_of(64) => {
            let heads = config.d_model / 64;
            notes.push(format!(
                "{heads} heads of 64 channels are assumed: the model is none of the released ones, and no config.json \
                 beside it says more"
            ));
            heads
        }
        _ => {
            return Err(format!(
                "the number of heads cannot be told from {} channels; put the model's config.json beside the file",
                config.d_model
            ));
        }
    };
    config.gelu = match (said.gelu, config.family, file.layout) {
        (Some(gelu), ..) => gelu,
        (None, Family::Clip, _) => {
            return Err(
                "OpenAI's CLIP and OpenCLIP's have the same tensors and different activations, which the tensors do not \
                 show; put the model's config.json beside the file, or name the architecture: clip-vitb16, \
                 openclip-vitb16, ..."
                    .to_string(),
            );
        }
        // timm runs the small ones with the exact one, which is not what they were trained with.
        (None, Family::Siglip, Layout::Timm) if [768, 1024].contains(&config.d_model) => {
            Gelu::Exact
        }
        (None, Family::Siglip, _) => Gelu::Tanh,
        (None, ..) => Gelu::Exact,
    };
    let eps = match (config.family, file.layout) {
        (Family::Mae, Layout::HuggingFace) => 1e-12,
        (Family::Clip, _) => 1e-5,
        _ => 1e-6,
    };
    config.norm_eps = said.norm_eps.unwrap_or(eps);
    config.pixels = said.pixels.unwrap_or(match config.family {
        Family::Siglip => PixelStatistics::HALF,
        Family::Clip => PixelStatistics::CLIP,
        _ => PixelStatistics::IMAGENET,
    });
    match config.problem() {
        Some(problem) => Err(problem),
        None => Ok((config, notes)),
    }
}

/// The rule by which the library of a layout resizes positions.
pub(crate) fn positions(
    family: Family,
    layout: Layout,
    n_registers: usize,
    is_naflex: bool,
) -> Positions {
    match (family, layout) {
        _ if is_naflex => Positions::LinearAntialiased,
        (_, Layout::Timm) => Positions::BicubicAntialiased,
        (Family::Dinov2, _) if n_registers > 0 => Positions::BicubicAntialiased,
        (Family::Dinov2, Layout::Original) => Positions::BicubicOffset,
        _ => Positions::Bicubic,
    }
}

/// What shapes show; heads and what computes are the family's.
fn shown(file: &Imported) -> Result<VitConfig, String> {
    let tensors = &file.tensors;
    let shape = |path: &str| -> Result<Vec<usize>, String> {
        let tensor = tensors.get(path);
        let tensor = tensor.ok_or_else(|| format!("{path} is missing"))?;
        Ok(tensor.shape.to_vec())
    };
    let patch = shape("patch_embed.proj.weight")?;
    let &[d_model, 3, patch_size, _] = patch.as_slice() else {
        return Err(format!(
            "patch_embed.proj.weight has shape {patch:?}, expected [d, 3, p, p]"
        ));
    };
    let hidden = if file.is_gated() { "w3" } else { "fc2" };
    let d_ff = shape(&format!("blocks.0.mlp.{hidden}.weight"))?;
    let &[_, d_ff] = d_ff.as_slice() else {
        return Err(format!(
            "blocks.0.mlp.{hidden}.weight has shape {d_ff:?}, expected [d, f]"
        ));
    };
    let table = shape("pos_embed")?;
    let class = usize::from(file.family.has_class_token());
    let side = match table.as_slice() {
        &[1, rows, _] => rows.saturating_sub(class).isqrt(),
        _ => 0,
    };
    if side == 0 || table != [1, side * side + class, d_model] {
        return Err(format!(
            "the table of positions has shape {table:?}; a square grid of patches{} is expected",
            if class == 1 {
                " and the class token"
            } else {
                ""
            }
        ));
    }
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
    let positions = positions(file.family, file.layout, n_registers, file.is_naflex);
    let sizes = [d_model, n_layers(tensors), 1, d_ff];
    Ok(VitConfig::of(file.family, sizes, patch_size, side)
        .with_n_registers(n_registers)
        .with_gated(file.is_gated())
        .with_pooled(file.family != Family::Siglip || tensors.contains_key("attn_pool.latent"))
        .with_positions(positions))
}

fn n_layers(tensors: &BTreeMap<String, StoredTensor>) -> usize {
    let number = |path: &String| {
        let (number, _) = path.strip_prefix("blocks.")?.split_once('.')?;
        number.parse::<usize>().ok()
    };
    let last = tensors.keys().filter_map(number).max();
    last.map_or(0, |last| last.saturating_add(1))
}

/// The heads of a released model of these sizes, whatever its table.
fn usual_heads(config: &VitConfig) -> Option<usize> {
    let presets = VitConfig::preset_names().filter_map(VitConfig::preset);
    let mut same = presets.filter(|preset| {
        let sizes = |config: &VitConfig| (config.family, config.d_model, config.n_layers);
        sizes(preset) == sizes(config)
    });
    same.next().map(|preset| preset.n_heads)
}
