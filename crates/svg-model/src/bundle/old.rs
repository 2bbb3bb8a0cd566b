//! Manifests of formats 1 and 2, read as parts.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use svg_nn::{CHANNELS, PATCH};
use svg_roles::VelocitySpec;
use svg_store::{checked_json, first, outside};

use super::latents::belongs_to;
use super::manifest::Manifest;
use super::part::{ENCODER, FLOW, FileEntry, LATENTS, NewFile, Part, Provenance, SPACE};
use crate::{AutoencoderConfig, kinds};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Old {
    format: u32,
    encoder: Encoder,
    autoencoder: Value,
    provenance: Provenance,
    #[serde(default)]
    flow: Option<Flow>,
    files: BTreeMap<String, FileEntry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Encoder {
    name: String,
    config: Value,
    fingerprint: String,
    path: PathBuf,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Flow {
    config: Value,
    classes: Vec<String>,
    features: String,
    statistics: Option<String>,
    provenance: Provenance,
}

/// The parts that an old manifest describes, or what is missing or not known. The space has no fingerprint yet:
/// old manifests do not store it.
pub(super) fn read(text: &str) -> Result<Manifest, String> {
    let old: Old = svg_store::plain_json(text)?;
    let of = |stems: &[&str]| -> BTreeMap<String, FileEntry> {
        let mine = |name: &str| stems.iter().any(|stem| NewFile::replaces(stem, name));
        let files = old.files.clone().into_iter();
        files.filter(|(name, _)| mine(name)).collect()
    };
    let config: AutoencoderConfig = checked_json(&old.autoencoder.to_string())?;
    let of_encoder = |name: &str| number(&old.encoder.config, "encoder", name);
    let (channels, patch) = (of_encoder("d_model")?, of_encoder("patch_size")?);
    let problem = first([
        outside("encoder.config.d_model", channels, CHANNELS),
        outside("encoder.config.patch_size", patch, PATCH),
    ]);
    problem.map_or(Ok(()), Err)?;
    let geometry = config.geometry(channels, patch);
    let encoder = Part {
        kind: kinds::DINOV3.to_string(),
        name: old.encoder.name,
        config: old.encoder.config,
        fingerprint: Some(old.encoder.fingerprint),
        weights: Some(old.encoder.path),
        files: of(&["encoder"]),
        ..Part::default()
    };
    let space = Part {
        kind: kinds::SVG.to_string(),
        config: old.autoencoder,
        geometry: Some(geometry),
        provenance: old.provenance,
        files: of(&["autoencoder", "statistics", "training"]),
        ..Part::default()
    };
    let mut parts = BTreeMap::from([(ENCODER, encoder), (SPACE, space)]);
    let latents = Part {
        kind: kinds::CHANNELS.to_string(),
        files: of(&["latents"]),
        ..Part::default()
    };
    if !latents.files.is_empty() {
        parts.insert(LATENTS, latents);
    }
    if let Some(flow) = old.flow {
        let of_flow = |name: &str| number(&flow.config, "flow", name);
        let velocity = VelocitySpec {
            grid: [of_flow("rows")?, of_flow("columns")?],
            channels: of_flow("in_channels")?,
            classes: of_flow("n_classes")?,
        };
        let flow = Part {
            kind: kinds::SIT.to_string(),
            config: flow.config,
            velocity: Some(velocity),
            belongs_to: belongs_to(flow.features, flow.statistics),
            classes: flow.classes,
            provenance: flow.provenance,
            files: of(&["flow"]),
            ..Part::default()
        };
        parts.insert(FLOW, flow);
    }
    let known: usize = parts.values().map(|part| part.files.len()).sum();
    if known != old.files.len() {
        return Err("it lists files that no part of this format has".to_string());
    }
    let parts = parts.into_iter();
    Ok(Manifest {
        format: old.format,
        parts: parts.map(|(name, part)| (name.to_string(), part)).collect(),
    })
}

fn number(config: &Value, part: &str, name: &str) -> Result<usize, String> {
    let value = config.get(name).and_then(Value::as_u64);
    let value = value.and_then(|value| usize::try_from(value).ok());
    value.ok_or_else(|| format!("{part}.config.{name} is missing"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use svg_store::extremes;

    /// A manifest of format 2 with every part.
    fn manifest() -> Value {
        let provenance = Provenance {
            steps: Some(5),
            ..Provenance::default()
        };
        json!({
            "format": 2,
            "encoder": {
                "name": "an encoder",
                "config": {"d_model": 384, "patch_size": 16},
                "fingerprint": "1",
                "path": "encoder.safetensors",
            },
            "autoencoder": AutoencoderConfig::svg(),
            "provenance": provenance,
            "flow": {
                "config": {"rows": 16, "columns": 16, "in_channels": 392, "n_classes": 2},
                "classes": ["dark", "light"],
                "features": "2",
                "statistics": null,
                "provenance": provenance,
            },
            "files": {"encoder.safetensors": {"bytes": 7, "sha256": "3"}},
        })
    }

    #[test]
    fn every_number_of_an_old_manifest_is_used_or_refused() {
        read(&manifest().to_string()).unwrap();
        for (what, changed) in extremes(&manifest()) {
            let read = std::panic::catch_unwind(|| read(&changed.to_string()).is_ok());
            assert!(read.is_ok(), "{what} panicked");
        }
    }

    #[test]
    fn patches_without_pixels_are_refused() {
        let mut changed = manifest();
        changed["encoder"]["config"]["patch_size"] = json!(0);
        let error = read(&changed.to_string()).unwrap_err();
        assert!(
            error.starts_with("encoder.config.patch_size is 0; it must"),
            "{error}"
        );
    }
}
