//! The names that tensors have in the three public layouts.
//!
//! Inside, a tensor is called by its path in [`Dino`](crate::Dino); `layouts.txt` translates names. What is
//! more than a name (queries, keys and values in one tensor or in three) is in `import.rs` and `export.rs`.

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

    /// The tensors that no other layout has, by which it is recognised: the registers, and, since a network may
    /// have none, one that it always has.
    pub(crate) fn tokens(self) -> &'static [&'static str] {
        match self {
            Self::Official => &["storage_tokens", "rope_embed.periods"],
            Self::HuggingFace => &[
                "embeddings.register_tokens",
                "embeddings.patch_embeddings.weight",
            ],
            Self::Timm => &["reg_token", "blocks.0.gamma_1"],
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
            _ => match self.rename(name, gated, false) {
                None => Role::Unknown,
                Some(path) => match path.split_once('#') {
                    Some((path, third)) => {
                        Role::Third(path.to_string(), third.parse().expect("0, 1 or 2"))
                    }
                    None => Role::Parameter(path),
                },
            },
        }
    }

    /// The name in this layout of the third (0, 1 or 2) of a fused parameter, if it stores thirds.
    pub(crate) fn name_of_third(self, path: &str, third: usize) -> Option<String> {
        self.rename(&format!("{path}#{third}"), false, true)
    }

    /// The name in this layout of the parameter `path`, for those that are renamed only.
    pub(crate) fn name_of(self, path: &str, gated: bool) -> Option<String> {
        self.rename(path, gated, true)
    }

    /// Translates a name to a path, or a path to a name if `back`.
    fn rename(self, name: &str, gated: bool, back: bool) -> Option<String> {
        let (theirs, ours) = (self as usize + 1, 0);
        let (from, to) = if back { (ours, theirs) } else { (theirs, ours) };
        let number = name.split('.').nth(1);
        let number = number.filter(|number| number.parse::<usize>().is_ok());
        let starred = number.map_or_else(|| name.into(), |number| name.replacen(number, "*", 1));
        let row = names(gated).find(|row| row[from] == Some(&starred))?;
        let to = row[to]?;
        match (number, to.contains('*')) {
            (Some(number), true) => Some(to.replacen('*', number, 1)),
            (None, false) => Some(to.to_string()),
            _ => None,
        }
    }
}

/// The rows of the table: the path in the network, and the names in [`Layout::ALL`] in their order.
fn names(gated: bool) -> impl Iterator<Item = [Option<&'static str>; 4]> {
    let other = if gated { "plain" } else { "gated" };
    let lines = include_str!("layouts.txt").lines();
    lines.filter_map(move |line| {
        let columns: Vec<_> = line.split_whitespace().collect();
        match columns[..] {
            [kind, a, b, c, d] if kind != other => {
                Some([a, b, c, d].map(|name| (name != "-").then_some(name)))
            }
            _ => None,
        }
    })
}

/// Why the network does not need what is known of other parts of a training.
fn unneeded(name: &str) -> Option<&'static str> {
    match name.split_once('.')?.0 {
        "local_cls_norm" => Some("the norm of local crops, used in training only"),
        "rope_embeddings" | "rope" => Some("positions are computed, not stored"),
        "head" | "projectors" => Some("belongs to a training head"),
        _ => None,
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
