//! The published checkpoint's names to those of the network, and back.

use burn::prelude::*;
use burn::store::bridge;
use burn::tensor::TensorData;
use svg_nn::{LoadError, Names, StoredTensor};

use crate::model::positions;
use crate::{Sit, SitConfig};

/// What differs: in the network, and in the file.
const NAMES: Names = Names(&[
    // Places in a sequence, beside activations.
    ("t_embedder.fc1.", "t_embedder.mlp.0."),
    ("t_embedder.fc2.", "t_embedder.mlp.2."),
    ("adaln.", "adaLN_modulation.1."),
]);

/// A buffer in the file, computed here.
pub(crate) const POSITIONS: &str = "pos_embed";

/// The furthest that stored positions may be from computed ones: they may have been stored in bfloat16.
const POSITION_TOLERANCE: f32 = 1e-2;

/// Loads the network from tensors with the names of the published checkpoint: `pos_embed`, `ln1.*`,
/// `t_embedder.mlp.{0,2}.*`, `y_embedder.embedding_table.weight`, `blocks.{i}.*`, `final_layer.*`.
///
/// The positions are compared with those of the configuration, to within what bfloat16 can hold, and
/// then dropped. `source` is named in errors.
///
/// # Errors
///
/// [`LoadError::Mismatch`] with everything that is missing, left over or of a wrong shape, in the names
/// of the file, and with the positions if they are others.
pub fn load(
    config: &SitConfig,
    tensors: Vec<StoredTensor>,
    source: &str,
    device: &Device,
) -> Result<Sit, LoadError> {
    let (stored, tensors): (Vec<_>, Vec<_>) = tensors
        .into_iter()
        .partition(|tensor| tensor.name == POSITIONS);
    let (sit, mut mismatch) = NAMES.fill(config.init(device), tensors, source);
    match stored.first() {
        Some(stored) => {
            let table = positions(config);
            let others = other_table(&table, stored, config.rows, config.columns);
            mismatch.unusable.extend(others);
        }
        None => mismatch.missing.push(POSITIONS.to_string()),
    }
    Ok(mismatch.unless(sit)?)
}

/// Every tensor of the published checkpoint, the positions included, under its name there and in
/// PyTorch's layout, sorted by name: what [`load`] takes.
pub fn checkpoint_tensors(sit: &Sit) -> Vec<StoredTensor> {
    let mut tensors = NAMES.tensors(sit);
    let positions = positions(sit.config());
    tensors.push(bridge::from_data(positions, POSITIONS.to_string(), None));
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    tensors
}

/// What is wrong with a stored table that is computed here, in words.
pub(crate) fn other_table(
    computed: &TensorData,
    stored: &StoredTensor,
    rows: usize,
    columns: usize,
) -> Option<String> {
    let name = &stored.name;
    let [expected, found] = [computed.shape(), &stored.shape].map(|shape| shape.to_vec());
    if found != expected {
        return Some(format!(
            "{name}: expected shape {expected:?}, found {found:?}"
        ));
    }
    let data = match bridge::to_data(stored) {
        Ok(data) => data.convert::<f32>(),
        Err(error) => return Some(format!("{name}: {error}")),
    };
    let pairs = data.iter::<f32>().zip(computed.iter::<f32>());
    let close = |(a, b): (f32, f32)| (a - b).abs() < POSITION_TOLERANCE;
    let others = pairs.filter(|pair| !close(*pair)).count();
    (others > 0).then(|| {
        format!(
            "{name}: {others} numbers are not those of sines and cosines on a grid of {rows} x \
             {columns}"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::tiny;
    use crate::model::tests::{samples, woken};
    use svg_nn::Mismatch;

    fn tensors() -> Vec<StoredTensor> {
        checkpoint_tensors(&woken(&tiny(), &Default::default()))
    }

    fn mismatch(tensors: Vec<StoredTensor>) -> Mismatch {
        match load(&tiny(), tensors, "test", &Default::default()) {
            Err(LoadError::Mismatch(mismatch)) => mismatch,
            other => panic!("expected a mismatch, got {:?}", other.map(|_| "a network")),
        }
    }

    #[test]
    fn the_names_are_those_of_the_published_checkpoint() {
        let config = SitConfig {
            n_layers: 1,
            ..tiny()
        };
        let tensors = checkpoint_tensors(&config.with_learn_sigma(true).init(&Default::default()));
        let got: Vec<_> = tensors
            .iter()
            .map(|tensor| (tensor.name.as_str(), tensor.shape.to_vec()))
            .collect();
        let expected = [
            ("blocks.0.adaLN_modulation.1.bias", vec![96]),
            ("blocks.0.adaLN_modulation.1.weight", vec![96, 16]),
            ("blocks.0.attn.k_norm.bias", vec![4]),
            ("blocks.0.attn.k_norm.weight", vec![4]),
            ("blocks.0.attn.proj.bias", vec![16]),
            ("blocks.0.attn.proj.weight", vec![16, 16]),
            ("blocks.0.attn.q_norm.bias", vec![4]),
            ("blocks.0.attn.q_norm.weight", vec![4]),
            ("blocks.0.attn.qkv.bias", vec![48]),
            ("blocks.0.attn.qkv.weight", vec![48, 16]),
            ("blocks.0.mlp.fc1.bias", vec![32]),
            ("blocks.0.mlp.fc1.weight", vec![32, 16]),
            ("blocks.0.mlp.fc2.bias", vec![16]),
            ("blocks.0.mlp.fc2.weight", vec![16, 32]),
            ("final_layer.adaLN_modulation.1.bias", vec![32]),
            ("final_layer.adaLN_modulation.1.weight", vec![32, 16]),
            ("final_layer.linear.bias", vec![12]),
            ("final_layer.linear.weight", vec![12, 16]),
            ("ln1.bias", vec![16]),
            ("ln1.weight", vec![16, 6]),
            ("pos_embed", vec![1, 6, 16]),
            ("t_embedder.mlp.0.bias", vec![16]),
            ("t_embedder.mlp.0.weight", vec![16, 256]),
            ("t_embedder.mlp.2.bias", vec![16]),
            ("t_embedder.mlp.2.weight", vec![16, 16]),
            ("y_embedder.embedding_table.weight", vec![6, 16]),
        ];
        assert_eq!(got, expected);
    }

    #[test]
    fn a_network_survives_the_way_to_a_checkpoint_and_back() {
        let device = Device::default();
        let sit = woken(&tiny(), &device);
        let written = checkpoint_tensors(&sit);
        let loaded = load(&tiny(), written.clone(), "memory", &device).unwrap();
        for (a, b) in written.iter().zip(checkpoint_tensors(&loaded)) {
            assert_eq!((&a.name, &a.shape), (&b.name, &b.shape));
            let bytes = |tensor: &StoredTensor| tensor.to_bytes().unwrap().to_vec();
            assert_eq!(bytes(a), bytes(&b), "{}", a.name);
        }
        let (x, t) = samples(&tiny(), 2, &device);
        let labels = Tensor::from_data([1, 5], &device);
        let expected = sit.forward(x.clone(), t.clone(), labels.clone());
        let out = loaded.forward(x, t, labels).into_data();
        out.assert_eq(&expected.into_data(), true);
    }

    #[test]
    fn what_is_missing_or_left_over_has_the_name_of_the_file() {
        let lost = [
            "blocks.1.adaLN_modulation.1.weight",
            "blocks.1.attn.q_norm.weight",
            "pos_embed",
            "t_embedder.mlp.2.bias",
        ];
        let mut tensors = tensors();
        tensors.retain(|tensor| !lost.contains(&tensor.name.as_str()));
        let zero = TensorData::from([0.0f32]);
        tensors.push(bridge::from_data(
            zero,
            "blocks.2.attn.proj.bias".to_string(),
            None,
        ));
        let mut found = mismatch(tensors);
        found.missing.sort();
        assert_eq!(found.missing, lost);
        assert_eq!(found.unexpected, ["blocks.2.attn.proj.bias"]);
        assert!(found.to_string().contains("the weights of test do not fit"));
    }

    #[test]
    fn a_name_of_ours_is_not_one_of_the_file() {
        let mut tensors = tensors();
        for tensor in &mut tensors {
            tensor.name = tensor
                .name
                .replace("t_embedder.mlp.0.bias", "t_embedder.fc1.bias");
        }
        let found = mismatch(tensors);
        assert_eq!(found.missing, ["t_embedder.mlp.0.bias"]);
        assert_eq!(found.unexpected, ["t_embedder.fc1.bias"]);
    }

    #[test]
    fn positions_with_rows_and_columns_exchanged_are_refused() {
        let device = Device::default();
        let exchanged = SitConfig {
            rows: 3,
            columns: 2,
            ..tiny()
        };
        let found = mismatch(checkpoint_tensors(&exchanged.init(&device)));
        assert_eq!(found.unusable.len(), 1, "{found}");
        let what = "numbers are not those of sines and cosines on a grid of 2 x 3";
        assert!(found.unusable[0].contains(what), "{found}");
    }

    #[test]
    fn a_wrong_shape_is_told_with_the_name_of_the_file() {
        let larger = SitConfig {
            rows: 5,
            ..tiny().with_n_classes(7)
        };
        let mut found = mismatch(checkpoint_tensors(&larger.init(&Default::default())));
        found.unusable.sort();
        let [positions, table] = found.unusable.as_slice() else {
            panic!("two tensors are others: {found}");
        };
        assert!(positions.starts_with("pos_embed: expected shape [1, 6, 16], found [1, 15, 16]"));
        assert!(
            table.starts_with("y_embedder.embedding_table.weight"),
            "{table}"
        );
    }
}
