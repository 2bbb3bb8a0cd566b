//! What a JSON document is.

use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use serde_json::{Map, Value};
use svg_store::{listed, plain_json};
use svg_train::autoencoder::AutoencoderTraining;
use svg_train::flow::FlowTraining;
use svg_train::pretrain::Pretraining;
use svg_train::run::Training;

use super::{Look, folder, weights};

/// Whether a file begins as a JSON object.
pub fn is_document(start: &[u8]) -> bool {
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
    start.trim_ascii_start().starts_with(b"{")
}

/// Says what a document is. One that describes a folder stands for the folder.
pub fn describe(path: &Path, look: &mut Look) -> Result<()> {
    let text = svg_store::read_text(path).with_context(|| path.display().to_string())?;
    let fields: Map<String, Value> = plain_json(&text).map_err(|reason| anyhow!(reason))?;
    let has = |names: &[&str]| names.iter().all(|name| fields.contains_key(*name));
    let beside = path.parent().filter(|folder| *folder != Path::new(""));
    let beside = beside.unwrap_or(Path::new("."));
    if has(&["weight_map"]) {
        return weights::describe(path, look);
    }
    let is_manifest = has(&["format", "parts"]) || has(&["format", "encoder", "autoencoder"]);
    if is_manifest || has(&["plan", "shards"]) || has(&["state", "files"]) {
        return folder::describe(beside, look);
    }
    if has(&["what", "tensors", "done"]) {
        let (done, items) = (&fields["done"], &fields["items"]);
        look.row(
            "holds",
            format!("how far an unfinished file is: {done} of {items} pictures"),
        )?;
        for (name, value) in fields["what"].as_object().into_iter().flatten() {
            look.row(name, value.as_str().unwrap_or_default())?;
        }
        return look.row(
            "problems",
            "none; the command that began it goes on with it",
        );
    }
    if has(&["model_type"]) || has(&["image_mean"]) || has(&["pretrained_cfg"]) {
        look.row(
            "holds",
            "a configuration beside weights; it is read with them",
        )?;
        let named: Vec<_> = fields.keys().collect();
        look.row("fields", listed(&named))?;
        return look.row("problems", "none looked for; name the weights beside it");
    }
    configuration(path, look)?;
    look.row("problems", "none")
}

/// Says which training a document configures.
pub fn configuration(path: &Path, look: &mut Look) -> Result<()> {
    let text = svg_store::read_text(path).with_context(|| path.display().to_string())?;
    let fields: Map<String, Value> = plain_json(&text).map_err(|reason| anyhow!(reason))?;
    let network = |name: &str| fields.get(name).is_some_and(Value::is_object);
    if network("sit") {
        return training::<FlowTraining>("svg train flow", &text, look);
    }
    if network("autoencoder") {
        return training::<AutoencoderTraining>("svg train autoencoder", &text, look);
    }
    if network("dino") {
        return training::<Pretraining>("svg pretrain", &text, look);
    }
    let named: Vec<_> = fields.keys().collect();
    bail!(
        "it is JSON with the fields {}, which no file of this program has; configurations of trainings have a \
         field sit, autoencoder or dino",
        listed(&named)
    );
}

fn training<T: Training>(command: &str, text: &str, look: &mut Look) -> Result<()> {
    let training = T::from_json(text).map_err(|reason| anyhow!(reason))?;
    let pace = training.pace();
    look.row("holds", format!("a configuration of `{command}`"))?;
    look.row("steps", pace.steps)?;
    look.row("batch", format!("{} images", training.images_per_step()))
}
