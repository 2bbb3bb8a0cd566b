//! Conversion of names in public files to those of [`Lpips`](crate::Lpips), and the included linear layers.

use burn::store::bridge;
use burn::tensor::TensorData;
use svg_nn::StoredTensor;

use crate::vgg::CHANNELS;

/// The linear layers of LPIPS v0.1 for VGG16, 5888 bytes of f32 after a header; see `LICENSE-LPIPS`.
const LINEARS: &[u8] = include_bytes!("lpips_vgg_lin.safetensors");

/// The first convolution in the public layouts.
pub(crate) const LANDMARKS: [&str; 3] = [
    "features.0.weight",
    "net.slice1.0.weight",
    "slice1.0.weight",
];

/// The published linear layers, under the names of the published files.
pub(crate) fn linears() -> Vec<StoredTensor> {
    let count: usize = CHANNELS.iter().sum();
    // The included file is fixed: its five tensors are in order at its end.
    let (_, bytes) = LINEARS.split_at(LINEARS.len() - 4 * count);
    let number = |b: &[u8]| f32::from_le_bytes([b[0], b[1], b[2], b[3]]);
    let mut values = bytes.chunks_exact(4).map(number);
    let layer = |(k, channels): (usize, &usize)| {
        let values: Vec<f32> = values.by_ref().take(*channels).collect();
        let data = TensorData::new(values, [1, *channels, 1, 1]);
        bridge::from_data(data, format!("lin{k}.model.1.weight"), None)
    };
    CHANNELS.iter().enumerate().map(layer).collect()
}

/// Renames tensors to the paths of [`Lpips`](crate::Lpips) and removes those that are not needed.
///
/// Unknown names are kept, so that loading reports them.
pub(crate) fn rename(tensors: Vec<StoredTensor>) -> Vec<StoredTensor> {
    let renamed = tensors.into_iter().filter_map(|mut tensor| {
        tensor.name = path(&tensor.name)?;
        Some(tensor)
    });
    renamed.collect()
}

/// Whether a renamed tensor is one of the linear layers.
pub(crate) fn is_linear(tensor: &StoredTensor) -> bool {
    tensor.name.starts_with("lin.")
}

/// Path of a tensor by its name in a file; `None` if it is known and not needed.
///
/// | file | name | path |
/// |---|---|---|
/// | torchvision | `features.5.bias` | `vgg.features.5.bias` |
/// | torchvision | `classifier.0.weight` | |
/// | taming, lpips | `net.slice2.5.bias` or `slice2.5.bias` | `vgg.features.5.bias` |
/// | taming, lpips | `lin1.model.1.weight` | `lin.1` |
/// | taming, lpips | `scaling_layer.shift`: constants | |
/// | lpips | `lins.1.model.1.weight`: duplicates of the same tensors | |
fn path(name: &str) -> Option<String> {
    let unneeded = ["classifier.", "scaling_layer.", "lins."];
    if unneeded.iter().any(|known| name.starts_with(known)) {
        return None;
    }
    let bare = name.strip_prefix("net.").unwrap_or(name);
    let slice = bare.strip_prefix("slice");
    if let Some((_, place)) = slice.and_then(|slice| slice.split_once('.')) {
        return Some(format!("vgg.features.{place}"));
    }
    let layer = name.strip_prefix("lin");
    if let Some(layer) = layer.and_then(|rest| rest.strip_suffix(".model.1.weight")) {
        return Some(format!("lin.{layer}"));
    }
    match name.starts_with("features.") {
        true => Some(format!("vgg.{name}")),
        false => Some(name.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_linear_layers_equal_the_published_ones() {
        let sums = [6.925992, 8.858335, 17.515005, 51.521324, 47.034851];
        let layers = linears();
        assert_eq!(layers.len(), sums.len());
        for (k, (layer, want)) in layers.into_iter().zip(sums).enumerate() {
            assert_eq!(layer.name, format!("lin{k}.model.1.weight"));
            let values = bridge::into_data(layer)
                .unwrap()
                .try_to_vec::<f32>()
                .unwrap();
            let sum: f64 = values.iter().map(|v| f64::from(*v)).sum();
            assert!((sum - want).abs() < 5e-6, "lin{k}: {sum} for {want}");
            assert!(values.iter().all(|v| *v > 0.0));
        }
    }

    #[test]
    fn names_of_all_public_layouts_map_to_the_same_path() {
        for name in ["features.5.bias", "net.slice2.5.bias", "slice2.5.bias"] {
            assert_eq!(path(name).as_deref(), Some("vgg.features.5.bias"));
        }
        assert_eq!(path("lin1.model.1.weight").as_deref(), Some("lin.1"));
        for name in [
            "classifier.0.weight",
            "scaling_layer.shift",
            "lins.1.model.1.weight",
        ] {
            assert_eq!(path(name), None);
        }
        assert_eq!(path("head.weight").as_deref(), Some("head.weight"));
    }
}
