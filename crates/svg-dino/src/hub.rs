//! The JSON files of Hugging Face transformers.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};

use crate::said::Said;
use crate::{DinoConfig, FeedForwardKind, PixelStatistics};

/// `config.json` of a `dinov3_vit` model. Defaults are those of transformers' `DINOv3ViTConfig`.
#[derive(Debug, Serialize, Deserialize)]
struct HubConfig {
    model_type: Option<String>,
    architectures: Option<Vec<String>>,
    #[serde(deserialize_with = "side")]
    patch_size: usize,
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    hidden_act: String,
    layer_norm_eps: f64,
    rope_theta: f64,
    query_bias: bool,
    key_bias: bool,
    value_bias: bool,
    use_gated_mlp: bool,
    num_register_tokens: usize,
}

/// What the file calls the fields of [`DinoConfig`].
const NAMES: [(&str, &str); 10] = [
    ("hidden_size", "d_model"),
    ("num_hidden_layers", "n_layers"),
    ("num_attention_heads", "n_heads"),
    ("intermediate_size", "d_ff"),
    ("use_gated_mlp", "feed_forward"),
    ("patch_size", "patch_size"),
    ("num_register_tokens", "n_registers"),
    ("query_bias", "qkv_bias"),
    ("rope_theta", "rope_base"),
    ("layer_norm_eps", "norm_eps"),
];

/// Keys of which a `config.json` about a model has one at least.
const OF_A_MODEL: [&str; 6] = [
    "model_type",
    "architectures",
    "hidden_size",
    "hidden_act",
    "use_gated_mlp",
    "query_bias",
];

/// What the file says; `None` if it is somebody else's file of that name.
pub(crate) fn said(document: &Value) -> Result<Option<Said>, String> {
    if OF_A_MODEL.iter().all(|name| document.get(name).is_none()) {
        return Ok(None);
    }
    let config = HubConfig::read(document)?;
    if let Some(kind) = &config.model_type
        && kind != "dinov3_vit"
    {
        return Err(format!(
            "model_type is {kind:?}, not \"dinov3_vit\"; if the file is about something else, keep the \
             weights in a folder of their own"
        ));
    }
    let expected = if config.use_gated_mlp { "silu" } else { "gelu" };
    if config.hidden_act != expected {
        let act = &config.hidden_act;
        return Err(format!(
            "hidden_act is {act:?}; DINOv3 has {expected:?} there"
        ));
    }
    if config.query_bias != config.value_bias || config.key_bias {
        return Err("queries and values must both have a bias or not, keys never".into());
    }
    let feed_forward = match config.use_gated_mlp {
        true => FeedForwardKind::SwiGlu,
        false => FeedForwardKind::Mlp,
    };
    let config = DinoConfig::new(
        config.hidden_size,
        config.num_hidden_layers,
        config.num_attention_heads,
        config.intermediate_size,
    )
    .with_feed_forward(feed_forward)
    .with_patch_size(config.patch_size)
    .with_n_registers(config.num_register_tokens)
    .with_qkv_bias(config.query_bias)
    .with_rope_base(config.rope_theta)
    .with_norm_eps(config.layer_norm_eps);
    Ok(Some(Said::of("config.json", &config, &NAMES)))
}

/// The `config.json` that transformers needs to load exported weights.
pub(crate) fn to_json(config: &DinoConfig) -> String {
    serde_json::to_string_pretty(&HubConfig::of(config)).expect("plain fields always serialise")
}

/// `preprocessor_config.json`, the part of it that is read here.
pub(crate) fn pixels_to_json(statistics: PixelStatistics) -> String {
    let document = json!({"image_mean": statistics.mean, "image_std": statistics.std});
    serde_json::to_string_pretty(&document).expect("plain fields always serialise")
}

impl HubConfig {
    /// Field by field, so that one of a wrong type is named.
    fn read(document: &Value) -> Result<Self, String> {
        let unsaid = Self {
            model_type: None,
            architectures: None,
            ..Self::of(&DinoConfig::vits16().with_n_registers(0))
        };
        let mut all = serde_json::to_value(unsaid).expect("plain fields always serialise");
        // Where later versions of transformers keep the base.
        let nested = document.pointer("/rope_parameters/rope_theta");
        let nested = nested.map(|theta| ("rope_theta".to_string(), theta));
        let fields = document.as_object().into_iter().flatten();
        let fields = fields.map(|(name, value)| (name.clone(), value));
        for (name, value) in nested.into_iter().chain(fields) {
            if all.get(&name).is_none() {
                continue;
            }
            all[&name] = value.clone();
            serde_json::from_value::<Self>(all.clone())
                .map_err(|error| format!("{name} is {value}: {error}"))?;
        }
        serde_json::from_value(all).map_err(|error| error.to_string())
    }

    fn of(config: &DinoConfig) -> Self {
        let gated = config.feed_forward == FeedForwardKind::SwiGlu;
        Self {
            model_type: Some("dinov3_vit".to_string()),
            architectures: Some(vec!["DINOv3ViTModel".to_string()]),
            patch_size: config.patch_size,
            hidden_size: config.d_model,
            intermediate_size: config.d_ff,
            num_hidden_layers: config.n_layers,
            num_attention_heads: config.n_heads,
            hidden_act: if gated { "silu" } else { "gelu" }.to_string(),
            layer_norm_eps: config.norm_eps,
            rope_theta: config.rope_base,
            query_bias: config.qkv_bias,
            key_bias: false,
            value_bias: config.qkv_bias,
            use_gated_mlp: gated,
            num_register_tokens: config.n_registers,
        }
    }
}

/// The side of a square: one number, or two equal ones.
fn side<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    let value = Value::deserialize(deserializer)?;
    side_of(&value).map_err(serde::de::Error::custom)
}

/// The side of a square patch in a document.
pub(crate) fn side_of(value: &Value) -> Result<usize, String> {
    let number = |value: &Value| value.as_u64().and_then(|side| usize::try_from(side).ok());
    let sides = match value {
        Value::Array(sides) => sides.iter().map(number).collect(),
        one => number(one).map(|side| vec![side]),
    };
    let sides: Option<Vec<usize>> = sides;
    match sides.as_deref() {
        Some(&[side]) => Ok(side),
        Some(&[rows, columns]) if rows == columns => Ok(rows),
        _ => Err(format!("{value} is not the side of a square patch")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The configuration that tensors of those sizes have beside such a file.
    fn read(json: &str, sizes: &DinoConfig) -> Result<Option<DinoConfig>, String> {
        let said = said(&serde_json::from_str(json).unwrap())?;
        let complete = |said: Said| match said.contradicts(sizes) {
            None => Ok(said.complete(sizes.clone())),
            Some(reason) => Err(reason),
        };
        said.map(complete).transpose()
    }

    #[test]
    fn every_preset_survives_its_json() {
        for name in DinoConfig::preset_names() {
            let config = DinoConfig::preset(name).unwrap();
            let back = read(&to_json(&config), &config);
            assert_eq!(back.unwrap().unwrap(), config, "{name}");
        }
        let other = DinoConfig::vits16()
            .with_rope_base(50.0)
            .with_norm_eps(1e-6);
        let back = read(&to_json(&other), &DinoConfig::vits16()).unwrap();
        assert_eq!(back.unwrap(), other);
    }

    #[test]
    fn what_it_does_not_say_is_the_default_of_transformers() {
        let sizes = DinoConfig::vits16().with_n_registers(0);
        let json = r#"{"model_type": "dinov3_vit", "patch_size": [16, 16]}"#;
        assert_eq!(read(json, &sizes).unwrap().unwrap(), sizes);
        let json = r#"{"model_type": "dinov3_vit", "rope_parameters": {"rope_theta": 50}}"#;
        let base = sizes.clone().with_rope_base(50.0);
        assert_eq!(read(json, &sizes).unwrap().unwrap(), base);
    }

    #[test]
    fn contradictions_are_refused_and_named() {
        let sizes = DinoConfig::vits16();
        for (json, reason) in [
            (r#"{"model_type": "vit"}"#, "model_type is \"vit\""),
            (
                r#"{"use_gated_mlp": true, "hidden_act": "gelu"}"#,
                "hidden_act is \"gelu\"",
            ),
            (r#"{"query_bias": false}"#, "must both have a bias"),
            (r#"{"hidden_size": "many"}"#, "hidden_size is \"many\""),
            (
                r#"{"hidden_size": 384, "patch_size": [16, 8]}"#,
                "patch_size is [16,8]",
            ),
            (
                r#"{"hidden_size": 768, "num_register_tokens": 4}"#,
                "config.json and its tensors differ in hidden_size (768 and 384)",
            ),
        ] {
            let error = read(json, &sizes).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
    }

    #[test]
    fn a_file_of_that_name_about_something_else_is_no_error() {
        let json = r#"{"steps": 100, "batch_size": 4}"#;
        assert_eq!(read(json, &DinoConfig::vits16()).unwrap(), None);
    }
}
