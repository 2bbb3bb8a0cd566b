//! The names of the network to any public layout.

use std::collections::BTreeMap;

use burn::store::bridge;
use burn::tensor::TensorData;
use svg_nn::{LoadError, Mismatch, StoredTensor, rows};

use crate::import::{Imported, MASK_TOKEN};
use crate::layout::{Layout, Stored};
use crate::{Family, VitConfig, VitError, naflex};

/// The parameters as the public files of `layout` hold them, sorted by name, in their own types.
///
/// # Errors
///
/// [`VitError::Unwritable`] if the family has no such files, [`VitError::Device`] if a tensor cannot be read.
pub(crate) fn export(
    contents: &Imported,
    config: &VitConfig,
    layout: Layout,
) -> Result<Vec<StoredTensor>, VitError> {
    let family = config.family;
    if !layout.is_of(family) {
        let names = match family {
            Family::Mae => " (its own files have timm's names)",
            _ => "",
        };
        let reason = format!("weights of {}{names}", family.name());
        return Err(unwritable(layout, reason));
    }
    let mut tensors = contents.tensors.clone();
    let is_timm = layout == Layout::Timm;
    if is_timm && family == Family::Dinov2 && config.n_registers > 0 {
        let [cls, table] = class_position_added(
            needed(&tensors, "cls_token")?,
            needed(&tensors, "pos_embed")?,
        )?;
        tensors.insert(cls.name.clone(), cls);
        tensors.insert(table.name.clone(), table);
    }
    if contents.is_naflex {
        let patches = needed(&tensors, "patch_embed.proj.weight")?;
        if layout != Layout::HuggingFace {
            return Err(unwritable(
                layout,
                "a SigLIP 2 for any aspect ratio".to_string(),
            ));
        }
        let packed = naflex::packed(patches, patches.name.clone());
        let packed = packed.map_err(|reason| VitError::Device { reason })?;
        tensors.insert(packed.name.clone(), packed);
    }
    if family == Family::Dinov2 && !is_timm {
        // Both other layouts have one in any case.
        let cls = needed(&tensors, "cls_token")?;
        let zeros = || rows::zeros_like(cls, MASK_TOKEN.to_string());
        let token = contents.mask_token.clone().unwrap_or_else(zeros);
        tensors.insert(MASK_TOKEN.to_string(), token);
    }
    let mut out = Vec::new();
    for (path, tensor) in &tensors {
        let places = layout.places(family, path, config.gated);
        if places.is_empty() {
            return Err(unwritable(layout, path.clone()));
        }
        out.extend(places.into_iter().map(|place| {
            let name = format!("{}{}", layout.prefix(family), place.name);
            stored(tensor, name, &place)
        }));
    }
    out.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(out)
}

/// A tensor without which no file can be written.
fn needed<'a>(
    tensors: &'a BTreeMap<String, StoredTensor>,
    path: &str,
) -> Result<&'a StoredTensor, VitError> {
    tensors.get(path).ok_or_else(|| {
        let mut mismatch = Mismatch::none("the weights");
        mismatch.missing.push(path.to_string());
        LoadError::from(mismatch).into()
    })
}

fn unwritable(layout: Layout, reason: String) -> VitError {
    VitError::Unwritable {
        layout: layout.name(),
        reason,
    }
}

/// A tensor or some thirds of it, with the axes that its file has.
fn stored(tensor: &StoredTensor, name: String, place: &Stored) -> StoredTensor {
    let part = match place.thirds {
        None => tensor.clone(),
        Some((first, count)) => {
            let third = tensor.shape[0] / 3;
            rows::cut(tensor, name.clone(), first * third..(first + count) * third)
        }
    };
    let mut shape = part.shape.to_vec();
    while place.rank.is_some_and(|rank| shape.len() > rank) && shape[0] == 1 {
        shape.remove(0);
    }
    rows::renamed(part, name, shape)
}

/// Class token and table as timm's DINOv2 with registers has them: the position of the class token added to it, and none
/// in the table. A position of zero leaves the token as it is, to the bit.
fn class_position_added(
    cls: &StoredTensor,
    table: &StoredTensor,
) -> Result<[StoredTensor; 2], VitError> {
    let read = |tensor: &StoredTensor| {
        let data = bridge::to_data(tensor).map_err(|error| VitError::Device {
            reason: format!("{}: {error}", tensor.name),
        })?;
        Ok::<_, VitError>(data)
    };
    let &[1, count, width] = table.shape.as_slice() else {
        let mut mismatch = Mismatch::none("the weights");
        let shape = table.shape.to_vec();
        mismatch
            .unusable
            .push(format!("pos_embed: shape {shape:?}"));
        return Err(LoadError::from(mismatch).into());
    };
    let plain = rows::renamed(table.clone(), String::new(), vec![count, width]);
    let first = rows::cut(&plain, String::new(), 0..1);
    let rest = rows::cut(&plain, table.name.clone(), 1..count);
    let rest = rows::renamed(rest, table.name.clone(), vec![1, count - 1, width]);
    let position: Vec<f32> = read(&first)?.iter::<f32>().collect();
    if position.iter().all(|number| *number == 0.0) {
        return Ok([cls.clone(), rest]);
    }
    let token = read(cls)?;
    let sum: Vec<f32> = token
        .iter::<f32>()
        .zip(&position)
        .map(|(a, b)| a + b)
        .collect();
    let sum = TensorData::new(sum, [1, 1, width]).convert_dtype(cls.dtype);
    Ok([bridge::from_data(sum, cls.name.clone(), None), rest])
}
