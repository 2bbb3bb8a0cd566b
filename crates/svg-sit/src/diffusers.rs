//! The names of diffusers' `DiTTransformer2DModel` to those of DiT's own files, and back.

use burn::prelude::*;
use burn::store::bridge;
use svg_nn::{GRID, LoadError, Mismatch, StoredTensor, outside};

use crate::model::positions;
use crate::rows::{part, stacked};
use crate::weights::POSITIONS;
use crate::{DitConfig, Sit};

/// Of diffusers and of DiT, outside the blocks.
const OUTSIDE: [(&str, &str); 3] = [
    ("pos_embed.proj.", "x_embedder.proj."),
    ("proj_out_1.", "final_layer.adaLN_modulation.1."),
    ("proj_out_2.", "final_layer.linear."),
];
/// The same within a block.
const INSIDE: [(&str, &str); 4] = [
    ("norm1.linear.", "adaLN_modulation.1."),
    ("attn1.to_out.0.", "attn.proj."),
    ("ff.net.0.proj.", "mlp.fc1."),
    ("ff.net.2.", "mlp.fc2."),
];
/// What every block of diffusers has a copy of, and DiT once.
const COPIED: [(&str, &str); 3] = [
    ("norm1.emb.timestep_embedder.linear_1.", "t_embedder.mlp.0."),
    ("norm1.emb.timestep_embedder.linear_2.", "t_embedder.mlp.2."),
    ("norm1.emb.class_embedder.", "y_embedder."),
];
const PROJECTIONS: [&str; 3] = ["attn1.to_q.", "attn1.to_k.", "attn1.to_v."];
const FUSED: &str = "attn.qkv.";
const BLOCKS: &str = "transformer_blocks.";

impl DitConfig {
    /// The sizes that the tensors of a file show, under the names of diffusers, for latents on a grid of `side` x `side`,
    /// which the file does not show.
    ///
    /// # Errors
    ///
    /// In words, as [`infer`](Self::infer), or if the patches do not fit the grid.
    pub fn infer_diffusers(tensors: &[StoredTensor], side: usize) -> Result<Self, String> {
        if let Some(problem) = outside("side", side, GRID) {
            return Err(problem);
        }
        let (mut found, _) = official(tensors.to_vec());
        let patch = crate::layout::patching(&found).map_err(|reason| in_diffusers(&reason))?;
        let width = found
            .iter()
            .find(|tensor| tensor.name == "x_embedder.proj.bias");
        let width = width.map_or(0, |tensor| tensor.shape.num_elements());
        if !side.is_multiple_of(patch.patch) || width == 0 {
            return Err(format!(
                "patches of {0} x {0} with {width} channels do not fit latents of {side} x {side}",
                patch.patch
            ));
        }
        // Of the positions, the shape alone is looked at.
        let tokens = (side / patch.patch).pow(2);
        let shape = burn::tensor::Shape::from([1, tokens, width]);
        let unread = || unreachable!("the positions are not read");
        let table = bridge::deferred(
            POSITIONS.to_string(),
            burn::tensor::DType::F32,
            shape,
            None,
            unread,
        );
        found.push(table);
        Self::infer(&found)
    }

    /// Loads a network from tensors with the names of diffusers' `DiTTransformer2DModel`: `pos_embed.proj.*`,
    /// `transformer_blocks.{i}.*` with three projections and an embedder of time and class in every block, `proj_out_1.*`,
    /// `proj_out_2.*`. The file has no positions.
    ///
    /// # Errors
    ///
    /// [`LoadError::Mismatch`] as of [`load`](Self::load), in the names of the file; also if the embedders of two blocks
    /// differ.
    pub fn load_diffusers(
        &self,
        tensors: Vec<StoredTensor>,
        source: &str,
        device: &Device,
    ) -> Result<Sit, LoadError> {
        let (mut found, problems) = official(tensors);
        if !problems.is_empty() {
            let mut mismatch = Mismatch::none(source);
            mismatch.unusable = problems;
            return Err(mismatch.into());
        }
        let table = positions(&self.sit);
        found.push(bridge::from_data(table, POSITIONS.to_string(), None));
        let sit = self.load(found, source, device);
        sit.map_err(|error| error.with_names(in_diffusers))
    }

    /// Every tensor of a file of diffusers, sorted by name: what [`load_diffusers`](Self::load_diffusers) takes.
    pub fn diffusers_tensors(&self, sit: &Sit) -> Vec<StoredTensor> {
        let mut written = vec![];
        for tensor in self.tensors(sit) {
            let name = tensor.name.clone();
            if name == POSITIONS {
                continue;
            }
            if let Some((theirs, rest)) = COPIED.iter().find_map(|(theirs, ours)| {
                let rest = name.strip_prefix(ours)?;
                Some((theirs, rest))
            }) {
                let copies = (0..self.sit.n_layers).map(|i| format!("{BLOCKS}{i}.{theirs}{rest}"));
                written.extend(copies.map(|name| renamed(tensor.clone(), name)));
                continue;
            }
            match name.split_once(FUSED) {
                Some((block, rest)) => written.extend((0..3).map(|i| {
                    let block = block.replacen("blocks.", BLOCKS, 1);
                    part(&tensor, format!("{block}{}{rest}", PROJECTIONS[i]), i, 3)
                })),
                None => written.push(renamed(tensor, in_diffusers(&name))),
            }
        }
        written.sort_by(|a, b| a.name.cmp(&b.name));
        written
    }
}

/// The tensors under DiT's names, without positions, and what is wrong with copies. A name that is none of diffusers'
/// gets one that fits nowhere.
fn official(tensors: Vec<StoredTensor>) -> (Vec<StoredTensor>, Vec<String>) {
    let (mut found, mut copies, mut thirds) = (vec![], vec![], vec![]);
    for tensor in tensors {
        let name = tensor.name.clone();
        match place(&name) {
            Place::One(ours) => found.push(renamed(tensor, ours)),
            Place::Copy(ours) => copies.push((ours, tensor)),
            Place::Third(ours, i) => thirds.push((ours, i, tensor)),
            Place::Nowhere => found.push(renamed(tensor, format!("{FOREIGN}{name}"))),
        }
    }
    let problems = once(copies, &mut found);
    thirds.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
    for group in thirds.chunk_by(|a, b| a.0 == b.0) {
        let parts: Vec<_> = group.iter().map(|(_, _, tensor)| tensor).collect();
        let whole = parts.len() == 3 && parts.iter().all(|part| !part.shape.to_vec().is_empty());
        let same = whole && parts.iter().all(|part| part.shape == parts[0].shape);
        if same {
            found.push(stacked(&parts, group[0].0.clone()));
        }
    }
    (found, problems)
}

/// One of each group of copies, if all are equal.
fn once(mut copies: Vec<(String, StoredTensor)>, found: &mut Vec<StoredTensor>) -> Vec<String> {
    copies.sort_by(|a, b| (&a.0, &a.1.name).cmp(&(&b.0, &b.1.name)));
    let mut problems = vec![];
    for group in copies.chunk_by(|a, b| a.0 == b.0) {
        let bytes = |tensor: &StoredTensor| tensor.to_bytes().map(|bytes| bytes.to_vec()).ok();
        let (ours, first) = &group[0];
        let expected = bytes(first);
        let other = group.iter().find(|(_, tensor)| {
            tensor.dtype != first.dtype || tensor.shape != first.shape || bytes(tensor) != expected
        });
        if let Some((_, other)) = other {
            problems.push(format!(
                "{}: differs from {}, where DiT has one for all blocks",
                other.name, first.name
            ));
        }
        found.push(renamed(first.clone(), ours.clone()));
    }
    problems
}

/// What a name of diffusers is in DiT.
enum Place {
    One(String),
    Copy(String),
    Third(String, usize),
    Nowhere,
}

const FOREIGN: &str = "(not of diffusers) ";

fn place(name: &str) -> Place {
    let renamed = |table: &[(&str, &str)], name: &str| {
        table.iter().find_map(|(theirs, ours)| {
            let rest = name.strip_prefix(theirs)?;
            Some(format!("{ours}{rest}"))
        })
    };
    let Some((index, inner)) = name
        .strip_prefix(BLOCKS)
        .and_then(|rest| rest.split_once('.'))
    else {
        return renamed(&OUTSIDE, name).map_or(Place::Nowhere, Place::One);
    };
    if let Some(ours) = renamed(&COPIED, inner) {
        return Place::Copy(ours);
    }
    for (i, projection) in PROJECTIONS.iter().enumerate() {
        if let Some(rest) = inner.strip_prefix(projection) {
            return Place::Third(format!("blocks.{index}.{FUSED}{rest}"), i);
        }
    }
    match renamed(&INSIDE, inner) {
        Some(ours) => Place::One(format!("blocks.{index}.{ours}")),
        None => Place::Nowhere,
    }
}

/// A name of DiT in errors as diffusers has it.
fn in_diffusers(name: &str) -> String {
    if let Some(foreign) = name.strip_prefix(FOREIGN) {
        return foreign.to_string();
    }
    let mut name = name.to_string();
    if let Some(rest) = name.strip_prefix("blocks.") {
        name = format!("{BLOCKS}{rest}").replace(FUSED, "attn1.to_{q,k,v}.");
    }
    for (theirs, ours) in OUTSIDE.iter().chain(&INSIDE) {
        if name.contains(ours) && !name.contains(theirs) {
            return name.replacen(ours, theirs, 1);
        }
    }
    for (theirs, ours) in COPIED {
        if let Some(rest) = name.strip_prefix(ours) {
            return format!("{BLOCKS}0.{theirs}{rest}");
        }
    }
    name
}

fn renamed(mut tensor: StoredTensor, name: String) -> StoredTensor {
    tensor.name = name;
    tensor
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SitConfig;
    use crate::dit_weights::tests::{same, tiny};
    use crate::model::tests::woken;
    use burn::tensor::TensorData;

    fn written() -> Vec<StoredTensor> {
        tiny().diffusers_tensors(&woken(&tiny().sit, &Default::default()))
    }

    fn refused(tensors: Vec<StoredTensor>) -> Mismatch {
        match tiny().load_diffusers(tensors, "test", &Default::default()) {
            Err(LoadError::Mismatch(mismatch)) => mismatch,
            other => panic!("expected a mismatch, got {:?}", other.map(|_| "a network")),
        }
    }

    #[test]
    fn the_names_are_those_of_diffusers() {
        let tensors = written();
        let names: Vec<_> = tensors.iter().map(|tensor| tensor.name.as_str()).collect();
        let block = [
            "attn1.to_k.bias",
            "attn1.to_k.weight",
            "attn1.to_out.0.bias",
            "attn1.to_out.0.weight",
            "attn1.to_q.bias",
            "attn1.to_q.weight",
            "attn1.to_v.bias",
            "attn1.to_v.weight",
            "ff.net.0.proj.bias",
            "ff.net.0.proj.weight",
            "ff.net.2.bias",
            "ff.net.2.weight",
            "norm1.emb.class_embedder.embedding_table.weight",
            "norm1.emb.timestep_embedder.linear_1.bias",
            "norm1.emb.timestep_embedder.linear_1.weight",
            "norm1.emb.timestep_embedder.linear_2.bias",
            "norm1.emb.timestep_embedder.linear_2.weight",
            "norm1.linear.bias",
            "norm1.linear.weight",
        ];
        let mut expected: Vec<String> = ["pos_embed.proj", "proj_out_1", "proj_out_2"]
            .iter()
            .flat_map(|layer| ["bias", "weight"].map(|part| format!("{layer}.{part}")))
            .collect();
        for i in 0..2 {
            expected.extend(block.map(|name| format!("transformer_blocks.{i}.{name}")));
        }
        assert_eq!(names, expected);
    }

    #[test]
    fn a_network_survives_the_way_to_diffusers_and_back() {
        let device = Device::default();
        let sit = woken(&tiny().sit, &device);
        let written = tiny().diffusers_tensors(&sit);
        let loaded = tiny()
            .load_diffusers(written.clone(), "memory", &device)
            .unwrap();
        same(&tiny().tensors(&sit), &tiny().tensors(&loaded));
        same(&written, &tiny().diffusers_tensors(&loaded));
    }

    #[test]
    fn embedders_that_differ_between_blocks_are_refused() {
        let mut tensors = written();
        let name = "transformer_blocks.1.norm1.emb.timestep_embedder.linear_2.bias";
        let other = tensors
            .iter_mut()
            .find(|tensor| tensor.name == name)
            .unwrap();
        let zeros = TensorData::from([0.0f32; 16]);
        *other = bridge::from_data(zeros, name.to_string(), None);
        let found = refused(tensors);
        assert_eq!(found.unusable.len(), 1);
        assert!(found.unusable[0].starts_with(name), "{found}");
    }

    #[test]
    fn what_is_missing_or_left_over_has_the_name_of_diffusers() {
        let mut tensors = written();
        let lost = ["transformer_blocks.0.attn1.to_k.bias", "proj_out_1.bias"];
        tensors.retain(|tensor| !lost.contains(&tensor.name.as_str()));
        let zero = TensorData::from([0.0f32]);
        tensors.push(bridge::from_data(
            zero,
            "blocks.0.attn.qkv.bias".to_string(),
            None,
        ));
        let mut found = refused(tensors);
        found.missing.sort();
        let expected = [
            "proj_out_1.bias",
            "transformer_blocks.0.attn1.to_{q,k,v}.bias",
        ];
        assert_eq!(found.missing, expected);
        assert_eq!(found.unexpected, ["blocks.0.attn.qkv.bias"]);
    }

    #[test]
    fn sizes_are_read_from_a_file_and_the_side_of_the_latents() {
        let square = DitConfig {
            sit: SitConfig {
                rows: 3,
                n_heads: 2,
                d_model: 128,
                ..tiny().sit
            },
            ..tiny()
        };
        let tensors = square.diffusers_tensors(&square.init(&Device::default()));
        assert_eq!(DitConfig::infer_diffusers(&tensors, 6), Ok(square));
        let error = DitConfig::infer_diffusers(&tensors, 5).unwrap_err();
        assert!(error.contains("do not fit latents of 5 x 5"), "{error}");
    }
}
