//! Any public layout to the names of the network.

use std::collections::BTreeMap;

use burn::store::bridge;
use burn::tensor::TensorData;
use svg_nn::{ChoiceError, Mismatch, Network, Networks, StoredTensor};

use crate::layout::{Layout, Role};
use crate::{naflex, rows};

/// The tensors of a file under the network's own names.
#[derive(Debug)]
pub(crate) struct Imported {
    /// Which layout the file had.
    pub layout: Layout,
    /// What stands before the names of the encoder in the file.
    pub key: String,
    /// Parameters by path, fused, with the bias of the keys zero.
    pub tensors: BTreeMap<String, StoredTensor>,
    /// The stored RoPE periods, if the layout stores them.
    pub periods: Option<Vec<f32>>,
    /// What was left out on purpose, with the reason.
    pub dropped: Vec<(String, String)>,
    /// What the user should know: repaired masks and the like.
    pub notes: Vec<String>,
}

impl Imported {
    /// Nothing yet.
    pub fn none(layout: Layout) -> Self {
        Self {
            layout,
            key: String::new(),
            tensors: BTreeMap::new(),
            periods: None,
            dropped: Vec::new(),
            notes: Vec::new(),
        }
    }
}

/// The encoders among the tensors of a file.
pub(crate) fn networks(tensors: Vec<StoredTensor>) -> Networks {
    let landmarks = Layout::ALL.into_iter().flat_map(Layout::tokens);
    Networks::of(tensors, &landmarks.copied().collect::<Vec<_>>())
}

/// The encoder under `key`, or that of averaged weights, or the only one.
pub(crate) fn import(
    tensors: Vec<StoredTensor>,
    key: Option<&str>,
    source: &str,
) -> Result<Result<Imported, Mismatch>, ChoiceError> {
    let (tensors, is_naflex) = naflex::unpacked(tensors);
    let network = networks(tensors).choose(key)?;
    let has = |layout: &Layout| layout.tokens().contains(&network.landmark.as_str());
    let layout = Layout::ALL.into_iter().find(has);
    let layout = layout.expect("landmarks are those of layouts");
    let mut renamed = renamed(network, layout, source);
    if is_naflex && let Ok(imported) = &mut renamed {
        let note = "a NaFlex model of timm; its patch projection is read as a convolution";
        imported.notes.push(note.to_string());
    }
    Ok(renamed)
}

/// The tensors of a network under our names.
fn renamed(network: Network, layout: Layout, source: &str) -> Result<Imported, Mismatch> {
    let named = network.tensors;
    let gates = [".mlp.w1.", ".mlp.gate_proj.", ".mlp.fc1_g."];
    let is_gate = |name: &str| gates.iter().any(|gate| name.contains(gate));
    let gated = named.iter().any(|(name, _)| is_gate(name));

    let mut mismatch = Mismatch::none(source);
    let mut out = Imported::none(layout);
    out.key = network.key;
    out.notes.extend(network.notes);
    let outside = network.left.into_iter().map(|tensor| tensor.name);
    let reason = "outside the encoder";
    out.dropped
        .extend(outside.map(|name| (name, reason.to_string())));
    let mut thirds: BTreeMap<String, [Option<StoredTensor>; 3]> = BTreeMap::new();
    let mut masks = BTreeMap::new();
    for (name, tensor) in named {
        let original = tensor.name.clone();
        // In the memory of recent transformers, and so in files of torch.save, layers are a level deeper.
        let name = match layout {
            Layout::HuggingFace => name.strip_prefix("model.").unwrap_or(&name),
            _ => &name,
        };
        match layout.role(name, gated) {
            // A network without registers may store that it has none.
            Role::Parameter(path)
                if path == "register_tokens" && tensor.shape.num_elements() == 0 => {}
            Role::Parameter(path) => {
                out.tensors.insert(path.clone(), parameter(tensor, path));
            }
            Role::Third(path, third) => thirds.entry(path).or_default()[third] = Some(tensor),
            Role::BiasMask(path) => {
                masks.insert(path, tensor);
            }
            Role::Periods => match bridge::into_data(tensor) {
                Ok(data) => out.periods = data.convert::<f32>().try_to_vec().ok(),
                Err(error) => mismatch.unusable.push(format!("{original}: {error}")),
            },
            Role::Unneeded(reason) => out.dropped.push((original, reason.to_string())),
            Role::Unknown => mismatch.unexpected.push(original),
        }
    }
    for (path, parts) in thirds {
        match fuse(parts, &path) {
            Ok(tensor) => {
                out.tensors.insert(path, tensor);
            }
            Err(reason) => mismatch.unusable.push(format!("{path}: {reason}")),
        }
    }
    for (path, mask) in masks {
        let Some(bias) = out.tensors.remove(&path) else {
            mismatch.missing.push(path);
            continue;
        };
        match masked(&bias, &mask, &mut out.notes) {
            Ok(bias) => {
                out.tensors.insert(path, bias);
            }
            Err(reason) => mismatch.unusable.push(format!("{path}: {reason}")),
        }
    }
    if layout == Layout::Timm
        && let Some(cls) = out.tensors.get("cls_token")
    {
        // timm drops it: nothing is masked at inference.
        let mask_token = rows::zeros_like(cls, "mask_token".to_string());
        out.tensors.insert("mask_token".to_string(), mask_token);
    }
    mismatch.unless(out)
}

/// Official files store the mask token as `[1, d]`.
fn parameter(tensor: StoredTensor, path: String) -> StoredTensor {
    let shape = match (path.as_str(), tensor.shape.as_slice()) {
        ("mask_token", &[one, width]) => vec![one, 1, width],
        (_, shape) => shape.to_vec(),
    };
    rows::renamed(tensor, path, shape)
}

/// Queries, keys and values in one tensor. Keys have no bias in any layout, which is a bias of zero.
fn fuse(parts: [Option<StoredTensor>; 3], path: &str) -> Result<StoredTensor, String> {
    let [Some(q), k, Some(v)] = parts else {
        return Err("queries or values are missing".to_string());
    };
    let k = match k {
        Some(k) => k,
        None if path.ends_with(".bias") => rows::zeros_like(&q, String::new()),
        None => return Err("keys are missing".to_string()),
    };
    let kinds = [&q, &k, &v].map(|t| (t.dtype, t.shape.to_vec()));
    if kinds[0] != kinds[1] || kinds[0] != kinds[2] || kinds[0].1.is_empty() {
        return Err(format!("queries, keys and values differ: {kinds:?}"));
    }
    Ok(rows::stack([q, k, v], path.to_string()))
}

/// The bias that the official code would use: multiplied by its mask, whose third of keys is zero.
///
/// Models constructed before September 2025 kept masks of NaN; those stand for 1, 0, 1.
fn masked(
    bias: &StoredTensor,
    mask: &StoredTensor,
    notes: &mut Vec<String>,
) -> Result<StoredTensor, String> {
    let read = |tensor: &StoredTensor| -> Result<Vec<f32>, String> {
        let data = bridge::to_data(tensor).map_err(|error| error.to_string())?;
        data.convert::<f32>()
            .try_to_vec()
            .map_err(|error| format!("{error:?}"))
    };
    let mut factors = read(mask)?;
    if mask.shape != bias.shape || !factors.len().is_multiple_of(3) {
        return Err(format!(
            "the bias has shape {:?}, its mask {:?}",
            bias.shape, mask.shape
        ));
    }
    let (name, usual) = (bias.name.clone(), rows::key_mask(factors.len() / 3));
    if factors.iter().any(|factor| factor.is_nan()) {
        notes.push(format!("{} holds NaN; used 1, 0, 1 instead", mask.name));
        factors.clone_from(&usual);
    }
    if factors == usual {
        let [q, k, v] = [0, 1, 2].map(|i| rows::third(bias, String::new(), i));
        let zero = rows::zeros_like(&k, String::new());
        return Ok(rows::stack([q, zero, v], name));
    }
    // Another mask: do the product. 0 * NaN is NaN, so a zero wins by itself.
    let pairs = read(bias)?.into_iter().zip(&factors);
    let product = pairs.map(|(b, f)| if *f == 0.0 { 0.0 } else { b * f });
    let data = TensorData::new(product.collect::<Vec<f32>>(), bias.shape.clone());
    Ok(bridge::from_data(data, name, None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_encoder_is_found_inside_larger_files() {
        let key = |names: &[&str]| {
            let zero = TensorData::from([0.0f32]);
            let tensor = |name: &&str| bridge::from_data(zero.clone(), name.to_string(), None);
            let found = networks(names.iter().map(tensor).collect()).choose(None);
            found.map(|network| network.key)
        };
        let found = |names| key(names).unwrap();
        assert_eq!(found(&["storage_tokens"]), "");
        let inside = [
            "state_dict.decoder.conv_in.weight",
            "state_dict.encoder.storage_tokens",
        ];
        assert_eq!(found(&inside), "state_dict.encoder");
        let two = [
            "student.backbone.storage_tokens",
            "teacher.backbone.storage_tokens",
        ];
        assert_eq!(found(&two), "teacher.backbone");
        key(&["conv1.weight", "my_storage_tokens"]).unwrap_err();
        // Without registers.
        let periods = ["teacher.backbone.rope_embed.periods"];
        assert_eq!(found(&periods), "teacher.backbone");
    }
}
