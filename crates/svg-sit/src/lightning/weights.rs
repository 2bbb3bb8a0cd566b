//! LightningDiT's published names and order to the network, and back.

use burn::prelude::*;
use burn::store::bridge;
use burn::tensor::TensorData;
use svg_nn::{LoadError, Names, StoredTensor};

use super::model::positions;
use super::rotation::angles;
use super::{LightningConfig, LightningDit};
use crate::rows::{part, permuted, stacked};
use crate::weights::{POSITIONS, other_table};

/// What differs: in the network, and in the file.
const NAMES: Names = Names(&[
    ("x_embedder.", "x_embedder.proj."),
    ("t_embedder.fc1.", "t_embedder.mlp.0."),
    ("t_embedder.fc2.", "t_embedder.mlp.2."),
    ("mlp.down.", "mlp.w3."),
    ("adaln.", "adaLN_modulation.1."),
]);

/// A convolution of 1 x 1 in the file.
const EMBEDDER: &str = "x_embedder.proj.weight";
/// Gate above what it multiplies.
const FUSED: &str = "mlp.w12.";
const APART: [&str; 2] = ["mlp.gate.", "mlp.up."];
/// What a name that is none of the file gets, so that it fits nowhere.
const FOREIGN: &str = "(of another layout) ";
/// Buffers of the file, computed here.
const TURNS: [&str; 2] = ["feat_rope.freqs_cos", "feat_rope.freqs_sin"];

impl LightningConfig {
    /// Loads a network from tensors with the names of LightningDiT's files: those of
    /// [`DitConfig::load`](crate::DitConfig::load) and `norm1`, `norm2`, `mlp.{w12,w3}`, `final_layer.norm_final`, and
    /// with norms of queries and keys `attn.{q_norm,k_norm}`.
    ///
    /// Positions, and the tables `feat_rope.*` if the file has them, are compared with those of the configuration, to
    /// within what bfloat16 can hold, and dropped.
    ///
    /// # Errors
    ///
    /// [`LoadError::Mismatch`] with everything that is missing, left over, of a wrong shape or of other numbers.
    pub fn load(
        &self,
        tensors: Vec<StoredTensor>,
        source: &str,
        device: &Device,
    ) -> Result<LightningDit, LoadError> {
        let mut unusable = vec![];
        let mut has_positions = false;
        let mut parameters = vec![];
        for tensor in tensors {
            let table = match tensor.name.as_str() {
                POSITIONS => {
                    has_positions = true;
                    Some(positions(self))
                }
                name if TURNS.contains(&name) => Some(self.turns(name)),
                _ => None,
            };
            match table {
                Some(table) => {
                    unusable.extend(other_table(&table, &tensor, self.rows, self.columns))
                }
                None => parameters.extend(self.ours(tensor)),
            }
        }
        let (network, mut mismatch) = NAMES.fill(self.init(device), parameters, source);
        mismatch.unusable.extend(unusable);
        if !has_positions {
            mismatch.missing.push(POSITIONS.to_string());
        }
        let mut mismatch = mismatch.with_names(in_file);
        mismatch.missing.sort();
        mismatch.missing.dedup();
        Ok(mismatch.unless(network)?)
    }

    /// Every tensor of the published file of a network, positions and the tables of the turns included, in PyTorch's
    /// layout, sorted by name: what [`load`](Self::load) takes.
    pub fn tensors(&self, network: &LightningDit) -> Vec<StoredTensor> {
        let mut found = NAMES.tensors(network);
        let (gates, mut tensors): (Vec<_>, Vec<_>) = found
            .drain(..)
            .partition(|tensor| APART.iter().any(|part| tensor.name.contains(part)));
        let ups = gates.iter().filter(|tensor| tensor.name.contains(APART[1]));
        for up in ups {
            let name = up.name.replace(APART[1], APART[0]);
            let gate = gates.iter().find(|tensor| tensor.name == name);
            let gate = gate.expect("a layer with `up` has `gate`");
            tensors.push(stacked(&[gate, up], up.name.replace(APART[1], FUSED)));
        }
        let mut tensors: Vec<_> = tensors
            .into_iter()
            .map(|tensor| self.turned(as_convolution(tensor), |order, i| order[i]))
            .collect();
        let table = |name: &str, data| bridge::from_data(data, name.to_string(), None);
        tensors.push(table(POSITIONS, positions(self)));
        tensors.extend(TURNS.map(|name| table(name, self.turns(name))));
        tensors.sort_by(|a, b| a.name.cmp(&b.name));
        tensors
    }

    /// A tensor of the file as those of the network.
    fn ours(&self, mut tensor: StoredTensor) -> Vec<StoredTensor> {
        if APART.iter().any(|part| tensor.name.contains(part)) {
            tensor.name = format!("{FOREIGN}{}", tensor.name);
            return vec![tensor];
        }
        let shape = tensor.shape.to_vec();
        if tensor.name == EMBEDDER && shape.len() == 4 {
            let name = tensor.name.clone();
            return vec![permuted(
                tensor,
                name,
                vec![shape[0], shape[1..].iter().product()],
                |i| i,
            )];
        }
        let halves = shape.first().is_some_and(|rows| rows.is_multiple_of(2));
        if tensor.name.contains(FUSED) && halves {
            return [0, 1]
                .map(|half| {
                    let name = tensor.name.replace(FUSED, APART[half]);
                    part(&tensor, name, half, 2)
                })
                .to_vec();
        }
        let back = |order: &[usize], i: usize| order.iter().position(|j| *j == i).unwrap_or(i);
        vec![self.turned(tensor, back)]
    }

    /// Queries and keys, or their norms, with the channels of a head in another order: channel `i` is channel
    /// `of(order, i)`, where `order[i]` is the channel of the network that is channel `i` of the file.
    fn turned(&self, tensor: StoredTensor, of: impl Fn(&[usize], usize) -> usize) -> StoredTensor {
        let head = self.head_dim();
        // The file has pairs side by side, the network half a head apart.
        let order: Vec<usize> = (0..head).map(|i| i / 2 + (i % 2) * (head / 2)).collect();
        let from: Vec<usize> = (0..head).map(|i| of(&order, i)).collect();
        let (name, shape) = (tensor.name.clone(), tensor.shape.to_vec());
        let (rows, all) = match name.rsplit_once(".attn.").map(|(_, rest)| rest) {
            Some("qkv.weight" | "qkv.bias") => (2 * self.d_model, 3 * self.d_model),
            Some("q_norm.weight" | "k_norm.weight") => (head, head),
            _ => return tensor,
        };
        if shape.first() != Some(&all) {
            return tensor;
        }
        let width: usize = shape[1..].iter().product();
        permuted(tensor, name, shape, move |i| {
            let (row, column) = (i / width, i % width);
            match row < rows {
                true => ((row / head) * head + from[row % head]) * width + column,
                false => i,
            }
        })
    }

    /// A table of the file, `[tokens, head_dim]`: the cosine or sine of each angle, twice side by side.
    fn turns(&self, name: &str) -> TensorData {
        let of = match name == TURNS[0] {
            true => f64::cos,
            false => f64::sin,
        };
        let angles = angles([self.rows, self.columns], self.head_dim());
        let values = angles.iter().flat_map(|angle| [of(*angle) as f32; 2]);
        TensorData::new::<f32, _>(values.collect(), [self.tokens(), self.head_dim()])
    }
}

/// The first layer as the file has it: a convolution of 1 x 1.
fn as_convolution(tensor: StoredTensor) -> StoredTensor {
    let (name, mut shape) = (tensor.name.clone(), tensor.shape.to_vec());
    if name != EMBEDDER {
        return tensor;
    }
    shape.extend([1, 1]);
    permuted(tensor, name, shape, |i| i)
}

/// A name of the network in errors as the file has it.
fn in_file(name: &str) -> String {
    if let Some(foreign) = name.strip_prefix(FOREIGN) {
        return foreign.to_string();
    }
    APART
        .iter()
        .fold(name.to_string(), |name, part| name.replace(part, FUSED))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dit_weights::tests::same;
    use crate::model::tests::woken_module;
    use svg_nn::Mismatch;

    fn tiny(qk_norm: bool) -> LightningConfig {
        let config = LightningConfig::new(6, 2, 3, 16, 2, 2, 21).with_n_classes(5);
        config.with_qk_norm(qk_norm)
    }

    fn woken(qk_norm: bool) -> LightningDit {
        woken_module(tiny(qk_norm).init(&Device::default()))
    }

    fn mismatch(tensors: Vec<StoredTensor>) -> Mismatch {
        match tiny(false).load(tensors, "test", &Default::default()) {
            Err(LoadError::Mismatch(mismatch)) => mismatch,
            other => panic!("expected a mismatch, got {:?}", other.map(|_| "a network")),
        }
    }

    #[test]
    fn a_network_survives_the_way_to_a_file_and_back() {
        for qk_norm in [false, true] {
            let written = tiny(qk_norm).tensors(&woken(qk_norm));
            let loaded = tiny(qk_norm).load(written.clone(), "memory", &Device::default());
            same(&written, &tiny(qk_norm).tensors(&loaded.unwrap()));
        }
    }

    #[test]
    fn the_names_and_shapes_are_those_of_the_published_file() {
        let tensors = tiny(true).tensors(&woken(true));
        let shape = |name: &str| {
            let found = tensors.iter().find(|tensor| tensor.name == name);
            found.unwrap_or_else(|| panic!("{name}")).shape.to_vec()
        };
        assert_eq!(shape("x_embedder.proj.weight"), [16, 6, 1, 1]);
        assert_eq!(shape("blocks.1.mlp.w12.weight"), [42, 16]);
        assert_eq!(shape("blocks.1.mlp.w12.bias"), [42]);
        assert_eq!(shape("blocks.1.mlp.w3.weight"), [16, 21]);
        assert_eq!(shape("blocks.0.norm2.weight"), [16]);
        assert_eq!(shape("blocks.0.attn.q_norm.weight"), [8]);
        assert_eq!(shape("final_layer.norm_final.weight"), [16]);
        assert_eq!(shape("feat_rope.freqs_cos"), [6, 8]);
    }

    #[test]
    fn what_is_missing_or_left_over_has_the_name_of_the_file() {
        let mut tensors = tiny(false).tensors(&woken(false));
        let lost = [
            "blocks.1.mlp.w12.bias",
            "blocks.0.norm1.weight",
            "pos_embed",
        ];
        tensors.retain(|tensor| !lost.contains(&tensor.name.as_str()));
        let gate = TensorData::from([0.0f32; 21]);
        tensors.push(bridge::from_data(
            gate,
            "blocks.1.mlp.gate.bias".to_string(),
            None,
        ));
        let mut found = mismatch(tensors);
        found.missing.sort();
        assert_eq!(
            found.missing,
            [
                "blocks.0.norm1.weight",
                "blocks.1.mlp.w12.bias",
                "pos_embed"
            ]
        );
        assert_eq!(found.unexpected, ["blocks.1.mlp.gate.bias"]);
    }

    #[test]
    fn tables_of_other_turns_are_refused() {
        let mut tensors = tiny(false).tensors(&woken(false));
        let cosines = tensors.iter_mut().find(|t| t.name == TURNS[0]).unwrap();
        let sines = tiny(false).turns(TURNS[1]);
        *cosines = bridge::from_data(sines, TURNS[0].to_string(), None);
        let found = mismatch(tensors);
        assert_eq!(found.unusable.len(), 1, "{found}");
        assert!(
            found.unusable[0].starts_with("feat_rope.freqs_cos: "),
            "{found}"
        );
        let mut tensors = tiny(false).tensors(&woken(false));
        tensors.retain(|tensor| !TURNS.contains(&tensor.name.as_str()));
        tiny(false)
            .load(tensors, "test", &Device::default())
            .unwrap();
    }

    #[test]
    fn sizes_are_read_from_a_file() {
        for qk_norm in [false, true] {
            let square = LightningConfig {
                rows: 3,
                d_model: 128,
                ..tiny(qk_norm)
            };
            let tensors = square.tensors(&square.init(&Device::default()));
            assert_eq!(LightningConfig::infer(&tensors), Ok(square));
        }
        let error = LightningConfig::infer(&[]).unwrap_err();
        assert!(
            error.contains("x_embedder.proj.weight is missing"),
            "{error}"
        );
    }
}
