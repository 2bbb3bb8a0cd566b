//! Weights under torchvision's names.

use burn::prelude::*;
use svg_nn::{LoadError, Names, StoredTensor};

use crate::{ResidualConfig, ResidualEncoder};

/// Pairs of names that differ between the network and the file.
const NAMES: Names = Names(&[
    ("encoder.layers.", "encoder.layers.encoder_layer_"),
    // PyTorch's packed projection is a parameter of the attention itself; here it is a layer.
    ("self_attention.qkv.", "self_attention.in_proj_"),
    ("self_attention.proj.", "self_attention.out_proj."),
    // Indices in a sequential module with an activation and dropout in between.
    ("mlp.fc1.", "mlp.0."),
    ("mlp.fc2.", "mlp.3."),
    ("heads.hidden.", "heads.0."),
    ("heads.out.", "heads.2."),
]);

/// Loads the network from tensors with torchvision's names: `class_token`, `conv_proj.*`,
/// `encoder.pos_embedding`, `encoder.layers.encoder_layer_{i}.*`, `encoder.ln.*`, `heads.0.*`,
/// `heads.2.*`, and `mask_token` if the configuration has one. In a checkpoint of the whole autoencoder
/// all but the last have the prefix `extra_vit.`, which the caller removes.
///
/// `source` is named in errors.
///
/// # Errors
///
/// [`LoadError::Mismatch`] with all tensors that are missing, unexpected or of a wrong shape, under the
/// names of the file.
pub fn load(
    config: &ResidualConfig,
    tensors: Vec<StoredTensor>,
    source: &str,
    device: &Device,
) -> Result<ResidualEncoder, LoadError> {
    NAMES.load_exact(config.init(device), tensors, source)
}

/// Every parameter under torchvision's name and in PyTorch's layout, sorted by name, as [`load`] expects.
pub fn checkpoint_tensors(encoder: &ResidualEncoder) -> Vec<StoredTensor> {
    NAMES.tensors(encoder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::tiny;
    use burn::store::bridge;
    use burn::tensor::{Distribution, TensorData};
    use svg_nn::Mismatch;

    fn mismatch(tensors: Vec<StoredTensor>) -> Mismatch {
        match load(&tiny(), tensors, "test", &Default::default()) {
            Err(LoadError::Mismatch(mismatch)) => mismatch,
            other => panic!("expected a mismatch, got {:?}", other.map(|_| "a network")),
        }
    }

    fn tensors() -> Vec<StoredTensor> {
        checkpoint_tensors(&tiny().init(&Default::default()))
    }

    #[test]
    fn checkpoint_names_equal_torchvision() {
        let tensors = checkpoint_tensors(&tiny().with_n_layers(1).init(&Default::default()));
        let names: Vec<_> = tensors.iter().map(|tensor| tensor.name.as_str()).collect();
        let block = "encoder.layers.encoder_layer_0";
        let mut expected: Vec<String> = ["weight", "bias"]
            .iter()
            .flat_map(|leaf| {
                ["conv_proj", "encoder.ln", "heads.0", "heads.2"]
                    .map(|layer| format!("{layer}.{leaf}"))
                    .into_iter()
                    .chain(
                        ["ln_1", "self_attention.out_proj", "ln_2", "mlp.0", "mlp.3"]
                            .map(|layer| format!("{block}.{layer}.{leaf}")),
                    )
                    .chain([format!("{block}.self_attention.in_proj_{leaf}")])
            })
            .chain(["class_token", "encoder.pos_embedding", "mask_token"].map(String::from))
            .collect();
        expected.sort();
        assert_eq!(names, expected);
    }

    #[test]
    fn networks_roundtrip_through_checkpoint_tensors() {
        let device = Default::default();
        let encoder = tiny().init(&device);
        let written = checkpoint_tensors(&encoder);
        let loaded = load(&tiny(), written.clone(), "memory", &device).unwrap();
        for (a, b) in written.iter().zip(checkpoint_tensors(&loaded)) {
            assert_eq!((&a.name, &a.shape), (&b.name, &b.shape));
            let bytes = |tensor: &StoredTensor| tensor.to_bytes().unwrap().to_vec();
            assert_eq!(bytes(a), bytes(&b), "{}", a.name);
        }
        let images = Tensor::random([1, 3, 8, 8], Distribution::Default, &device);
        let expected = encoder.forward(images.clone()).into_data();
        loaded
            .forward(images)
            .into_data()
            .assert_eq(&expected, true);
    }

    #[test]
    fn the_mask_token_has_the_shape_of_the_checkpoint() {
        let tensors = tensors();
        let token = tensors.iter().find(|tensor| tensor.name == "mask_token");
        assert_eq!(token.expect("there is one").shape.to_vec(), [1, 8, 1]);
    }

    #[test]
    fn missing_tensors_are_reported_under_the_names_of_the_file() {
        let lost = [
            "encoder.layers.encoder_layer_1.ln_2.weight",
            "encoder.layers.encoder_layer_1.self_attention.in_proj_bias",
            "heads.2.weight",
        ];
        let mut tensors = tensors();
        tensors.retain(|tensor| !lost.contains(&tensor.name.as_str()));
        let mut missing = mismatch(tensors).missing;
        missing.sort();
        assert_eq!(missing, lost);
    }

    #[test]
    fn internal_names_are_not_accepted() {
        let mut tensors = tensors();
        for tensor in &mut tensors {
            tensor.name = tensor.name.replace("heads.0.weight", "heads.hidden.weight");
        }
        let found = mismatch(tensors);
        assert_eq!(found.missing, ["heads.0.weight"]);
        assert_eq!(found.unexpected, ["heads.hidden.weight"]);
    }

    #[test]
    fn wrong_shapes_are_reported_under_the_name_of_the_file() {
        let mut tensors = tensors();
        tensors.retain(|tensor| tensor.name != "heads.0.bias");
        let short = TensorData::from([1.0f32, 2.0]);
        tensors.push(bridge::from_data(short, "heads.0.bias".to_string(), None));
        let found = mismatch(tensors);
        assert_eq!(found.unusable.len(), 1, "{found}");
        assert!(found.unusable[0].starts_with("heads.0.bias"), "{found}");
    }
}
