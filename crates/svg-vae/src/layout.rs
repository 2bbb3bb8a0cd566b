//! The names of two layouts: latent diffusion's, which are the network's own, and diffusers'.

use burn::store::bridge;
use burn::tensor::TensorData;
use svg_nn::StoredTensor;

/// Whose names the tensors of a file have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Latent diffusion's (CompVis, VA-VAE, MAR): the network's own names. Projections of attention are convolutions
    /// of one pixel, `[channels, channels, 1, 1]`.
    Ldm,
    /// That of `AutoencoderKL` of diffusers. Levels of the decoder count in the order of execution, and projections of
    /// attention are linear layers, `[channels, channels]`.
    Diffusers,
}

impl Layout {
    /// The layout that these names are of.
    pub(crate) fn of<'a>(mut names: impl Iterator<Item = &'a str>) -> Self {
        match names.any(|name| name.contains("_blocks.") || name.contains("mid_block.")) {
            true => Self::Diffusers,
            false => Self::Ldm,
        }
    }
}

/// Parts of a residual block: in the network, in diffusers.
const BLOCK: [(&str, &str); 5] = [
    ("norm1", "norm1"),
    ("conv1", "conv1"),
    ("norm2", "norm2"),
    ("conv2", "conv2"),
    ("nin_shortcut", "conv_shortcut"),
];

/// Parts of attention: in the network, in diffusers now, in diffusers before 0.17.
const ATTENTION: [(&str, &str, &str); 5] = [
    ("norm", "group_norm", "group_norm"),
    ("q", "to_q", "query"),
    ("k", "to_k", "key"),
    ("v", "to_v", "value"),
    ("proj_out", "to_out.0", "proj_attn"),
];

/// The name in diffusers of a tensor of the network, whose decoder has so many levels; `None` if the network has no such
/// tensor.
pub(crate) fn in_diffusers(name: &str, levels: usize) -> Option<String> {
    let (stem, leaf) = name.rsplit_once('.')?;
    let parts: Vec<&str> = stem.split('.').collect();
    let block = |part: &str| BLOCK.iter().find(|(ours, _)| *ours == part);
    let attention = |part: &str| ATTENTION.iter().find(|(ours, ..)| *ours == part);
    let stem = match parts[..] {
        ["quant_conv" | "post_quant_conv"] => stem.to_string(),
        ["encoder" | "decoder", "conv_in" | "conv_out"] => stem.to_string(),
        [side @ ("encoder" | "decoder"), "norm_out"] => format!("{side}.conv_norm_out"),
        [side, "mid", "attn_1", part] => {
            format!("{side}.mid_block.attentions.0.{}", attention(part)?.1)
        }
        [side, "mid", which, part] => {
            let index = number(which.strip_prefix("block_")?)?.checked_sub(1)?;
            format!("{side}.mid_block.resnets.{index}.{}", block(part)?.1)
        }
        [side, way, level, kind, index, part] => {
            let level = number(level)?;
            let (way, level) = match way {
                "down" => ("down_blocks", level),
                "up" => ("up_blocks", reversed(level, levels)?),
                _ => return None,
            };
            let inside = match (kind, index, part) {
                ("block", index, part) => format!("resnets.{index}.{}", block(part)?.1),
                ("attn", index, part) => format!("attentions.{index}.{}", attention(part)?.1),
                _ => return None,
            };
            format!("{side}.{way}.{level}.{inside}")
        }
        [side, "down", level, "downsample", "conv"] => {
            format!("{side}.down_blocks.{level}.downsamplers.0.conv")
        }
        [side, "up", level, "upsample", "conv"] => {
            let level = reversed(number(level)?, levels)?;
            format!("{side}.up_blocks.{level}.upsamplers.0.conv")
        }
        _ => return None,
    };
    Some(format!("{stem}.{leaf}"))
}

/// The network's name of a tensor of diffusers; `None` if diffusers has no such tensor.
pub(crate) fn of_diffusers(name: &str, levels: usize) -> Option<String> {
    let (stem, leaf) = name.rsplit_once('.')?;
    let parts: Vec<&str> = stem.split('.').collect();
    let block = |part: &str| BLOCK.iter().find(|(_, theirs)| *theirs == part);
    let attention = |parts: &[&str]| {
        let part = parts.join(".");
        let mut table = ATTENTION.iter();
        table.find(|(_, now, before)| part == *now || part == *before)
    };
    let stem = match parts[..] {
        ["quant_conv" | "post_quant_conv"] => stem.to_string(),
        ["encoder" | "decoder", "conv_in" | "conv_out"] => stem.to_string(),
        [side @ ("encoder" | "decoder"), "conv_norm_out"] => format!("{side}.norm_out"),
        [side, "mid_block", "attentions", "0", ref part @ ..] => {
            format!("{side}.mid.attn_1.{}", attention(part)?.0)
        }
        [side, "mid_block", "resnets", index, part] => {
            let index = number(index)?.checked_add(1)?;
            format!("{side}.mid.block_{index}.{}", block(part)?.0)
        }
        [side, way, level, kind, index, ref part @ ..] => {
            let level = number(level)?;
            let (way, level) = match way {
                "down_blocks" => ("down", level),
                "up_blocks" => ("up", reversed(level, levels)?),
                _ => return None,
            };
            let inside = match (kind, index, part) {
                ("resnets", index, [part]) => format!("block.{index}.{}", block(part)?.0),
                ("attentions", index, part) => format!("attn.{index}.{}", attention(part)?.0),
                ("downsamplers", "0", ["conv"]) if way == "down" => "downsample.conv".to_string(),
                ("upsamplers", "0", ["conv"]) if way == "up" => "upsample.conv".to_string(),
                _ => return None,
            };
            format!("{side}.{way}.{level}.{inside}")
        }
        _ => return None,
    };
    Some(format!("{stem}.{leaf}"))
}

/// The number of levels of the decoder of diffusers' names.
pub(crate) fn levels_of_diffusers<'a>(names: impl Iterator<Item = &'a str>) -> usize {
    let levels = names.filter_map(|name| {
        let rest = name.strip_prefix("decoder.up_blocks.")?;
        number(rest.split('.').next()?)
    });
    levels.max().map_or(0, |last| last.saturating_add(1))
}

/// A number as it would be written: no sign, no zeros before it.
fn number(text: &str) -> Option<usize> {
    let number: usize = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

fn reversed(level: usize, levels: usize) -> Option<usize> {
    levels.checked_sub(1)?.checked_sub(level)
}

/// Whether a tensor of the network is the weight of a projection of attention.
fn is_projection(name: &str) -> bool {
    let projection = ["q.weight", "k.weight", "v.weight", "proj_out.weight"];
    let inside = name.contains(".attn.") || name.contains(".attn_1.");
    let leaf = |end: &&str| name.ends_with(&format!(".{end}"));
    inside && projection.iter().any(leaf)
}

/// The tensor under the network's name: the weight of a linear layer becomes a convolution of one pixel.
pub(crate) fn into_network(tensor: StoredTensor, name: String) -> StoredTensor {
    match tensor.shape.to_vec()[..] {
        [rows, columns] if is_projection(&name) => shaped(tensor, name, vec![rows, columns, 1, 1]),
        _ => renamed(tensor, name),
    }
}

/// A tensor of the network in a layout, whose decoder has so many levels.
///
/// # Panics
///
/// If the network has no such tensor.
pub(crate) fn in_layout(tensor: StoredTensor, layout: Layout, levels: usize) -> StoredTensor {
    if layout == Layout::Ldm {
        return tensor;
    }
    let name = in_diffusers(&tensor.name, levels).expect("a tensor of the network");
    match tensor.shape.to_vec()[..] {
        [rows, columns, 1, 1] if is_projection(&tensor.name) => {
            shaped(tensor, name, vec![rows, columns])
        }
        _ => renamed(tensor, name),
    }
}

fn renamed(mut tensor: StoredTensor, name: String) -> StoredTensor {
    tensor.name = name;
    tensor
}

fn shaped(tensor: StoredTensor, name: String, shape: Vec<usize>) -> StoredTensor {
    let (dtype, to) = (tensor.dtype, shape.clone());
    bridge::map_data(tensor, name, dtype, shape.into(), move |data| {
        let (bytes, _, dtype) = data.into_parts();
        TensorData::from_bytes(bytes, to.clone(), dtype)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::KlVaeConfig;
    use svg_nn::module_tensors;

    #[test]
    fn every_name_of_the_network_comes_back_from_diffusers() {
        for config in [
            KlVaeConfig::sd(),
            KlVaeConfig::va_vae(),
            KlVaeConfig::small_f4(),
        ] {
            let levels = config.width_multipliers.len();
            let tensors = module_tensors(&config.init(&Default::default()));
            let theirs = tensors.iter().map(|tensor| {
                let theirs = in_diffusers(&tensor.name, levels).unwrap();
                assert_eq!(of_diffusers(&theirs, levels).unwrap(), tensor.name);
                theirs
            });
            let theirs: Vec<_> = theirs.collect();
            assert_eq!(
                Layout::of(theirs.iter().map(String::as_str)),
                Layout::Diffusers
            );
            assert_eq!(
                levels_of_diffusers(theirs.iter().map(String::as_str)),
                levels
            );
            let ours = tensors.iter().map(|tensor| tensor.name.as_str());
            assert_eq!(Layout::of(ours), Layout::Ldm);
        }
    }

    #[test]
    fn names_are_those_of_the_published_files() {
        for (ours, theirs) in [
            ("encoder.conv_in.weight", "encoder.conv_in.weight"),
            ("quant_conv.bias", "quant_conv.bias"),
            ("encoder.norm_out.bias", "encoder.conv_norm_out.bias"),
            (
                "encoder.down.1.block.0.nin_shortcut.weight",
                "encoder.down_blocks.1.resnets.0.conv_shortcut.weight",
            ),
            (
                "encoder.down.2.downsample.conv.bias",
                "encoder.down_blocks.2.downsamplers.0.conv.bias",
            ),
            (
                "encoder.mid.block_2.norm1.weight",
                "encoder.mid_block.resnets.1.norm1.weight",
            ),
            (
                "decoder.mid.attn_1.proj_out.weight",
                "decoder.mid_block.attentions.0.to_out.0.weight",
            ),
            (
                "decoder.up.3.block.2.conv2.weight",
                "decoder.up_blocks.0.resnets.2.conv2.weight",
            ),
            (
                "decoder.up.1.upsample.conv.weight",
                "decoder.up_blocks.2.upsamplers.0.conv.weight",
            ),
            (
                "encoder.down.3.attn.1.norm.weight",
                "encoder.down_blocks.3.attentions.1.group_norm.weight",
            ),
        ] {
            assert_eq!(in_diffusers(ours, 4).as_deref(), Some(theirs));
            assert_eq!(of_diffusers(theirs, 4).as_deref(), Some(ours));
        }
        let old = "decoder.mid_block.attentions.0.proj_attn.weight";
        let ours = "decoder.mid.attn_1.proj_out.weight";
        assert_eq!(of_diffusers(old, 4).as_deref(), Some(ours));
    }

    #[test]
    fn other_names_are_none_of_the_network() {
        for name in [
            "encoder",
            "decoder.up_blocks.4.resnets.0.conv1.weight",
            "decoder.up_blocks.x.resnets.0.conv1.weight",
            "encoder.down_blocks.0.upsamplers.0.conv.weight",
            "encoder.mid_block.attentions.1.to_q.weight",
            "encoder.mid_block.attentions.0.to_out.1.weight",
            "time_embedding.linear_1.weight",
        ] {
            assert_eq!(of_diffusers(name, 4), None, "{name}");
        }
    }
}
