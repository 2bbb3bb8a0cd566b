//! The two JSON files that the Hugging Face hub keeps beside weights.

use std::path::Path;

use serde::{Deserialize, Serialize};
use svg_store::read_if_there;

use crate::{DinoConfig, DinoError, FeedForwardKind, PixelStatistics};

/// `config.json` of a `dinov3_vit` model. Defaults are those of transformers' `DINOv3ViTConfig`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(default = "HubConfig::unsaid")]
pub(crate) struct HubConfig {
    model_type: Option<String>,
    architectures: Vec<String>,
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

/// Keys of which a `config.json` about a model has one at least.
const OF_A_MODEL: [&str; 6] = [
    "model_type",
    "architectures",
    "hidden_size",
    "hidden_act",
    "use_gated_mlp",
    "query_bias",
];

impl HubConfig {
    /// Reads the file; `None` if it does not exist, or is somebody else's file of that name.
    pub(crate) fn read(path: &Path) -> Result<Option<DinoConfig>, DinoError> {
        let said = read_json::<serde_json::Value>(path)?.unwrap_or_default();
        if OF_A_MODEL.iter().all(|name| said.get(name).is_none()) {
            return Ok(None);
        }
        let Some(config) = read_json::<Self>(path)? else {
            return Ok(None);
        };
        let refuse = |reason: String| {
            Err(DinoError::Config {
                path: path.to_path_buf(),
                reason,
            })
        };
        if let Some(kind) = &config.model_type
            && kind != "dinov3_vit"
        {
            return refuse(format!("model_type is {kind:?}, not \"dinov3_vit\""));
        }
        let expected = if config.use_gated_mlp { "silu" } else { "gelu" };
        if config.hidden_act != expected {
            let act = &config.hidden_act;
            return refuse(format!(
                "hidden_act is {act:?}; DINOv3 has {expected:?} there"
            ));
        }
        if config.query_bias != config.value_bias || config.key_bias {
            return refuse("queries and values must both have a bias or not, keys never".into());
        }
        let feed_forward = match config.use_gated_mlp {
            true => FeedForwardKind::SwiGlu,
            false => FeedForwardKind::Mlp,
        };
        Ok(Some(
            DinoConfig::new(
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
            .with_norm_eps(config.layer_norm_eps),
        ))
    }

    /// The `config.json` that transformers needs to load exported weights.
    pub(crate) fn to_json(config: &DinoConfig) -> String {
        serde_json::to_string_pretty(&Self::of(config)).expect("plain fields always serialise")
    }

    /// What a file means that says nothing.
    fn unsaid() -> Self {
        Self {
            model_type: None,
            architectures: Vec::new(),
            ..Self::of(&DinoConfig::vits16().with_n_registers(0))
        }
    }

    fn of(config: &DinoConfig) -> Self {
        let gated = config.feed_forward == FeedForwardKind::SwiGlu;
        Self {
            model_type: Some("dinov3_vit".to_string()),
            architectures: vec!["DINOv3ViTModel".to_string()],
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

/// `preprocessor_config.json`: the only place where a satellite model says its pixel statistics.
#[derive(Serialize, Deserialize)]
struct Preprocessor {
    image_mean: [f64; 3],
    image_std: [f64; 3],
}

/// Reads the file; `None` if it does not exist or says nothing of statistics.
pub(crate) fn pixel_statistics(path: &Path) -> Result<Option<PixelStatistics>, DinoError> {
    let value = read_json::<serde_json::Value>(path)?;
    let preprocessor = value.and_then(|v| serde_json::from_value::<Preprocessor>(v).ok());
    Ok(preprocessor.map(|p| PixelStatistics {
        mean: p.image_mean,
        std: p.image_std,
    }))
}

/// The part of `preprocessor_config.json` that this crate reads.
pub(crate) fn pixel_statistics_json(statistics: PixelStatistics) -> String {
    let preprocessor = Preprocessor {
        image_mean: statistics.mean,
        image_std: statistics.std,
    };
    serde_json::to_string_pretty(&preprocessor).expect("plain fields always serialise")
}

fn read_json<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<Option<T>, DinoError> {
    let error = |reason: String| DinoError::Config {
        path: path.to_path_buf(),
        reason,
    };
    let text = read_if_there(path).map_err(|cause| error(format!("cannot be read: {cause}")))?;
    let Some(text) = text else {
        return Ok(None);
    };
    let value = serde_json::from_str(&text)
        .map_err(|cause| error(format!("is not the JSON expected: {cause}")))?;
    Ok(Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Option<DinoConfig>, DinoError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        std::fs::write(&path, json).unwrap();
        HubConfig::read(&path)
    }

    #[test]
    fn every_preset_survives_its_json() {
        for name in DinoConfig::preset_names() {
            let config = DinoConfig::preset(name).unwrap();
            let back = read(&HubConfig::to_json(&config)).unwrap().unwrap();
            let expected = config.with_pixels(PixelStatistics::IMAGENET);
            assert_eq!(back, expected, "{name}");
        }
    }

    #[test]
    fn contradictions_are_refused() {
        for json in [
            r#"{"model_type": "vit"}"#,
            r#"{"use_gated_mlp": true, "hidden_act": "gelu"}"#,
            r#"{"query_bias": false}"#,
            r#"{"hidden_size": "many"}"#,
            "not json",
        ] {
            assert!(read(json).is_err(), "{json} was accepted");
        }
    }

    #[test]
    fn a_file_of_that_name_about_something_else_is_no_error() {
        assert_eq!(read(r#"{"steps": 100, "batch_size": 4}"#).unwrap(), None);
    }

    #[test]
    fn an_absent_file_is_no_error() {
        assert!(
            HubConfig::read(Path::new("/nowhere/config.json"))
                .unwrap()
                .is_none()
        );
    }
}
