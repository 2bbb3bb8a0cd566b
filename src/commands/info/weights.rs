//! What a file of tensors holds.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use svg_model::LatentStatistics;
use svg_nn::{Container, LoadError, StoredTensor, TensorFile};
use svg_store::{listed, printable};

use super::kind::Kind;
use super::{Look, bundle, count, grouped, numbers};
use crate::any_weights::AnyWeights;

/// Says what a file of tensors holds, and reads every number.
pub fn describe(path: &Path, look: &mut Look) -> Result<()> {
    let file = match TensorFile::open(path) {
        Ok(file) => file,
        Err(error @ LoadError::Malformed { .. }) => return other(path, look, error),
        Err(error) => return Err(error.into()),
    };
    let tensors = file.tensors();
    look.row("container", container(file.container()))?;
    look.row("tensors", tensors.len())?;
    look.row("numbers", grouped(count(tensors)))?;
    look.row("number types", dtypes(tensors))?;
    if !look.brief {
        table(tensors, look)?;
    }
    let kind = Kind::of(&file);
    if kind != Some(Kind::Encoder) {
        for note in file.notes() {
            look.row("note", note)?;
        }
    }
    let is_of_a_bundle = bundle::check_owner(file.path(), look)?;
    match kind {
        Some(Kind::Encoder) => encoder(path, look)?,
        // The manifest has its sizes, which shapes do not show.
        Some(Kind::Flow | Kind::Autoencoder) if is_of_a_bundle => {}
        Some(kind) => kind.describe(&file, look)?,
        None => {
            let names: Vec<_> = tensors.iter().map(|tensor| &tensor.name).collect();
            look.row(
                "architecture",
                "not recognised: no file that this program writes or reads",
            )?;
            look.row("names", listed(&names))?;
        }
    }
    numbers::check(&file, look)?;
    let verdict = numbers::verdict(look);
    look.row("problems", verdict)
}

/// What is no file of tensors by its form: statistics as plain numbers, or something else.
fn other(path: &Path, look: &mut Look, error: LoadError) -> Result<()> {
    if let Ok(statistics) = LatentStatistics::open(path) {
        let channels = statistics.channels();
        look.row("holds", format!("latent statistics of {channels} channels"))?;
        return look.row("problems", "none; it is whole");
    }
    Err(error.into())
}

fn table(tensors: &[StoredTensor], look: &mut Look) -> Result<()> {
    let names = || tensors.iter().map(|tensor| printable(&tensor.name));
    let widest = names().map(|name| name.len()).max().unwrap_or(0);
    look.text += "  table\n";
    for (name, tensor) in names().zip(tensors) {
        let (dtype, shape) = (dtype(tensor), tensor.shape.to_vec());
        look.text += &format!("    {name:widest$}  {dtype:<8} {shape:?}\n");
    }
    Ok(())
}

fn encoder(path: &Path, look: &mut Look) -> Result<()> {
    let weights = AnyWeights::open(path, look.hints)?;
    for (name, value) in weights.described(grouped) {
        look.row(name, value)?;
    }
    for (reason, count) in counted(weights.dropped().iter().map(|(_, reason)| reason)) {
        look.row("not needed", format!("{count} tensors: {reason}"))?;
    }
    for note in weights.notes() {
        look.row("note", note)?;
    }
    match look.brief {
        true => weights.check_shapes(),
        false => weights.check(&look.device.open_f32()?),
    }
}

fn container(container: Container) -> &'static str {
    match container {
        Container::Safetensors => "safetensors",
        Container::ShardedSafetensors => "sharded safetensors",
        Container::ShardedPytorch => "sharded PyTorch",
        Container::Pytorch => "PyTorch",
    }
}

fn dtype(tensor: &StoredTensor) -> String {
    format!("{:?}", tensor.dtype)
        .to_lowercase()
        .replace("bool(native)", "bool")
}

/// `bf16 (1), f32 (211)`
fn dtypes(tensors: &[StoredTensor]) -> String {
    let counts = counted(tensors.iter().map(dtype)).into_iter();
    let parts = counts.map(|(dtype, count)| format!("{dtype} ({count})"));
    parts.collect::<Vec<_>>().join(", ")
}

fn counted<T: Ord>(all: impl Iterator<Item = T>) -> BTreeMap<T, usize> {
    let mut counts = BTreeMap::new();
    for one in all {
        *counts.entry(one).or_insert(0) += 1;
    }
    counts
}
