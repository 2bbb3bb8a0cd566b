//! Manifests of formats 1 and 2, read as parts.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use svg_roles::VelocitySpec;

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

/// The parts that an old manifest describes. The space has no fingerprint yet: old manifests do not store it.
///
/// # Errors
///
/// In words, what is missing or not known.
pub(super) fn read(text: &str) -> Result<Manifest, String> {
    let old: Old = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let Old {
        format,
        encoder,
        autoencoder,
        provenance,
        flow,
        files,
    } = old;
    let of = |stems: &[&str]| -> BTreeMap<String, FileEntry> {
        let mine = |name: &str| stems.iter().any(|stem| NewFile::replaces(stem, name));
        let mine = files.iter().filter(|(name, _)| mine(name));
        mine.map(|(name, entry)| (name.clone(), entry.clone()))
            .collect()
    };
    let config: AutoencoderConfig = svg_store::strict_json(&autoencoder.to_string())?;
    let of_encoder = |name: &str| number(&encoder.config, "encoder", name);
    let geometry = config.geometry(of_encoder("d_model")?, of_encoder("patch_size")?);
    let mut parts = BTreeMap::new();
    parts.insert(
        ENCODER.to_string(),
        Part {
            kind: kinds::DINOV3.to_string(),
            name: encoder.name,
            config: encoder.config,
            fingerprint: Some(encoder.fingerprint),
            weights: Some(encoder.path),
            files: of(&["encoder"]),
            ..Part::default()
        },
    );
    parts.insert(
        SPACE.to_string(),
        Part {
            kind: kinds::SVG.to_string(),
            config: autoencoder,
            geometry: Some(geometry),
            provenance,
            files: of(&["autoencoder", "statistics", "training"]),
            ..Part::default()
        },
    );
    let latents = of(&["latents"]);
    if !latents.is_empty() {
        let part = Part {
            kind: kinds::CHANNELS.to_string(),
            files: latents,
            ..Part::default()
        };
        parts.insert(LATENTS.to_string(), part);
    }
    if let Some(flow) = flow {
        let of_flow = |name: &str| number(&flow.config, "flow", name);
        let velocity = VelocitySpec {
            grid: [of_flow("rows")?, of_flow("columns")?],
            channels: of_flow("in_channels")?,
            classes: of_flow("n_classes")?,
        };
        let features = ("features".to_string(), flow.features);
        let statistics = flow.statistics.map(|hash| ("statistics".to_string(), hash));
        let part = Part {
            kind: kinds::SIT.to_string(),
            config: flow.config,
            velocity: Some(velocity),
            belongs_to: [features].into_iter().chain(statistics).collect(),
            classes: flow.classes,
            provenance: flow.provenance,
            files: of(&["flow"]),
            ..Part::default()
        };
        parts.insert(FLOW.to_string(), part);
    }
    let known: usize = parts.values().map(|part: &Part| part.files.len()).sum();
    match known == files.len() {
        true => Ok(Manifest { format, parts }),
        false => Err("it lists files that no part of this format has".to_string()),
    }
}

fn number(config: &Value, part: &str, name: &str) -> Result<usize, String> {
    let value = config.get(name).and_then(Value::as_u64);
    let value = value.and_then(|value| usize::try_from(value).ok());
    value.ok_or_else(|| format!("{part}.config.{name} is missing"))
}
