//! timm's NaFlex models: the same networks with another patch embedding.

use burn::store::burn_pack::Bytes;
use svg_nn::StoredTensor;

use crate::rows;

/// What NaFlex models call their embedding, and what timm's others do.
const NAMES: [(&str, &str); 4] = [
    ("embeds.cls_token", "cls_token"),
    ("embeds.reg_token", "reg_token"),
    ("embeds.proj.weight", "patch_embed.proj.weight"),
    ("embeds.proj.bias", "patch_embed.proj.bias"),
];

/// The tensors under the names and in the shapes of timm's other models, where they are those of a NaFlex
/// model, and whether they are.
pub(crate) fn unpacked(tensors: Vec<StoredTensor>) -> (Vec<StoredTensor>, bool) {
    let root = |name: &str| {
        let root = name.strip_suffix("embeds.cls_token")?;
        (root.is_empty() || root.ends_with('.')).then(|| root.to_string())
    };
    let Some(root) = tensors.iter().find_map(|tensor| root(&tensor.name)) else {
        return (tensors, false);
    };
    let renamed = tensors.into_iter().map(|tensor| {
        let name = tensor.name.strip_prefix(&root);
        let known = name.and_then(|name| NAMES.iter().find(|(theirs, _)| *theirs == name));
        match known {
            None => tensor,
            Some((_, name)) => convolution(tensor, format!("{root}{name}")),
        }
    });
    (renamed.collect(), true)
}

/// A projection of flat patches, `[d, p p 3]`, as a convolution, `[d, 3, p, p]`; others only get the name.
fn convolution(tensor: StoredTensor, name: String) -> StoredTensor {
    let shape = tensor.shape.to_vec();
    let &[d_model, inputs] = shape.as_slice() else {
        return rows::renamed(tensor, name, shape);
    };
    let pixels = inputs / 3;
    let side = pixels.isqrt();
    if d_model == 0 || side == 0 || 3 * side * side != inputs {
        return rows::renamed(tensor, name, shape);
    }
    let (dtype, len) = (tensor.dtype, tensor.byte_len());
    let shape = vec![d_model, 3, side, side];
    StoredTensor::deferred(name, dtype, shape, None, len, move || {
        let flat = tensor.to_bytes()?;
        let size = flat.len() / (d_model * inputs);
        let mut planes = Vec::with_capacity(flat.len());
        for row in flat.chunks_exact(inputs * size) {
            for channel in 0..3 {
                let places = (0..pixels).map(|pixel| (3 * pixel + channel) * size);
                places.for_each(|at| planes.extend_from_slice(&row[at..at + size]));
            }
        }
        Ok(Bytes::from_bytes_vec(planes))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::store::bridge;
    use burn::tensor::TensorData;

    #[test]
    fn a_projection_of_flat_patches_becomes_a_convolution() {
        // Two outputs, patches of 2 x 2; the number says row, column and channel.
        let flat = [0.0f32, 100.0].map(|output| {
            [0, 1, 10, 11].map(|place| [0.1f32, 0.2, 0.3].map(|c| output + place as f32 + c))
        });
        let flat: Vec<f32> = flat.into_iter().flatten().flatten().collect();
        let weight = TensorData::new(flat, [2, 12]);
        let token = TensorData::from([[[1.0f32, 2.0]]]);
        let tensors = vec![
            bridge::from_data(token, "model.embeds.cls_token".into(), None),
            bridge::from_data(weight, "model.embeds.proj.weight".into(), None),
        ];
        let (tensors, is_naflex) = unpacked(tensors);
        assert!(is_naflex);
        assert_eq!(tensors[0].name, "model.cls_token");
        assert_eq!(tensors[1].name, "model.patch_embed.proj.weight");
        assert_eq!(tensors[1].shape.to_vec(), [2, 3, 2, 2]);
        let planes = bridge::to_data(&tensors[1]).unwrap();
        let planes = planes.try_to_vec::<f32>().unwrap();
        assert_eq!(planes[..8], [0.1, 1.1, 10.1, 11.1, 0.2, 1.2, 10.2, 11.2]);
        assert_eq!(planes[12..16], [100.1, 101.1, 110.1, 111.1]);
    }

    #[test]
    fn other_tensors_stay_as_they_are() {
        let data = TensorData::from([1.0f32]);
        let tensors = vec![bridge::from_data(data, "embeddings.cls_token".into(), None)];
        let (tensors, is_naflex) = unpacked(tensors);
        assert!(!is_naflex);
        assert_eq!(tensors[0].name, "embeddings.cls_token");
    }
}
