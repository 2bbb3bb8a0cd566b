//! What files of tensors there are beside encoders.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;
use svg_dino::DinoError;
use svg_eval::{Lpips, StoredMoments};
use svg_model::{
    CheckpointOptions, FlowCheckpoint, LatentStatistics, StoredLatentStatistics, StoredStatistics,
    svg,
};
use svg_nn::{StoredTensor, TensorFile};
use svg_store::listed;

use super::bundle::tokens;
use super::{Look, count, folder, grouped, vae};
use crate::any_weights::AnyWeights;
use crate::commands::stats::summary;
use crate::encoder::Hints;

/// A file that this program reads or writes, recognised by the names of its tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// DINOv3 or another frozen encoder, alone or within something that is not known.
    Encoder,
    /// A velocity network.
    Flow,
    /// A residual encoder, a decoder or both.
    Autoencoder,
    /// SD-VAE, VA-VAE and their relatives.
    Vae,
    /// What the training of an autoencoder needs beside it.
    AutoencoderRest,
    /// VGG16 or all of LPIPS.
    Perceptual,
    /// The linear layers of LPIPS alone.
    PerceptualLinears,
    /// Of an autoencoder.
    AlignmentStatistics,
    LatentStatistics,
    /// Of features, for distances.
    Moments,
    /// Of a cache.
    Shard,
    /// Written by `svg features`.
    Tokens,
    /// Written by `svg encode`.
    Features,
    /// Written by `svg sample --latents`.
    Noise,
    /// Written by `svg decode --raw`.
    Images,
    /// A network of a training's checkpoint.
    CheckpointPart,
}

impl Kind {
    /// What a file is; `None` if it is nothing of these.
    pub fn of(file: &TensorFile) -> Option<Self> {
        if folder::checkpoint_of(file.path()).is_some() {
            return Some(Self::CheckpointPart);
        }
        let names = || file.tensors().iter().map(|tensor| tensor.name.as_str());
        let has = |name: &str| names().any(|found| found == name);
        let ends = |end: &str| names().any(|found| found.ends_with(end));
        let contains = |part: &str| names().any(|found| found.contains(part));
        let all = |known: fn(&str) -> bool| names().all(known);
        let is_statistic = |name: &str| {
            let last = name.rsplit(['.', '_']).next();
            matches!(last, Some("mean" | "std"))
        };
        let is_rest = |name: &str| name.starts_with("loss.") || name.starts_with("norm_vit.");
        let known = [
            (Self::Shard, file.metadata().contains_key("cache")),
            (Self::Tokens, has("patch_tokens") && has("cls")),
            (Self::Features, has("features")),
            (Self::Noise, has("noise")),
            (Self::Images, has("images") && file.tensors().len() == 1),
            (
                Self::AlignmentStatistics,
                has("semantic.mean") && has("residual.mean"),
            ),
            (Self::Moments, ends(".count") && ends(".squares")),
            (Self::LatentStatistics, all(is_statistic)),
            (
                Self::Flow,
                ends("ln1.weight") && contains("adaLN_modulation."),
            ),
            (
                Self::Vae,
                contains("encoder.conv_in.") && contains("decoder.conv_in."),
            ),
            (Self::Autoencoder, contains("decoder.conv_in.")),
            (Self::AutoencoderRest, all(is_rest)),
            (
                Self::Perceptual,
                has("features.0.weight") || ends("slice1.0.weight"),
            ),
            (Self::PerceptualLinears, has("lin0.model.1.weight")),
        ];
        let mut known = known.into_iter();
        let known = known.find(|(_, is)| *is).map(|(kind, _)| kind);
        known.or_else(|| is_encoder(file.path()).then_some(Self::Encoder))
    }

    /// Says what the file holds, and opens it as the program would.
    pub fn describe(self, file: &TensorFile, look: &mut Look) -> Result<()> {
        let path = file.path();
        match self {
            Self::Encoder => Ok(()),
            Self::Flow => flow(path, look),
            Self::Autoencoder => autoencoder(path, look),
            Self::Vae => vae::describe(path, look),
            Self::AutoencoderRest => look.row(
                "architecture",
                "what the training of an autoencoder needs beside it (training-*.safetensors of a bundle)",
            ),
            Self::Perceptual => perceptual(path, look),
            Self::PerceptualLinears => look.row("architecture", "linear layers of LPIPS"),
            Self::AlignmentStatistics => {
                let stored = StoredStatistics::load(path)?;
                look.row("holds", "alignment statistics of an autoencoder")?;
                look.row("made", stored.source)
            }
            Self::LatentStatistics => latent_statistics(file, look),
            Self::Moments => moments(path, look),
            Self::Shard => shard(file, look),
            Self::Tokens => rows("tokens of `svg features`", "patch_tokens", file, look),
            Self::Features => rows("features of `svg encode`", "features", file, look),
            Self::Noise => rows("noise and latents of `svg sample`", "noise", file, look),
            Self::Images => rows("images of `svg decode --raw`", "images", file, look),
            Self::CheckpointPart => {
                let page = folder::checkpoint_of(path).context("no checkpoint.json beside it")?;
                look.row("holds", "a network of a training's checkpoint")?;
                match look.brief {
                    true => Ok(()),
                    false => folder::check_file(path, &page),
                }
            }
        }
    }
}

/// Whether there is an encoder in a file, whole or not.
fn is_encoder(path: &Path) -> bool {
    let opened = AnyWeights::open(path, Hints::default());
    let not =
        |error: &anyhow::Error| matches!(error.downcast_ref(), Some(DinoError::NotDino { .. }));
    !opened.as_ref().is_err_and(not)
}

fn flow(path: &Path, look: &mut Look) -> Result<()> {
    let flow = FlowCheckpoint::open(path, look.hints.key, None)?;
    let config = &flow.config;
    let size = format!(
        "{} layers, {} channels, {} heads",
        config.n_layers, config.d_model, config.n_heads
    );
    let classes = match flow.classes.as_slice() {
        [] => format!("{}, without names", config.n_classes),
        names => format!("{}: {}", config.n_classes, listed(names)),
    };
    look.row(
        "architecture",
        "velocity network SiT, for `svg import flow`",
    )?;
    look.row("parameters", grouped(config.n_params()))?;
    look.row("size", size)?;
    look.row(
        "latents",
        tokens(config.in_channels, [config.rows, config.columns]),
    )?;
    look.row("classes", classes)?;
    look.row("taken", taken(&flow.tensors))?;
    match look.brief {
        true => Ok(()),
        false => Ok(flow.check(&look.device.open_f32()?)?),
    }
}

fn autoencoder(path: &Path, look: &mut Look) -> Result<()> {
    let options = CheckpointOptions {
        key: look.hints.key.map(str::to_string),
        ..CheckpointOptions::default()
    };
    let found = svg::Checkpoint::open(path, &options)?;
    let config = &found.config;
    let decoder = format!("of {} channels", config.decoder.in_channels);
    look.row(
        "architecture",
        "autoencoder of SVG, for `svg import autoencoder`",
    )?;
    look.row("parameters", grouped(count(&found.autoencoder)))?;
    look.row(
        "residual",
        format!("{} channels", config.residual_channels()),
    )?;
    look.row("decoder", decoder)?;
    look.row("alignment", format!("{:?}", config.alignment))?;
    let encoder = match found.encoder.len() {
        0 => "not in it; `svg import autoencoder` needs --encoder".to_string(),
        tensors => format!("{tensors} tensors"),
    };
    look.row("encoder", encoder)?;
    look.row("taken", taken(&found.autoencoder))?;
    if !found.rest.is_empty() {
        let rest = format!("{} tensors of losses and norms", found.rest.len());
        look.row("not needed", rest)?;
    }
    match look.brief {
        true => Ok(()),
        false => Ok(found.check(&look.device.open_f32()?)?),
    }
}

pub(super) fn taken(tensors: &[StoredTensor]) -> String {
    format!(
        "{} tensors, {} numbers",
        tensors.len(),
        grouped(count(tensors))
    )
}

fn perceptual(path: &Path, look: &mut Look) -> Result<()> {
    look.row("architecture", "VGG16 of LPIPS, for --vgg")?;
    if !look.brief {
        Lpips::open(path, &look.device.open_f32()?)?;
    }
    Ok(())
}

fn latent_statistics(file: &TensorFile, look: &mut Look) -> Result<()> {
    look.row("holds", "latent statistics")?;
    if file.metadata().contains_key("features") {
        let stored = StoredLatentStatistics::load(file.path())?;
        look.row("features", &stored.features)?;
        look.row("statistics", summary(&stored))?;
        return look.row("made", stored.source);
    }
    let statistics = LatentStatistics::open(file.path())?;
    look.row("channels", statistics.channels())
}

fn moments(path: &Path, look: &mut Look) -> Result<()> {
    let stored = StoredMoments::load(path)?;
    look.row("holds", "moments of features, for `svg distance`")?;
    look.row("features", &stored.features)?;
    for (kind, moments) in &stored.kinds {
        let count = match moments.count() {
            Some(count) => grouped(count as usize),
            None => "an unknown number of".to_string(),
        };
        let channels = moments.channels();
        look.row(kind, format!("{count} vectors of {channels} channels"))?;
    }
    look.row("made", stored.source)
}

fn shard(file: &TensorFile, look: &mut Look) -> Result<()> {
    let told: Value = serde_json::from_str(&file.metadata()["cache"])?;
    let pictures = file
        .tensors()
        .iter()
        .find(|tensor| tensor.name == "pictures");
    let count = pictures.map_or(0, |pictures| pictures.shape.num_elements());
    let number = &told["shard"];
    look.row(
        "holds",
        format!("shard {number} of a cache: {count} pictures"),
    )?;
    look.row(
        "features",
        told["plan"]["features"].as_str().unwrap_or_default(),
    )
}

/// A file whose tensors have a row for each picture or sample.
fn rows(what: &str, name: &str, file: &TensorFile, look: &mut Look) -> Result<()> {
    let tensor = file.tensors().iter().find(|tensor| tensor.name == name);
    let tensor = tensor.with_context(|| format!("it has no tensor {name}"))?;
    let shape = tensor.shape.to_vec();
    let (count, one) = shape.split_first().context("its tensor has no axis")?;
    look.row(
        "holds",
        format!("{what}: {} rows of {one:?}", grouped(*count)),
    )?;
    for (key, text) in std::collections::BTreeMap::from_iter(file.metadata()) {
        match serde_json::from_str::<Vec<String>>(text) {
            Ok(names) => look.row(key, listed(&names))?,
            Err(_) => look.row(key, text)?,
        }
    }
    let named = file.metadata().get("paths");
    let named = named.and_then(|paths| serde_json::from_str::<Vec<String>>(paths).ok());
    if let Some(named) = named.filter(|named| named.len() != *count) {
        anyhow::bail!("it has {count} rows and {} names of pictures", named.len());
    }
    Ok(())
}
