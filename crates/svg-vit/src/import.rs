//! Any public layout to the names of the network.

use std::collections::BTreeMap;

use svg_nn::{ChoiceError, LoadError, Mismatch, Network, Networks, StoredTensor, TensorFile, rows};

use crate::layout::{LANDMARKS, Layout, Role, recognise};
use crate::naflex;
use crate::{Family, VitError};

/// What is known of a mask token: DINOv2's files have one, and no token of a whole image depends on it.
pub(crate) const MASK_TOKEN: &str = "mask_token";

/// The tensors of a file under the network's own names.
#[derive(Debug)]
pub(crate) struct Imported {
    /// Which family it is of.
    pub family: Family,
    /// Which layout the file had.
    pub layout: Layout,
    /// What stands before the names of the encoder in the file.
    pub key: String,
    /// Parameters by path, with the axes and fused as in the network.
    pub tensors: BTreeMap<String, StoredTensor>,
    /// A mask token, which is kept for writing the file again.
    pub mask_token: Option<StoredTensor>,
    /// Whether the patches are projected by a linear layer, as in SigLIP 2 for any aspect ratio.
    pub is_naflex: bool,
    /// What was left out on purpose, with the reason.
    pub dropped: Vec<(String, String)>,
    /// What the user should know.
    pub notes: Vec<String>,
}

impl Imported {
    /// Nothing yet.
    pub fn none(family: Family, layout: Layout) -> Self {
        Self {
            family,
            layout,
            key: String::new(),
            tensors: BTreeMap::new(),
            mask_token: None,
            is_naflex: false,
            dropped: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Whether feed-forward layers are gated.
    pub fn is_gated(&self) -> bool {
        self.tensors.contains_key("blocks.0.mlp.w12.weight")
    }
}

/// The encoders among the tensors of a file.
pub(crate) fn networks(tensors: Vec<StoredTensor>) -> Networks {
    Networks::of(tensors, &LANDMARKS)
}

/// The encoder under `key`, or that of averaged weights, or the only one.
pub(crate) fn import(file: TensorFile, key: Option<&str>) -> Result<Imported, VitError> {
    let (path, notes) = (file.path().to_path_buf(), file.notes().to_vec());
    let names = file.tensors().iter().map(|tensor| tensor.name.as_str());
    let contents = svg_nn::contents(names);
    let not = |reason: &str| VitError::NotVit {
        path: path.clone(),
        reason: reason.to_string(),
        contents: contents.clone(),
    };
    let network = networks(file.into_tensors()).choose(key);
    let network = network.map_err(|reason| match reason {
        ChoiceError::Nothing { .. } => not("none of its tensors is one that these have"),
        reason => LoadError::Choice {
            path: path.clone(),
            reason,
        }
        .into(),
    })?;
    let has = |name: &str| network.tensors.iter().any(|(found, _)| found == name);
    let found = recognise(&has);
    let (family, layout) =
        found.ok_or_else(|| not("it has a table of positions and lacks blocks behind it"))?;
    let renamed = renamed(network, family, layout, &path.display().to_string());
    let mut imported = renamed.map_err(LoadError::from)?;
    imported.notes.splice(0..0, notes);
    Ok(imported)
}

/// The tensors of a network under our names.
fn renamed(
    network: Network,
    family: Family,
    layout: Layout,
    source: &str,
) -> Result<Imported, Mismatch> {
    let mut mismatch = Mismatch::none(source);
    let mut out = Imported::none(family, layout);
    let gated = is_gated(&network);
    out.key = network.key;
    out.notes.extend(network.notes);
    let outside = network.left.into_iter().map(|tensor| tensor.name);
    out.dropped
        .extend(outside.map(|name| (name, "outside the encoder".to_string())));
    let mut parts: BTreeMap<String, BTreeMap<usize, StoredTensor>> = BTreeMap::new();
    for (name, tensor) in network.tensors {
        let original = tensor.name.clone();
        let name = match layout {
            Layout::HuggingFace => as_written(family, &name),
            _ => name,
        };
        match layout.role(family, &name, gated) {
            Role::Parameter(path) => {
                let tensor = with_axes(tensor, path.clone());
                match path.as_str() {
                    MASK_TOKEN => out.mask_token = Some(tensor),
                    // A network without registers may store that it has none.
                    "register_tokens" if tensor.shape.num_elements() == 0 => {}
                    _ => {
                        out.tensors.insert(path, tensor);
                    }
                }
            }
            Role::Part(path, first) => {
                parts.entry(path).or_default().insert(first, tensor);
            }
            Role::Unneeded(reason) => out.dropped.push((original, reason.to_string())),
            Role::Unknown => mismatch.unexpected.push(original),
        }
    }
    for (path, parts) in parts {
        match fused(parts, &path) {
            Ok(tensor) => {
                out.tensors.insert(path, tensor);
            }
            Err(reason) => mismatch.unusable.push(format!("{path}: {reason}")),
        }
    }
    if let Some(patches) = out.tensors.remove("patch_embed.proj.weight") {
        match naflex::unpacked(patches) {
            Ok((patches, is_naflex)) => {
                out.is_naflex = is_naflex;
                out.tensors.insert(patches.name.clone(), patches);
            }
            Err(reason) => mismatch.unusable.push(reason),
        }
    }
    with_class_position(&mut out);
    mismatch.unless(out)
}

/// timm has one name for the layers of both kinds, and gates are the first half of the rows.
fn is_gated(network: &Network) -> bool {
    let shape = |end: &str| {
        let found = network.tensors.iter().find(|(name, _)| name == end);
        found.map(|(_, tensor)| tensor.shape.to_vec())
    };
    let has = |name: &str| shape(name).is_some();
    if has("blocks.0.mlp.w12.weight") || has("encoder.layer.0.mlp.weights_in.weight") {
        return true;
    }
    match (
        shape("blocks.0.mlp.fc1.weight"),
        shape("blocks.0.mlp.fc2.weight"),
    ) {
        (Some(first), Some(second)) => matches!(
            (first.as_slice(), second.as_slice()),
            (&[wide, _], &[_, narrow]) if wide == 2 * narrow
        ),
        _ => false,
    }
}

/// Recent versions of transformers call some layers otherwise in memory than in the files that they write, and so do
/// files that `torch.save` wrote.
fn as_written(family: Family, name: &str) -> String {
    let projections = [
        (".attention.q_proj.", ".attention.attention.query."),
        (".attention.k_proj.", ".attention.attention.key."),
        (".attention.v_proj.", ".attention.attention.value."),
        (".attention.o_proj.", ".attention.output.dense."),
    ];
    let of_mae = [
        (".mlp.fc1.", ".intermediate.dense."),
        (".mlp.fc2.", ".output.dense."),
    ];
    match family {
        Family::Dinov2 => replaced(name, &projections),
        Family::Mae => {
            let name = match name.strip_prefix("layers.") {
                Some(rest) => format!("encoder.layer.{rest}"),
                None => name.to_string(),
            };
            replaced(&replaced(&name, &projections), &of_mae)
        }
        _ => name.to_string(),
    }
}

fn replaced(name: &str, pairs: &[(&str, &str)]) -> String {
    pairs.iter().fold(name.to_string(), |name, (from, to)| {
        name.replacen(from, to, 1)
    })
}

/// Tokens and tables have three axes in the network; files may leave out those of size one in front.
fn with_axes(tensor: StoredTensor, path: String) -> StoredTensor {
    let tokens = [
        "cls_token",
        "pos_embed",
        "register_tokens",
        MASK_TOKEN,
        "attn_pool.latent",
    ];
    let mut shape = tensor.shape.to_vec();
    if tokens.contains(&path.as_str()) && shape.len() < 3 {
        let mut axes = vec![1; 3 - shape.len()];
        axes.append(&mut shape);
        shape = axes;
    }
    rows::renamed(tensor, path, shape)
}

/// Thirds in one tensor.
fn fused(parts: BTreeMap<usize, StoredTensor>, path: &str) -> Result<StoredTensor, String> {
    let shown = parts
        .values()
        .map(|part| (part.name.clone(), part.dtype, part.shape.to_vec()));
    let shown: Vec<_> = shown.collect();
    let parts: Vec<_> = parts.into_iter().collect();
    let third = match parts.as_slice() {
        [(0, q), (1, k), (2, v)] if q.shape == k.shape && q.shape == v.shape => q.shape.first(),
        [(0, q), (1, kv)] if kv.shape.first().copied() == q.shape.first().map(|n| 2 * n) => {
            q.shape.first()
        }
        _ => None,
    };
    let same = |part: &StoredTensor| {
        part.dtype == parts[0].1.dtype && part.shape[1..] == parts[0].1.shape[1..]
    };
    if third.is_none() || !parts.iter().all(|(_, part)| same(part)) {
        return Err(format!("queries, keys and values do not fit: {shown:?}"));
    }
    let parts: Vec<_> = parts.into_iter().map(|(_, part)| part).collect();
    Ok(rows::stack(parts, path.to_string()))
}

/// timm's DINOv2 with registers has the position of the class token added to the class token: it is zero here.
fn with_class_position(out: &mut Imported) {
    if (out.family, out.layout) != (Family::Dinov2, Layout::Timm)
        || !out.tensors.contains_key("register_tokens")
    {
        return;
    }
    let table = out.tensors.get("pos_embed").cloned();
    if let (Some(cls), Some(table)) = (out.tensors.get("cls_token"), table)
        && let (&[1, count, width], &[1, 1, of_cls]) =
            (table.shape.as_slice(), cls.shape.as_slice())
        && width == of_cls
        && count.isqrt().pow(2) == count
    {
        let zeros = rows::zeros_like(cls, String::new());
        let zeros = rows::renamed(zeros, String::new(), vec![1, width]);
        let zeros = match cls.dtype == table.dtype {
            true => zeros,
            false => return,
        };
        let table = rows::renamed(table, String::new(), vec![count, width]);
        let all = rows::stack([zeros, table], String::new());
        let all = rows::renamed(all, "pos_embed".to_string(), vec![1, count + 1, width]);
        out.tensors.insert("pos_embed".to_string(), all);
    }
}
