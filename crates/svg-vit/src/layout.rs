//! The names that tensors have in public files.
//!
//! Inside, a tensor is called by its path in [`Vit`](crate::Vit), and a mask token is `mask_token`; `layouts.txt`
//! translates names. What is more than a name is in `import.rs` and `export.rs`.

use crate::Family;

/// A public naming scheme of weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// timm's `vit_*` models, whose names MAE's own files have, too: fused `qkv`.
    Timm,
    /// Hugging Face transformers: `Dinov2Model`, `Dinov2WithRegistersModel`, `ViTMAEModel`, `SiglipVisionModel`,
    /// `CLIPVisionModel`, and the image tower in files of whole models.
    HuggingFace,
    /// Meta's DINOv2, OpenAI's CLIP and open_clip.
    Original,
}

/// What a tensor of a file is to the network.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// The parameter of that path.
    Parameter(String),
    /// Rows of the fused parameter of that path; the number of the first third.
    Part(String, usize),
    /// Known, and not needed; with the reason.
    Unneeded(&'static str),
    /// Not part of this layout.
    Unknown,
}

/// A name in a layout, and with how many axes the tensor is stored if not with those that it has in the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    pub name: String,
    pub rank: Option<usize>,
    /// Which thirds of the parameter, if not all.
    pub thirds: Option<(usize, usize)>,
}

/// Tensors that networks have in every file of a layout, one of which is where a network lies.
pub(crate) const LANDMARKS: [&str; 4] = [
    "embeddings.patch_embedding.weight",
    "embeddings.patch_embeddings.projection.weight",
    "ln_pre.weight",
    "pos_embed",
];

/// Family and layout of a network with these tensors; `None` if it is none of those here.
pub(crate) fn recognise(has: &dyn Fn(&str) -> bool) -> Option<(Family, Layout)> {
    use Family::{Clip, Dinov2, Mae, Siglip};
    use Layout::{HuggingFace, Original, Timm};
    if has("embeddings.patch_embeddings.projection.weight") {
        return match has("encoder.layer.0.layer_scale1.lambda1") {
            true => Some((Dinov2, HuggingFace)),
            false => Some((Mae, HuggingFace)),
        };
    }
    if has("embeddings.patch_embedding.weight") {
        return match has("pre_layrnorm.weight") {
            true => Some((Clip, HuggingFace)),
            false => Some((Siglip, HuggingFace)),
        };
    }
    if has("ln_pre.weight") {
        return (has("conv1.weight") && has("class_embedding")).then_some((Clip, Original));
    }
    if !has("pos_embed") || !has("patch_embed.proj.weight") || !has("blocks.0.attn.qkv.weight") {
        return None;
    }
    let original = has("mask_token") || has("register_tokens");
    match (has("norm_pre.weight"), has("blocks.0.ls1.gamma")) {
        (true, _) => Some((Clip, Timm)),
        (_, true) if original => Some((Dinov2, Original)),
        (_, true) => Some((Dinov2, Timm)),
        _ if has("cls_token") => Some((Mae, Timm)),
        _ => Some((Siglip, Timm)),
    }
}

impl Layout {
    /// All layouts.
    pub const ALL: [Self; 3] = [Self::Timm, Self::HuggingFace, Self::Original];

    /// The name used on the command line: `timm`, `hf` or `official`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Timm => "timm",
            Self::HuggingFace => "hf",
            Self::Original => "official",
        }
    }

    /// Whether the family has files in this layout.
    pub fn is_of(self, family: Family) -> bool {
        self != Self::Original || matches!(family, Family::Dinov2 | Family::Clip)
    }

    /// What stands before all names of the family in files of this layout.
    pub(crate) fn prefix(self, family: Family) -> &'static str {
        match (self, family) {
            (Self::HuggingFace, Family::Siglip | Family::Clip) => "vision_model.",
            (Self::Original, Family::Clip) => "visual.",
            _ => "",
        }
    }

    /// What the tensor `name`, without the [prefix](Self::prefix), is. `gated`: whether the file has gated layers, since
    /// timm uses one name for different layers of the two kinds.
    pub(crate) fn role(self, family: Family, name: &str, gated: bool) -> Role {
        if let Some(reason) = self.unneeded(family, name) {
            return Role::Unneeded(reason);
        }
        let theirs = |row: &Row| row.columns[self as usize + 1];
        let found = rows(family, gated).find_map(|row| {
            let path = matched(theirs(&row)?, name, row.columns[0]?)?;
            Some((path, row.thirds))
        });
        match found {
            None => Role::Unknown,
            Some((path, None)) => Role::Parameter(path),
            Some((path, Some((first, _)))) => Role::Part(path, first),
        }
    }

    /// Where the parameter `path` is in files of this layout: under one name, or in parts under several; nowhere, if it
    /// has no place there.
    pub(crate) fn places(self, family: Family, path: &str, gated: bool) -> Vec<Stored> {
        let named = rows(family, gated).filter_map(|row| {
            let theirs = row.columns[self as usize + 1]?;
            Some(Stored {
                name: matched(row.columns[0]?, path, theirs)?,
                rank: row.ranks[self as usize],
                thirds: row.thirds,
            })
        });
        named.collect()
    }

    /// Why the network does not need what is known of other parts.
    fn unneeded(self, family: Family, name: &str) -> Option<&'static str> {
        let head = name.split('.').next()?;
        match (family, self) {
            (_, Self::HuggingFace) if name == "embeddings.position_ids" => {
                Some("the numbers of positions, which are their order")
            }
            (Family::Mae, Self::Timm) if head == "mask_token" || head.starts_with("decoder_") => {
                Some("belongs to the decoder of the training")
            }
            (Family::Clip, Self::Timm) if head == "head" => Some(PROJECTION),
            (Family::Clip, Self::Original) if name == "proj" => Some(PROJECTION),
            _ => None,
        }
    }
}

const PROJECTION: &str =
    "the projection into the space of images and texts; the summary is the class token before it";

/// A row of the table.
struct Row {
    /// The path in the network, and the names in [`Layout::ALL`] in their order, without marks.
    columns: [Option<&'static str>; 4],
    ranks: [Option<usize>; 3],
    /// The first third and how many, of a part.
    thirds: Option<(usize, usize)>,
}

/// The rows of a family.
fn rows(family: Family, gated: bool) -> impl Iterator<Item = Row> {
    let title = format!("[{}]", family.name());
    let lines = include_str!("layouts.txt").lines();
    let section = lines.skip_while(move |line| !line.starts_with(&title));
    let section = section.skip(1).take_while(|line| !line.starts_with('['));
    let other = if gated { ".mlp.fc" } else { ".mlp.w" };
    section.filter_map(move |line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let words: [&str; 4] = words.try_into().ok()?;
        let in_blocks = words[0].starts_with("blocks.");
        if in_blocks && words[0].contains(other) {
            return None;
        }
        let (path, thirds) = match words[0].split_once('#') {
            None => (words[0], None),
            Some((path, "12")) => (path, Some((1, 2))),
            Some((path, third)) => (path, Some((third.parse().ok()?, 1))),
        };
        let bare = |word: &'static str| match word.split_once('@') {
            None => ((word != "-").then_some(word), None),
            Some((word, rank)) => (Some(word), rank.parse().ok()),
        };
        let theirs = [words[1], words[2], words[3]].map(bare);
        Some(Row {
            columns: [Some(path), theirs[0].0, theirs[1].0, theirs[2].0],
            ranks: theirs.map(|(_, rank)| rank),
            thirds,
        })
    })
}

/// `name` translated from one pattern to another; `None` if it does not fit.
fn matched(from: &str, name: &str, to: &str) -> Option<String> {
    let (from, to, rest, end) = match from.strip_suffix('+') {
        None => (from, to.to_string(), name, ""),
        Some(stem) => {
            let (rest, end) = name.rsplit_once('.')?;
            let end = ["weight", "bias"].into_iter().find(|known| *known == end)?;
            (stem, to.strip_suffix('+')?.to_string(), rest, end)
        }
    };
    let translated = match from.split_once('*') {
        None => (from == rest).then_some(to)?,
        Some((before, after)) => {
            let number = rest.strip_prefix(before)?.strip_suffix(after)?;
            number.parse::<usize>().ok()?;
            to.replacen('*', number, 1)
        }
    };
    match end {
        "" => Some(translated),
        end => Some(format!("{translated}.{end}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_read_in_both_directions() {
        for family in Family::ALL {
            for gated in [false, true] {
                for row in rows(family, gated) {
                    for layout in Layout::ALL {
                        let Some(theirs) = row.columns[layout as usize + 1] else {
                            continue;
                        };
                        let concrete = |name: &str| name.replace('*', "7").replace('+', ".bias");
                        let (path, name) = (concrete(row.columns[0].unwrap()), concrete(theirs));
                        let role = match row.thirds {
                            None => Role::Parameter(path.clone()),
                            Some((first, _)) => Role::Part(path.clone(), first),
                        };
                        assert_eq!(layout.role(family, &name, gated), role, "{name}");
                        let places = layout.places(family, &path, gated);
                        assert!(places.iter().any(|place| place.name == name), "{name}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_table_has_all_rows_of_each_family() {
        let counts = Family::ALL.map(|family| rows(family, false).count());
        assert_eq!(counts, [17, 13, 21, 16]);
    }

    #[test]
    fn names_of_another_layout_or_family_are_unknown() {
        for (family, layout, name) in [
            (Family::Dinov2, Layout::Timm, "register_tokens"),
            (Family::Dinov2, Layout::Original, "reg_token"),
            (Family::Mae, Layout::Timm, "blocks.0.ls1.gamma"),
            (Family::Mae, Layout::Timm, "head.weight"),
            (Family::Mae, Layout::Timm, "blocks.x.norm1.weight"),
            (Family::Siglip, Layout::Timm, "cls_token"),
            (Family::Clip, Layout::Timm, "patch_embed.proj.bias"),
            (
                Family::Clip,
                Layout::HuggingFace,
                "text_model.final_layer_norm.bias",
            ),
        ] {
            assert_eq!(layout.role(family, name, false), Role::Unknown, "{name}");
        }
    }
}
