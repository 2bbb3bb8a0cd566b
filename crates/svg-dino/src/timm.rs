//! `config.json` of timm.

use serde_json::{Value, json};

use crate::hub::side_of;
use crate::said::Said;
use crate::statistics::statistics;
use crate::{DinoConfig, FeedForwardKind, PixelStatistics};

/// What timm calls the fields of [`DinoConfig`].
const NAMES: [(&str, &str); 9] = [
    ("embed_dim", "d_model"),
    ("depth", "n_layers"),
    ("num_heads", "n_heads"),
    ("mlp_ratio * embed_dim", "d_ff"),
    ("swiglu_mlp", "feed_forward"),
    ("patch_size", "patch_size"),
    ("num_reg_tokens", "n_registers"),
    ("qkv_bias", "qkv_bias"),
    ("rope_temperature", "rope_base"),
];

/// The arguments of a model that must be as they are in DINOv3 for this network to compute the same.
const FIXED: [(&str, Value); 14] = [
    ("rope_rotate_half", Value::Bool(true)),
    ("use_rot_pos_emb", Value::Bool(true)),
    ("use_abs_pos_emb", Value::Bool(false)),
    ("rope_mixed_mode", Value::Bool(false)),
    ("class_token", Value::Bool(true)),
    ("scale_mlp", Value::Bool(false)),
    ("scale_attn_inner", Value::Bool(false)),
    ("scale_mlp_norm", Value::Bool(false)),
    ("scale_attn_inner_norm", Value::Bool(false)),
    ("use_post_norm", Value::Bool(false)),
    ("use_pre_transformer_norm", Value::Bool(false)),
    ("use_post_transformer_norm", Value::Bool(true)),
    ("qk_norm", Value::Bool(false)),
    ("pre_norm", Value::Bool(false)),
];

/// The arguments that change nothing of the tokens: heads, pooling, sizes of images, what is drawn in training,
/// initial values.
const OTHER: [&str; 33] = [
    "num_classes",
    "global_pool",
    "img_size",
    "strict_img_size",
    "dynamic_img_size",
    "dynamic_img_pad",
    "no_embed_class",
    "use_fc_norm",
    "fc_norm",
    "attn_pool_num_heads",
    "attn_pool_mlp_ratio",
    "drop_rate",
    "pos_drop_rate",
    "patch_drop_rate",
    "proj_drop_rate",
    "attn_drop_rate",
    "drop_path_rate",
    "rope_shift_coords",
    "rope_jitter_coords",
    "rope_rescale_coords",
    "init_values",
    "head_init_scale",
    "weight_init",
    "fix_init",
    "qkv_fused",
    "use_naflex",
    "pos_embed_grid_size",
    "features_only",
    "out_indices",
    "pretrained",
    "scriptable",
    "exportable",
    "no_jit",
];

/// Whether a `config.json` is timm's: it names an architecture and how pictures go in.
pub(crate) fn is_timm(document: &Value) -> bool {
    let named = document.get("architecture").and_then(Value::as_str);
    named.is_some_and(|name| {
        let others = ["pretrained_cfg", "model_args", "num_features", "mean"];
        name.contains("dinov3") || others.iter().any(|key| document.get(key).is_some())
    })
}

/// What the architecture and the arguments of the model say; those win.
pub(crate) fn said(document: &Value) -> Result<Said, String> {
    let name = document.get("architecture").and_then(Value::as_str);
    let name = name.unwrap_or_default();
    let known = architecture(name);
    if known.is_none() && !name.contains("dinov3") {
        return Err(format!(
            "architecture is {name:?}, which is no DINOv3; if the file is about something else, keep the \
             weights in a folder of their own"
        ));
    }
    let mut spoken: Vec<&str> = match known {
        Some(_) => NAMES.iter().map(|(theirs, _)| *theirs).collect(),
        None => Vec::new(),
    };
    let mut config = known.unwrap_or_else(DinoConfig::vits16);
    let (mut ratio, mut align) = (config.d_ff as f64 / config.d_model as f64, 0);
    let arguments = document.get("model_args").and_then(Value::as_object);
    for (argument, value) in arguments
        .into_iter()
        .flatten()
        .filter(|(_, v)| !v.is_null())
    {
        let wrong = || format!("model_args.{argument} is {value}");
        let count = || value.as_u64().map(|count| count as usize).ok_or_else(wrong);
        let float = || value.as_f64().ok_or_else(wrong);
        let truth = || value.as_bool().ok_or_else(wrong);
        let named = match argument.as_str() {
            "embed_dim" => {
                config.d_model = count()?;
                "embed_dim"
            }
            "depth" => {
                config.n_layers = count()?;
                "depth"
            }
            "num_heads" => {
                config.n_heads = count()?;
                "num_heads"
            }
            "patch_size" => {
                config.patch_size =
                    side_of(value).map_err(|reason| format!("patch_size: {reason}"))?;
                "patch_size"
            }
            "num_reg_tokens" | "reg_tokens" => {
                config.n_registers = count()?;
                "num_reg_tokens"
            }
            "qkv_bias" => {
                config.qkv_bias = truth()?;
                "qkv_bias"
            }
            "swiglu_mlp" => {
                config.feed_forward = match truth()? {
                    true => FeedForwardKind::SwiGlu,
                    false => FeedForwardKind::Mlp,
                };
                "swiglu_mlp"
            }
            "mlp_ratio" => {
                ratio = float()?;
                "mlp_ratio * embed_dim"
            }
            "swiglu_align_to" => {
                align = count()?;
                continue;
            }
            "rope_temperature" => {
                config.rope_base = float()?;
                "rope_temperature"
            }
            "rope_type" if value == "dinov3" => continue,
            "attn_type" if value == "eva" => continue,
            "rope_grid_indexing" if value == "ij" => continue,
            "rope_grid_offset" if value.as_f64() == Some(0.0) => continue,
            "in_chans" if value == 3 => continue,
            other if OTHER.contains(&other) => continue,
            other => match FIXED.iter().find(|(name, _)| *name == other) {
                Some((_, expected)) if expected == value => continue,
                Some((_, expected)) => {
                    return Err(format!("{}, in DINOv3 it is {expected}", wrong()));
                }
                None => {
                    return Err(format!(
                        "{}, of which it is not known here whether it changes what the network computes",
                        wrong()
                    ));
                }
            },
        };
        spoken.push(named);
    }
    // The width follows from both, and from the layers' own rule of rounding.
    config.d_ff = (config.d_model as f64 * ratio) as usize;
    if config.feed_forward == FeedForwardKind::SwiGlu && align > 0 {
        let rounded = config.d_ff.checked_next_multiple_of(align);
        config.d_ff = rounded.unwrap_or(usize::MAX);
    }
    let both = ["embed_dim", "mlp_ratio * embed_dim"];
    if !both.iter().all(|name| spoken.contains(name)) {
        spoken.retain(|name| *name != both[1]);
    }
    let names: Vec<_> = NAMES
        .into_iter()
        .filter(|(theirs, _)| spoken.contains(theirs))
        .collect();
    Ok(Said::of("config.json", &config, &names))
}

/// Pixel statistics: in `pretrained_cfg`, or, in older files, beside the architecture; without either, those
/// that timm has for the satellite models.
pub(crate) fn pixels(document: &Value) -> Result<Option<PixelStatistics>, String> {
    let settings = document.get("pretrained_cfg").unwrap_or(document);
    let names = [document.get("architecture"), settings.get("tag")];
    let mut names = names.into_iter().flatten().filter_map(Value::as_str);
    let satellite = names.any(|name| name.contains("sat493m"));
    let said = statistics(settings, "mean", "std")?;
    Ok(said.or(satellite.then_some(PixelStatistics::SATELLITE)))
}

/// The `config.json` with which `timm.create_model("local-dir:FOLDER")` makes the network; there is no place
/// for another epsilon than 1e-5.
pub(crate) fn to_json(config: &DinoConfig) -> String {
    let gated = config.feed_forward == FeedForwardKind::SwiGlu;
    let (d_model, d_ff) = (config.d_model as f64, config.d_ff as f64);
    // timm cuts the product to a whole number.
    let exact = (d_model * (d_ff / d_model)) as usize == config.d_ff;
    let ratio = if exact {
        d_ff / d_model
    } else {
        (d_ff + 0.5) / d_model
    };
    let mut arguments = json!({
        "embed_dim": config.d_model,
        "depth": config.n_layers,
        "num_heads": config.n_heads,
        "mlp_ratio": ratio,
        "patch_size": config.patch_size,
        "num_reg_tokens": config.n_registers,
        "qkv_bias": config.qkv_bias,
        "rope_temperature": config.rope_base,
    });
    if gated {
        let align = if config.d_ff.is_multiple_of(8) { 8 } else { 1 };
        arguments["swiglu_align_to"] = json!(align);
    }
    let side = 16 * config.patch_size;
    let document = json!({
        "architecture": name_for(config),
        "num_classes": 0,
        "num_features": config.d_model,
        "model_args": arguments,
        "pretrained_cfg": {
            "input_size": [3, side, side],
            "interpolation": "bicubic",
            "crop_pct": 1.0,
            "mean": config.pixels.mean,
            "std": config.pixels.std,
            "num_classes": 0,
            "first_conv": "patch_embed.proj",
            "classifier": "head",
        },
    });
    serde_json::to_string_pretty(&document).expect("plain fields always serialise")
}

/// timm's sizes and ours.
fn sizes() -> [(&'static str, DinoConfig); 7] {
    [
        ("tiny", DinoConfig::new(192, 12, 3, 768)),
        ("small", DinoConfig::vits16()),
        ("small_plus", DinoConfig::vits16plus()),
        ("base", DinoConfig::vitb16()),
        ("large", DinoConfig::vitl16()),
        ("huge_plus", DinoConfig::vith16plus()),
        ("7b", DinoConfig::vit7b16()),
    ]
}

/// The network of a name such as `vit_small_patch16_dinov3_qkvb.lvd1689m`.
fn architecture(name: &str) -> Option<DinoConfig> {
    let name = name.split('.').next()?;
    let (size, ending) = name.strip_prefix("vit_")?.split_once("_patch16_dinov3")?;
    let (_, config) = sizes().into_iter().find(|(known, _)| *known == size)?;
    match ending {
        "" => Some(config.with_qkv_bias(false)),
        "_qkvb" => Some(config.with_qkv_bias(true)),
        _ => None,
    }
}

/// The architecture of the same kind of layers; arguments say the sizes.
fn name_for(config: &DinoConfig) -> String {
    let known = sizes().into_iter().find(|(_, known)| {
        let pixels = config.clone().with_pixels(known.pixels);
        known.same_sizes(&pixels.with_qkv_bias(known.qkv_bias))
    });
    let size = match (known, config.feed_forward) {
        (Some(("7b", _)), _) if config.qkv_bias => "small_plus",
        (Some((size, _)), _) => size,
        (None, FeedForwardKind::SwiGlu) => "small_plus",
        (None, FeedForwardKind::Mlp) => "small",
    };
    let ending = if config.qkv_bias { "_qkvb" } else { "" };
    format!("vit_{size}_patch16_dinov3{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(arguments: Value) -> Value {
        json!({
            "architecture": "vit_small_patch16_dinov3_qkvb",
            "num_classes": 0,
            "model_args": arguments,
            "pretrained_cfg": {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]},
        })
    }

    #[test]
    fn networks_survive_their_json() {
        let presets = DinoConfig::preset_names().filter_map(DinoConfig::preset);
        let odd = DinoConfig::new(48, 3, 4, 100).with_feed_forward(FeedForwardKind::SwiGlu);
        let odd = odd
            .with_patch_size(8)
            .with_n_registers(0)
            .with_rope_base(50.0);
        for config in presets.chain([odd.clone(), odd.with_qkv_bias(false)]) {
            let document = serde_json::from_str(&to_json(&config)).unwrap();
            assert!(is_timm(&document));
            let said = said(&document).unwrap();
            assert_eq!(said.contradicts(&config), None);
            let unsaid = config.clone().with_rope_base(1.0);
            assert_eq!(said.complete(unsaid).rope_base, config.rope_base);
            assert_eq!(said.n_heads(), Some(config.n_heads));
            assert_eq!(pixels(&document).unwrap(), Some(config.pixels));
        }
    }

    #[test]
    fn arguments_win_over_the_architecture() {
        let arguments =
            json!({"num_heads": 12, "rope_temperature": 50, "num_reg_tokens": 0, "mlp_ratio": 2.0});
        let said = said(&document(arguments)).unwrap();
        let config = DinoConfig::new(384, 12, 12, 768).with_n_registers(0);
        assert_eq!(said.contradicts(&config), None);
        assert_eq!(
            said.complete(config.clone()),
            config.clone().with_rope_base(50.0)
        );
        let other = config.with_n_registers(4);
        let reason = "config.json and its tensors differ in num_reg_tokens (0 and 4)";
        assert_eq!(said.contradicts(&other).unwrap(), reason);
    }

    #[test]
    fn a_network_that_computes_otherwise_is_refused() {
        for (arguments, reason) in [
            (
                json!({"rope_rotate_half": false}),
                "rope_rotate_half is false, in DINOv3 it is true",
            ),
            (json!({"rope_type": "axial"}), "rope_type is \"axial\""),
            (
                json!({"norm_layer": "rmsnorm"}),
                "norm_layer is \"rmsnorm\"",
            ),
            (json!({"num_heads": "many"}), "num_heads is \"many\""),
            (
                json!({"patch_size": [16, 8]}),
                "patch_size: [16,8] is not the side",
            ),
        ] {
            let error = said(&document(arguments)).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
        let other = json!({"architecture": "resnet50", "num_features": 2048});
        assert!(is_timm(&other));
        assert!(
            said(&other)
                .unwrap_err()
                .contains("\"resnet50\", which is no DINOv3")
        );
    }

    #[test]
    fn a_model_that_is_not_known_says_its_arguments_alone() {
        let document = json!({"architecture": "my_dinov3", "model_args": {"num_heads": 2}});
        let said = said(&document).unwrap();
        assert_eq!(said.n_heads(), Some(2));
        assert_eq!(said.contradicts(&DinoConfig::new(64, 1, 2, 96)), None);
    }

    #[test]
    fn statistics_stand_nested_or_flat() {
        let nested = pixels(&document(json!({}))).unwrap().unwrap();
        assert_eq!((nested.mean, nested.std), ([0.5; 3], [0.25; 3]));
        let flat = json!({
            "architecture": "vit_base_patch16_dinov3",
            "mean": [0.430, 0.411, 0.296],
            "std": [0.213, 0.156, 0.143],
        });
        assert!(is_timm(&flat));
        assert_eq!(pixels(&flat).unwrap(), Some(PixelStatistics::SATELLITE));
        let tagged = json!({"architecture": "vit_large_patch16_dinov3.sat493m"});
        assert_eq!(pixels(&tagged).unwrap(), Some(PixelStatistics::SATELLITE));
        assert!(!is_timm(&json!({"architecture": "unet", "lr": 1e-4})));
    }
}
