//! The names that tensors have in the three public layouts.
//!
//! Inside, a tensor is called by its path in [`Dino`](crate::Dino); the tables here translate single
//! names. What is more than a name (queries, keys and values in one tensor or in three) is in
//! `import.rs` and `export.rs`.

/// A public naming scheme of DINOv3 weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Meta's own `.pth` files: fused `qkv` with `bias_mask`, `storage_tokens`, stored RoPE periods.
    Official,
    /// Hugging Face transformers: `layer.0.attention.q_proj` and its siblings, no key bias.
    HuggingFace,
    /// timm's `vit_*_dinov3_qkvb` models: fused `qkv`, `q_bias` and `v_bias`, `gamma_1`.
    Timm,
}

/// What a tensor of a file is to the network.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// The parameter of that path, as it is.
    Parameter(String),
    /// Queries (0), keys (1) or values (2) of the fused tensor of that path.
    Third(String, usize),
    /// The mask of the fused bias of that path.
    BiasMask(String),
    /// The stored RoPE periods.
    Periods,
    /// Known, and not needed; with the reason.
    Unneeded(&'static str),
    /// Not part of this layout.
    Unknown,
}

const HEAD: &str = "belongs to a training head";
const LOCAL: &str = "the norm of local crops, used in training only";
const RECOMPUTED: &str = "positions are computed, not stored";

impl Layout {
    /// All layouts.
    pub const ALL: [Layout; 3] = [Layout::Official, Layout::HuggingFace, Layout::Timm];

    /// The name used on the command line: `official`, `hf` or `timm`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Official => "official",
            Self::HuggingFace => "hf",
            Self::Timm => "timm",
        }
    }

    /// The tensors that no other layout has, by which it is recognised. Official files have no registers where the network
    /// has none, but they always store the periods.
    pub(crate) fn tokens(self) -> &'static [&'static str] {
        match self {
            Self::Official => &["storage_tokens", "rope_embed.periods"],
            Self::HuggingFace => &["embeddings.register_tokens"],
            Self::Timm => &["reg_token"],
        }
    }

    /// What the tensor `name` of this layout is. `gated`: whether the file has SwiGLU layers, since
    /// Hugging Face and timm use one name for different layers of the two kinds.
    pub(crate) fn role(self, name: &str, gated: bool) -> Role {
        if let Some(reason) = unneeded(name) {
            return Role::Unneeded(reason);
        }
        match self {
            Self::Official if name == "rope_embed.periods" => Role::Periods,
            Self::Official if name.ends_with(".attn.qkv.bias_mask") => {
                Role::BiasMask(name.trim_end_matches("_mask").to_string())
            }
            Self::HuggingFace if name.contains(".attention.") && !name.contains(".o_proj.") => {
                hf_third(name)
            }
            Self::Timm if name.ends_with(".attn.q_bias") || name.ends_with(".attn.v_bias") => {
                let stem = &name[..name.len() - "q_bias".len()];
                let third = if name.ends_with("q_bias") { 0 } else { 2 };
                Role::Third(format!("{stem}qkv.bias"), third)
            }
            _ => {
                let path = self.rename(name, gated, false);
                // Every path has exactly one name, so a name that does not come back is not ours.
                match path.and_then(|path| Some((self.rename(&path, gated, true)?, path))) {
                    Some((back, path)) if back == name => Role::Parameter(path),
                    _ => Role::Unknown,
                }
            }
        }
    }

    /// The name in this layout of the parameter `path`, for those that are renamed only.
    pub(crate) fn name_of(self, path: &str, gated: bool) -> Option<String> {
        self.rename(path, gated, true)
    }

    /// Translates a name to a path, or a path to a name if `back`.
    fn rename(self, name: &str, gated: bool, back: bool) -> Option<String> {
        let tables = self.tables(gated);
        let translate = |table: &[(&'static str, &'static str)], name: &str| {
            table.iter().find_map(|&(theirs, ours)| {
                let (from, to) = if back { (ours, theirs) } else { (theirs, ours) };
                (from == name).then_some(to)
            })
        };
        let (theirs, ours) = tables.blocks;
        let (from, to) = if back { (ours, theirs) } else { (theirs, ours) };
        match name
            .strip_prefix(from)
            .and_then(|rest| rest.split_once('.'))
        {
            Some((index, rest)) if index.parse::<usize>().is_ok() => {
                Some(format!("{to}{index}.{}", translate(&tables.inside, rest)?))
            }
            _ => translate(&tables.outside, name).map(str::to_string),
        }
    }

    fn tables(self, gated: bool) -> Tables {
        let (blocks, outside): (_, Vec<_>) = match self {
            Self::Official => (
                ("blocks.", "blocks."),
                vec![
                    ("cls_token", "cls_token"),
                    ("storage_tokens", "register_tokens"),
                    ("mask_token", "mask_token"),
                    ("patch_embed.proj.weight", "patch_embed.proj.weight"),
                    ("patch_embed.proj.bias", "patch_embed.proj.bias"),
                    ("norm.weight", "norm.weight"),
                    ("norm.bias", "norm.bias"),
                ],
            ),
            Self::HuggingFace => (
                ("layer.", "blocks."),
                vec![
                    ("embeddings.cls_token", "cls_token"),
                    ("embeddings.register_tokens", "register_tokens"),
                    ("embeddings.mask_token", "mask_token"),
                    (
                        "embeddings.patch_embeddings.weight",
                        "patch_embed.proj.weight",
                    ),
                    ("embeddings.patch_embeddings.bias", "patch_embed.proj.bias"),
                    ("norm.weight", "norm.weight"),
                    ("norm.bias", "norm.bias"),
                ],
            ),
            Self::Timm => (
                ("blocks.", "blocks."),
                vec![
                    ("cls_token", "cls_token"),
                    ("reg_token", "register_tokens"),
                    ("patch_embed.proj.weight", "patch_embed.proj.weight"),
                    ("patch_embed.proj.bias", "patch_embed.proj.bias"),
                    ("norm.weight", "norm.weight"),
                    ("norm.bias", "norm.bias"),
                ],
            ),
        };
        let mut inside = vec![
            ("norm1.weight", "norm1.weight"),
            ("norm1.bias", "norm1.bias"),
            ("norm2.weight", "norm2.weight"),
            ("norm2.bias", "norm2.bias"),
        ];
        inside.extend(match self {
            Self::Official | Self::Timm => vec![
                ("attn.qkv.weight", "attn.qkv.weight"),
                ("attn.proj.weight", "attn.proj.weight"),
                ("attn.proj.bias", "attn.proj.bias"),
            ],
            Self::HuggingFace => vec![
                ("attention.o_proj.weight", "attn.proj.weight"),
                ("attention.o_proj.bias", "attn.proj.bias"),
            ],
        });
        inside.extend(match self {
            Self::Official => vec![
                ("attn.qkv.bias", "attn.qkv.bias"),
                ("ls1.gamma", "ls1.gamma"),
                ("ls2.gamma", "ls2.gamma"),
            ],
            Self::HuggingFace => vec![
                ("layer_scale1.lambda1", "ls1.gamma"),
                ("layer_scale2.lambda1", "ls2.gamma"),
            ],
            Self::Timm => vec![("gamma_1", "ls1.gamma"), ("gamma_2", "ls2.gamma")],
        });
        // Beware: one name means fc1 in plain models and the "up" projection in gated ones.
        inside.extend(match (self, gated) {
            (Self::Official | Self::Timm, false) => vec![
                ("mlp.fc1.weight", "mlp.fc1.weight"),
                ("mlp.fc1.bias", "mlp.fc1.bias"),
                ("mlp.fc2.weight", "mlp.fc2.weight"),
                ("mlp.fc2.bias", "mlp.fc2.bias"),
            ],
            (Self::HuggingFace, false) => vec![
                ("mlp.up_proj.weight", "mlp.fc1.weight"),
                ("mlp.up_proj.bias", "mlp.fc1.bias"),
                ("mlp.down_proj.weight", "mlp.fc2.weight"),
                ("mlp.down_proj.bias", "mlp.fc2.bias"),
            ],
            (Self::Official, true) => vec![
                ("mlp.w1.weight", "mlp.gate.weight"),
                ("mlp.w1.bias", "mlp.gate.bias"),
                ("mlp.w2.weight", "mlp.up.weight"),
                ("mlp.w2.bias", "mlp.up.bias"),
                ("mlp.w3.weight", "mlp.down.weight"),
                ("mlp.w3.bias", "mlp.down.bias"),
            ],
            (Self::HuggingFace, true) => vec![
                ("mlp.gate_proj.weight", "mlp.gate.weight"),
                ("mlp.gate_proj.bias", "mlp.gate.bias"),
                ("mlp.up_proj.weight", "mlp.up.weight"),
                ("mlp.up_proj.bias", "mlp.up.bias"),
                ("mlp.down_proj.weight", "mlp.down.weight"),
                ("mlp.down_proj.bias", "mlp.down.bias"),
            ],
            (Self::Timm, true) => vec![
                ("mlp.fc1_g.weight", "mlp.gate.weight"),
                ("mlp.fc1_g.bias", "mlp.gate.bias"),
                ("mlp.fc1_x.weight", "mlp.up.weight"),
                ("mlp.fc1_x.bias", "mlp.up.bias"),
                ("mlp.fc2.weight", "mlp.down.weight"),
                ("mlp.fc2.bias", "mlp.down.bias"),
            ],
        });
        Tables {
            blocks,
            outside,
            inside,
        }
    }
}

/// Pairs of (their name, our path).
struct Tables {
    /// The prefix of a block.
    blocks: (&'static str, &'static str),
    /// Names outside blocks.
    outside: Vec<(&'static str, &'static str)>,
    /// Names inside a block.
    inside: Vec<(&'static str, &'static str)>,
}

fn unneeded(name: &str) -> Option<&'static str> {
    let prefixes = [
        ("local_cls_norm.", LOCAL),
        ("rope_embeddings.", RECOMPUTED),
        ("rope.", RECOMPUTED),
        ("head.", HEAD),
        ("projectors.", HEAD),
    ];
    let found = prefixes.iter().find(|(prefix, _)| name.starts_with(prefix));
    found.map(|(_, reason)| *reason)
}

/// `layer.3.attention.k_proj.weight` is the second third of `blocks.3.attn.qkv.weight`.
fn hf_third(name: &str) -> Role {
    let parts: Vec<_> = name.split('.').collect();
    let (block, projection, leaf) = match parts[..] {
        [
            "layer",
            block,
            "attention",
            projection,
            leaf @ ("weight" | "bias"),
        ] => (block, projection, leaf),
        _ => return Role::Unknown,
    };
    let third = ["q_proj", "k_proj", "v_proj"]
        .iter()
        .position(|known| *known == projection);
    match third {
        Some(third) => Role::Third(format!("blocks.{block}.attn.qkv.{leaf}"), third),
        None => Role::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameter(layout: Layout, name: &str, gated: bool) -> String {
        match layout.role(name, gated) {
            Role::Parameter(path) => path,
            other => panic!("{name} is {other:?}"),
        }
    }

    #[test]
    fn one_name_means_two_layers() {
        let hf = Layout::HuggingFace;
        let up = "layer.7.mlp.up_proj.weight";
        assert_eq!(parameter(hf, up, false), "blocks.7.mlp.fc1.weight");
        assert_eq!(parameter(hf, up, true), "blocks.7.mlp.up.weight");
        let fc2 = "blocks.7.mlp.fc2.bias";
        assert_eq!(parameter(Layout::Timm, fc2, false), "blocks.7.mlp.fc2.bias");
        assert_eq!(parameter(Layout::Timm, fc2, true), "blocks.7.mlp.down.bias");
    }

    #[test]
    fn thirds_are_queries_keys_values() {
        let third = |name| Layout::HuggingFace.role(name, true);
        let path = "blocks.0.attn.qkv.weight".to_string();
        assert_eq!(
            third("layer.0.attention.k_proj.weight"),
            Role::Third(path, 1)
        );
        let path = "blocks.0.attn.qkv.bias".to_string();
        assert_eq!(
            third("layer.0.attention.v_proj.bias"),
            Role::Third(path.clone(), 2)
        );
        let timm = Layout::Timm.role("blocks.0.attn.v_bias", true);
        assert_eq!(timm, Role::Third(path, 2));
    }

    #[test]
    fn names_of_another_layout_are_unknown() {
        for (layout, name) in [
            (Layout::Official, "reg_token"),
            (Layout::Official, "blocks.0.gamma_1"),
            (Layout::Official, "blocks.x.norm1.weight"),
            (Layout::HuggingFace, "layer.0.attention.x_proj.weight"),
            (Layout::HuggingFace, "blocks.0.norm1.weight"),
            (Layout::Timm, "storage_tokens"),
            (Layout::Timm, "blocks.0.mlp.w1.weight"),
        ] {
            assert_eq!(layout.role(name, true), Role::Unknown, "{name}");
        }
    }
}
