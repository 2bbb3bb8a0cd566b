//! Files of tensors: safetensors, files of PyTorch, folders of the hub, published checkpoints, statistics and moments.

use std::path::Path;

use anyhow::{Result, bail};
use burn::prelude::Device;
use svg_dino::DinoFile;
use svg_eval::StoredMoments;
use svg_model::{
    Checkpoint, CheckpointOptions, FlowCheckpoint, LatentStatistics, StoredLatentStatistics,
    StoredStatistics,
};
use svg_nn::TensorFile;
use svg_store::{RowReader, Safetensors, TorchFile};

use super::Target;
use crate::input::Seed;
use crate::verdict::Verdict;
use crate::world::repository;

/// Tensors of more elements are not read: a view may repeat one number as often as it likes.
const MOST_ELEMENTS: usize = 1 << 20;

pub fn targets() -> Vec<Target> {
    vec![
        Target {
            name: "safetensors",
            about: "safetensors, whole and row by row",
            share: 80,
            seeds: |world| {
                let mut seeds = Seed::files(&repository("tests/golden/dinov3"), &["safetensors"])?;
                for name in ["tokens", "features", "noise", "images"] {
                    seeds.push(Seed::file(world.path(&format!("{name}.safetensors"))));
                }
                Ok(seeds)
            },
            made: true,
            anew: false,
            check: |input, _| Verdict::of(safetensors(&input.file)),
        },
        Target {
            name: "torch",
            about: "files of torch.save and the pickles in them",
            share: 120,
            seeds: |_| {
                let mut seeds =
                    Seed::files(&repository("crates/svg-store/tests/torch/files"), &["pt"])?;
                seeds.extend(Seed::files(
                    &repository("tests/golden/dinov3"),
                    &["pth", "bin"],
                )?);
                Ok(seeds)
            },
            made: false,
            anew: false,
            check: |input, _| Verdict::of(torch(&input.file)),
        },
        Target {
            name: "encoders",
            about: "weights of DINOv3 in every layout, with the documents beside them",
            share: 60,
            seeds: |world| {
                let libraries = repository("tests/golden/dinov3/libraries");
                let mut seeds = Vec::new();
                for entry in std::fs::read_dir(libraries)? {
                    let weights = entry?.path().join("weights");
                    if weights.is_dir() {
                        seeds.extend(Seed::folder(&weights)?);
                    }
                }
                seeds.extend(Seed::folder(&world.path("hf"))?);
                for name in ["encoder.safetensors", "timm.safetensors"] {
                    seeds.push(Seed::file(world.path(name)));
                }
                Ok(seeds)
            },
            made: true,
            anew: false,
            check: |input, _| {
                let device = Device::default();
                Verdict::of(DinoFile::open(&input.place).and_then(|file| file.load(&device)))
            },
        },
        Target {
            name: "checkpoints",
            about: "published checkpoints of autoencoders and velocity networks",
            share: 40,
            seeds: |world| {
                let names = ["checkpoint.safetensors", "flow.safetensors"];
                Ok(names.map(|name| Seed::file(world.path(name))).into())
            },
            made: true,
            anew: false,
            check: |input, _| Verdict::of(checkpoint(&input.file)),
        },
        Target {
            name: "statistics",
            about: "latent and alignment statistics, and moments of features",
            share: 40,
            seeds: |world| {
                let mut seeds = vec![Seed::file(world.path("moments.safetensors"))];
                let bundle = Seed::files(&world.path("bundle"), &["safetensors"])?;
                seeds.extend(bundle.into_iter().filter(|seed| {
                    let name = seed.place.file_name().unwrap_or_default();
                    let name = name.to_string_lossy();
                    name.starts_with("latents") || name.starts_with("statistics")
                }));
                Ok(seeds)
            },
            made: true,
            anew: false,
            check: |input, _| Verdict::of(statistics(&input.file)),
        },
    ]
}

fn safetensors(path: &Path) -> Result<()> {
    let file = Safetensors::open(path)?;
    for tensor in file.tensors() {
        let _ = file.data(tensor).iter().fold(0u8, |sum, byte| sum ^ byte);
        if let Some(mut rows) = RowReader::open(path, &tensor.name)? {
            let count = rows.shape()[0].min(3);
            rows.read(0..count)?;
        }
    }
    numbers(path)
}

fn torch(path: &Path) -> Result<()> {
    let file = TorchFile::open(path)?;
    for tensor in file.tensors() {
        let count = tensor
            .shape
            .iter()
            .try_fold(1usize, |count, side| count.checked_mul(*side));
        if count.is_some_and(|count| count <= MOST_ELEMENTS) {
            let _ = file.read(tensor);
        }
    }
    numbers(path)
}

/// Reads the numbers of every tensor, as weights are read.
fn numbers(path: &Path) -> Result<()> {
    let file = TensorFile::open(path)?;
    for tensor in file.tensors() {
        if tensor.shape.num_elements() <= MOST_ELEMENTS {
            let _ = file.numbers(&tensor.name);
        }
    }
    Ok(())
}

/// Opens a checkpoint and loads its networks, as `svg import` does.
fn checkpoint(path: &Path) -> Result<()> {
    let device = Device::default();
    let autoencoder = path.ends_with("checkpoint.safetensors");
    match autoencoder {
        true => {
            let options = CheckpointOptions {
                norm_groups: Some(4),
                ..CheckpointOptions::default()
            };
            Ok(Checkpoint::open(path, &options)?.check(&device)?)
        }
        false => Ok(FlowCheckpoint::open(path, None, None)?.check(&device)?),
    }
}

fn statistics(path: &Path) -> Result<()> {
    let errors = [
        StoredMoments::load(path)
            .err()
            .map(|error| error.to_string()),
        LatentStatistics::open(path)
            .err()
            .map(|error| error.to_string()),
        StoredLatentStatistics::load(path)
            .err()
            .map(|error| error.to_string()),
        StoredStatistics::load(path)
            .err()
            .map(|error| error.to_string()),
    ];
    match errors.iter().all(Option::is_some) {
        true => bail!(
            "{}",
            errors.into_iter().flatten().collect::<Vec<_>>().join("; ")
        ),
        false => Ok(()),
    }
}
