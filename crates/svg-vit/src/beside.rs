//! What stands beside the weights: `config.json` of transformers or timm, `preprocessor_config.json`.

use std::path::Path;

use serde_json::Value;
use svg_roles::PixelStatistics;
use svg_roles::pixels::{of_preprocessor, statistics};
use svg_store::read_if_there;

use crate::{Family, Gelu, Positions, VitConfig, VitError};

const CONFIG: &str = "config.json";
const PREPROCESSOR: &str = "preprocessor_config.json";

/// What documents say of a model; `None` where they say nothing.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Said {
    pub family: Option<Family>,
    pub n_heads: Option<usize>,
    pub gelu: Option<Gelu>,
    pub norm_eps: Option<f64>,
    pub pixels: Option<PixelStatistics>,
    /// Our name of a size that tensors show, the document's name, and the value.
    pub sizes: Vec<(&'static str, &'static str, usize)>,
}

impl Said {
    /// Reads both documents where they are.
    pub fn beside(weights: &Path) -> Result<Self, VitError> {
        let path = weights.with_file_name(CONFIG);
        let mut said = match read_json(&path)? {
            Some(document) => Self::of(&document).map_err(|reason| wrong(&path, reason))?,
            None => Self::default(),
        };
        let path = weights.with_file_name(PREPROCESSOR);
        if let Some(document) = read_json(&path)? {
            let pixels = of_preprocessor(&document).map_err(|reason| wrong(&path, reason))?;
            said.pixels = pixels.or(said.pixels);
        }
        Ok(said)
    }

    /// What a `config.json` says: nothing, if it is another program's.
    fn of(document: &Value) -> Result<Self, String> {
        match document.get("architecture").and_then(Value::as_str) {
            Some(architecture) => Self::of_timm(architecture, document),
            None => Self::of_transformers(document),
        }
    }

    fn of_transformers(document: &Value) -> Result<Self, String> {
        let Some(kind) = document.get("model_type").and_then(Value::as_str) else {
            return Ok(Self::default());
        };
        let family = match kind {
            "dinov2" | "dinov2_with_registers" => Family::Dinov2,
            "vit_mae" => Family::Mae,
            "siglip" | "siglip_vision_model" | "siglip2" | "siglip2_vision_model" => Family::Siglip,
            "clip" | "clip_vision_model" => Family::Clip,
            _ => {
                return Err(format!(
                    "model_type is {kind:?}, which is no DINOv2, MAE, SigLIP or CLIP; if the file is about something \
                     else, keep the weights in a folder of their own"
                ));
            }
        };
        // Whole models have one for each tower.
        let of_tower = document.get("vision_config").unwrap_or(document);
        let count = |name: &str| -> Result<Option<usize>, String> {
            let value = of_tower.get(name).filter(|value| !value.is_null());
            let number =
                value.map(|value| value.as_u64().ok_or_else(|| format!("{name} is {value}")));
            Ok(number.transpose()?.map(|number| number as usize))
        };
        let gelu = match of_tower.get("hidden_act").and_then(Value::as_str) {
            Some("gelu") => Some(Gelu::Exact),
            Some("gelu_pytorch_tanh" | "gelu_new") => Some(Gelu::Tanh),
            Some("quick_gelu") => Some(Gelu::Quick),
            Some(other) => return Err(format!("hidden_act is {other:?}, which is not known here")),
            // Files say what differs from the defaults of transformers.
            None => match family {
                Family::Dinov2 | Family::Mae => Some(Gelu::Exact),
                Family::Siglip => Some(Gelu::Tanh),
                Family::Clip => Some(Gelu::Quick),
            },
        };
        let default_eps = match family {
            Family::Mae => 1e-12,
            Family::Clip => 1e-5,
            _ => 1e-6,
        };
        let eps = of_tower.get("layer_norm_eps").and_then(Value::as_f64);
        if of_tower.get("qkv_bias").and_then(Value::as_bool) == Some(false) {
            return Err("qkv_bias is false; the networks here have biases".to_string());
        }
        let mut sizes = Vec::new();
        for (ours, theirs) in [
            ("d_model", "hidden_size"),
            ("n_layers", "num_hidden_layers"),
            ("d_ff", "intermediate_size"),
            ("patch_size", "patch_size"),
            ("n_registers", "num_register_tokens"),
        ] {
            if let Some(value) = count(theirs)? {
                sizes.push((ours, theirs, value));
            }
        }
        // Whole models may leave out what is default, among it the number of heads of the base size.
        let heads = count("num_attention_heads")?;
        Ok(Self {
            family: Some(family),
            n_heads: heads,
            gelu,
            norm_eps: Some(eps.unwrap_or(default_eps)),
            pixels: None,
            sizes,
        })
    }

    fn of_timm(architecture: &str, document: &Value) -> Result<Self, String> {
        let family = [
            ("dinov2", Family::Dinov2),
            ("siglip", Family::Siglip),
            ("clip", Family::Clip),
        ];
        let known = family.iter().find(|(part, _)| architecture.contains(part));
        let is_plain = architecture.starts_with("vit_") && !architecture.contains("dinov3");
        if known.is_none() && !is_plain {
            return Err(format!(
                "architecture is {architecture:?}, which is no DINOv2, MAE, SigLIP or CLIP; if the file is about \
                 something else, keep the weights in a folder of their own"
            ));
        }
        let family = known.map_or(Family::Mae, |(_, family)| *family);
        let tanh = ["so400m", "giantopt"]
            .iter()
            .any(|size| architecture.contains(size));
        let gelu = match family {
            Family::Clip if architecture.contains("quickgelu") => Gelu::Quick,
            Family::Siglip if tanh => Gelu::Tanh,
            _ => Gelu::Exact,
        };
        let arguments = document.get("model_args");
        let argument = |name: &str| arguments.and_then(|all| all.get(name));
        let gelu = match argument("act_layer").and_then(Value::as_str) {
            Some("quick_gelu") => Gelu::Quick,
            Some("gelu_tanh") => Gelu::Tanh,
            Some("gelu") => Gelu::Exact,
            _ => gelu,
        };
        let inputs = document.get("pretrained_cfg").unwrap_or(document);
        Ok(Self {
            family: Some(family),
            n_heads: argument("num_heads")
                .and_then(Value::as_u64)
                .map(|n| n as usize),
            gelu: Some(gelu),
            norm_eps: None,
            pixels: statistics(inputs, "mean", "std")?,
            sizes: Vec::new(),
        })
    }

    /// In what a document and the tensors differ, in words.
    pub fn contradiction(&self, shown: &VitConfig) -> Option<String> {
        if let Some(family) = self.family
            && family != shown.family
        {
            let (said, is) = (family.name(), shown.family.name());
            return Some(format!(
                "{CONFIG} is about a {said}, and the tensors are those of a {is}"
            ));
        }
        let json = serde_json::to_value(shown).expect("plain fields always serialise");
        let differing = self.sizes.iter().filter_map(|(ours, theirs, value)| {
            let is = json[ours].as_u64()? as usize;
            (is != *value).then(|| format!("{theirs} ({value} and {is})"))
        });
        let differing: Vec<_> = differing.collect();
        (!differing.is_empty()).then(|| {
            format!(
                "{CONFIG} and its tensors differ in {}",
                differing.join(", ")
            )
        })
    }
}

/// The `config.json` that transformers needs to load exported weights.
pub(crate) fn to_transformers(config: &VitConfig) -> String {
    let (kind, class) = match (config.family, config.n_registers) {
        (Family::Dinov2, 0) => ("dinov2", "Dinov2Model"),
        (Family::Dinov2, _) => ("dinov2_with_registers", "Dinov2WithRegistersModel"),
        (Family::Mae, _) => ("vit_mae", "ViTMAEModel"),
        (Family::Siglip, _) if config.positions == Positions::LinearAntialiased => {
            ("siglip2_vision_model", "Siglip2VisionModel")
        }
        (Family::Siglip, _) => ("siglip_vision_model", "SiglipVisionModel"),
        (Family::Clip, _) => ("clip_vision_model", "CLIPVisionModel"),
    };
    let mut document = serde_json::json!({
        "model_type": kind,
        "architectures": [class],
        "hidden_size": config.d_model,
        "num_hidden_layers": config.n_layers,
        "num_attention_heads": config.n_heads,
        "patch_size": config.patch_size,
        "layer_norm_eps": config.norm_eps,
        "hidden_act": match config.gelu {
            Gelu::Exact => "gelu",
            Gelu::Tanh => "gelu_pytorch_tanh",
            Gelu::Quick => "quick_gelu",
        },
    });
    if kind == "siglip2_vision_model" {
        document["num_patches"] = (config.table * config.table).into();
    } else {
        document["image_size"] = (config.table * config.patch_size).into();
    }
    match config.family {
        Family::Dinov2 => {
            // Gated layers have their width from the channels: two thirds of four times those, in multiples of eight.
            let ratio = if config.gated {
                4
            } else {
                config.d_ff / config.d_model
            };
            document["mlp_ratio"] = ratio.into();
            document["use_swiglu_ffn"] = config.gated.into();
            if config.n_registers > 0 {
                document["num_register_tokens"] = config.n_registers.into();
            }
        }
        Family::Siglip => {
            document["intermediate_size"] = config.d_ff.into();
            document["vision_use_head"] = config.pooled.into();
        }
        _ => document["intermediate_size"] = config.d_ff.into(),
    }
    serde_json::to_string_pretty(&document).expect("plain fields always serialise")
}

/// `preprocessor_config.json`, the part of it that is read here.
pub(crate) fn to_preprocessor(pixels: PixelStatistics) -> String {
    let document = serde_json::json!({"image_mean": pixels.mean, "image_std": pixels.std});
    serde_json::to_string_pretty(&document).expect("plain fields always serialise")
}

fn wrong(path: &Path, reason: String) -> VitError {
    VitError::Config {
        path: path.to_path_buf(),
        reason,
    }
}

fn read_json(path: &Path) -> Result<Option<Value>, VitError> {
    let text = read_if_there(path);
    let text = text.map_err(|cause| wrong(path, format!("cannot be read: {cause}")))?;
    let Some(text) = text else {
        return Ok(None);
    };
    let value = serde_json::from_str(text.trim_start_matches('\u{feff}'));
    let value = value.map_err(|cause| wrong(path, format!("is not JSON: {cause}")))?;
    Ok(Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_exported_is_read_back() {
        for name in VitConfig::preset_names() {
            let config = VitConfig::preset(name).unwrap();
            let said = Said::of(&serde_json::from_str(&to_transformers(&config)).unwrap()).unwrap();
            assert_eq!(said.contradiction(&config), None, "{name}");
            assert_eq!(said.family, Some(config.family));
            assert_eq!(said.n_heads, Some(config.n_heads));
            assert_eq!(said.gelu, Some(config.gelu));
            assert_eq!(said.norm_eps, Some(config.norm_eps));
        }
    }

    #[test]
    fn what_a_document_leaves_out_is_the_default_of_transformers() {
        let said = Said::of(&json!({"model_type": "vit_mae"})).unwrap();
        assert_eq!(said.norm_eps, Some(1e-12));
        let whole = json!({"model_type": "clip", "vision_config": {"hidden_size": 64}});
        let said = Said::of(&whole).unwrap();
        assert_eq!((said.gelu, said.norm_eps), (Some(Gelu::Quick), Some(1e-5)));
    }

    #[test]
    fn timm_says_its_activation_by_the_name_of_the_architecture() {
        let gelu = |name: &str| Said::of(&json!({"architecture": name})).unwrap().gelu;
        assert_eq!(
            gelu("vit_base_patch16_clip_quickgelu_224"),
            Some(Gelu::Quick)
        );
        assert_eq!(gelu("vit_base_patch16_clip_224"), Some(Gelu::Exact));
        assert_eq!(gelu("vit_base_patch16_siglip_256"), Some(Gelu::Exact));
        assert_eq!(gelu("vit_so400m_patch16_siglip_256"), Some(Gelu::Tanh));
    }

    #[test]
    fn contradictions_and_other_models_are_named() {
        let base = VitConfig::preset("clip-vitb16").unwrap();
        let error = Said::of(&json!({"model_type": "vit"})).unwrap_err();
        assert!(error.contains("model_type is \"vit\""), "{error}");
        let error = Said::of(&json!({"architecture": "resnet50"})).unwrap_err();
        assert!(error.contains("resnet50"), "{error}");
        let said = Said::of(&json!({"model_type": "dinov2"})).unwrap();
        let error = said.contradiction(&base).unwrap();
        assert!(error.contains("about a DINOv2"), "{error}");
        let said = json!({"model_type": "clip_vision_model", "hidden_size": 1024});
        let error = Said::of(&said).unwrap().contradiction(&base).unwrap();
        assert!(error.contains("hidden_size (1024 and 768)"), "{error}");
    }
}
