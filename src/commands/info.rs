//! `svg info`: what a weight file holds.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;
use svg_dino::{DinoError, Layout};
use svg_model::{Bundle, ENCODER, FLOW, LATENTS, Manifest, Part, Registry, SPACE, svg};
use svg_nn::{Container, StoredTensor, TensorFile};

use crate::commands::print;
use crate::commands::stats::summary;
use crate::encoder::{Hints, open_weights};

/// Say what a weight file, folder or bundle holds, and what is wrong with it
///
/// Nothing is loaded: sizes come from headers. Ends with a failure if a file has a problem.
#[derive(Args)]
#[command(after_help = "Examples:
  svg info dinov3_vits16plus_pretrain_lvd1689m-4057cbaa.pth
  svg info --brief dinov3-vit7b16/ svg_autoencoder.ckpt")]
pub struct Info {
    /// Weight files, shard indices, folders or bundles
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Architecture, where the file does not say it: vits16, vits16plus, vitb16, ...
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Which network of the weight file, where it holds several: the names before its tensors, such as ema or
    /// student.backbone [default: averaged weights, where there are any]
    #[arg(long, value_name = "KEY")]
    weights_key: Option<String>,
    /// Leave out the table of tensors
    #[arg(long)]
    brief: bool,
}

impl Info {
    pub fn run(self) -> Result<()> {
        let mut problems = 0;
        for (index, path) in self.files.iter().enumerate() {
            let mut text = String::from(if index > 0 { "\n" } else { "" });
            if let Err(error) = self.describe(path, &mut text) {
                writeln!(text, "problem: {error:#}")?;
                problems += 1;
            }
            print(&text)?;
        }
        match problems {
            0 => Ok(()),
            _ => bail!("{problems} of {} files have problems", self.files.len()),
        }
    }

    fn describe(&self, path: &Path, out: &mut String) -> Result<()> {
        writeln!(out, "{}", path.display())?;
        if Manifest::path(path).is_file() {
            return describe_bundle(path, out);
        }
        let file = TensorFile::open(path)?;
        let tensors = file.tensors();
        writeln!(out, "  container     {}", container(file.container()))?;
        writeln!(out, "  tensors       {}", tensors.len())?;
        writeln!(out, "  numbers       {}", grouped(count(tensors)))?;
        writeln!(out, "  number types  {}", dtypes(tensors))?;
        if !self.brief {
            let widest = tensors.iter().map(|tensor| tensor.name.len()).max();
            let widest = widest.unwrap_or(0);
            writeln!(out, "  table")?;
            for tensor in tensors {
                let (name, dtype, shape) = (&tensor.name, dtype(tensor), tensor.shape.to_vec());
                writeln!(out, "    {name:widest$}  {dtype:<8} {shape:?}")?;
            }
        }
        let hints = Hints {
            model: self.model.as_deref(),
            key: self.weights_key.as_deref(),
        };
        let dino = match open_weights(path, hints) {
            Err(error) if matches!(error.downcast_ref(), Some(DinoError::NotDino { .. })) => {
                let reason = "not recognised; DINOv3 is what this program knows";
                return Ok(writeln!(out, "  architecture  {reason}")?);
            }
            other => other?,
        };
        let config = dino.config();
        let name = config.name().unwrap_or("of an unreleased size");
        let parameters = grouped(count(dino.tensors()));
        let layers = format!("{:?} of {}", config.feed_forward, config.d_ff);
        let (mean, std) = (config.pixels.mean, config.pixels.std);
        writeln!(out, "  architecture  DINOv3 {name}")?;
        writeln!(out, "  layout        {}", layout(dino.layout()))?;
        writeln!(
            out,
            "  parameters    {parameters}, with a fused bias for the keys"
        )?;
        writeln!(
            out,
            "  size          {} layers, {} channels, {} heads, {layers}, patches of {}",
            config.n_layers, config.d_model, config.n_heads, config.patch_size
        )?;
        writeln!(out, "  periods       {:?}", config.rope_periods)?;
        writeln!(out, "  pixels        mean {mean:?}, std {std:?}")?;
        let reasons = counted(dino.dropped().iter().map(|(_, reason)| reason));
        for (reason, count) in reasons {
            writeln!(out, "  not needed    {count} tensors: {reason}")?;
        }
        for note in dino.notes() {
            writeln!(out, "  note          {note}")?;
        }
        dino.check()?;
        Ok(writeln!(out, "  problems      none")?)
    }
}

fn describe_bundle(path: &Path, out: &mut String) -> Result<()> {
    let bundle = Bundle::open(path)?;
    let Manifest { format, parts, .. } = bundle.manifest();
    let registry = Registry::standard();
    writeln!(out, "  container     SVG bundle, format {format}")?;
    for (name, part) in parts {
        writeln!(out, "  part          {name}, of the kind {}", part.kind)?;
        describe_part(name, part, &bundle, out)?;
        for (file, entry) in &part.files {
            let bytes = grouped(entry.bytes as usize);
            writeln!(out, "    file        {file}, {bytes} bytes")?;
        }
    }
    let unknown = parts.iter().filter(|(_, part)| !registry.knows(&part.kind));
    let unknown = unknown.map(|(name, part)| format!("{name} is of the kind {}", part.kind));
    let unknown: Vec<_> = unknown.collect();
    if !unknown.is_empty() {
        bail!(
            "{}, which svg {} does not know; use a newer version, or the program that made the bundle",
            unknown.join(", "),
            env!("CARGO_PKG_VERSION")
        );
    }
    Ok(writeln!(out, "  problems      none")?)
}

fn describe_part(name: &str, part: &Part, bundle: &Bundle, out: &mut String) -> Result<()> {
    let said = |text: &str| (!text.is_empty()).then(|| text.to_string());
    let weights = bundle.weights(name).map(|at| {
        let there = match at.exists() {
            true => "",
            false if name == ENCODER => " (not there; name it with --encoder)",
            false => " (not there)",
        };
        format!("{}{there}", at.display())
    });
    let scalars = part.config.as_object().into_iter().flatten();
    let scalars = scalars.filter(|(_, value)| !(value.is_object() || value.is_array()));
    let scalars: Vec<_> = scalars
        .map(|(field, value)| format!("{field} {value}"))
        .collect();
    let geometry = part.geometry.map(|geometry| {
        let [height, width] = geometry.image;
        let tokens = tokens(geometry.channels, geometry.grid());
        format!("{tokens}, images of {height} x {width}")
    });
    let flow = part.velocity;
    let latents = flow.map(|flow| tokens(flow.channels, flow.grid));
    let named = match part.classes.is_empty() {
        true => "without",
        false => "with",
    };
    let classes = flow.map(|flow| format!("{}, {named} names", flow.classes));
    let parameters = match (name, bundle.file(FLOW, FLOW)) {
        (FLOW, Some(file)) => Some(grouped(count(TensorFile::open(file)?.tensors()))),
        _ => None,
    };
    let space = svg::space_config(bundle).ok().filter(|_| name == SPACE);
    let alignment = space.map(|config| format!("{:?}", config.alignment));
    let statistics = match name {
        SPACE if alignment.is_some() => svg::alignment_statistics(bundle)?.map(|stored| {
            let (semantic, residual) = (stored.statistics.semantic, stored.statistics.residual);
            format!(
                "semantic {:+.4} \u{b1} {:.4}, residual {:+.4} \u{b1} {:.4}; {}",
                semantic.mean, semantic.std, residual.mean, residual.std, stored.source
            )
        }),
        LATENTS => {
            let stored = bundle.latent_statistics()?;
            stored.map(|stored| format!("{}; {}", summary(&stored), stored.source))
        }
        _ => None,
    };
    let provenance = &part.provenance;
    let by = said(&provenance.made_by);
    let made = by.map(|by| format!("{}, by {by}", provenance.source));
    let steps = provenance.steps.map(|steps| grouped(steps as usize));
    let rows = [
        ("name", said(&part.name)),
        ("fingerprint", part.fingerprint.clone()),
        ("weights", weights),
        ("config", said(&scalars.join(", "))),
        ("geometry", geometry),
        ("latents", latents),
        ("classes", classes),
        ("parameters", parameters),
        ("alignment", alignment),
        ("statistics", statistics),
        ("made", made),
        ("steps", steps),
        ("perceptual", provenance.perceptual.clone()),
    ];
    for (label, value) in rows {
        if let Some(value) = value {
            writeln!(out, "    {label:<11} {value}")?;
        }
    }
    Ok(())
}

fn tokens(channels: usize, [rows, columns]: [usize; 2]) -> String {
    format!("{channels} channels on {rows} x {columns} tokens")
}

fn container(container: Container) -> &'static str {
    match container {
        Container::Safetensors => "safetensors",
        Container::ShardedSafetensors => "sharded safetensors",
        Container::Pytorch => "PyTorch",
    }
}

fn layout(layout: Layout) -> &'static str {
    match layout {
        Layout::Official => "official",
        Layout::HuggingFace => "Hugging Face",
        Layout::Timm => "timm",
    }
}

fn count<'a>(tensors: impl IntoIterator<Item = &'a StoredTensor>) -> usize {
    let tensors = tensors.into_iter();
    tensors.map(|tensor| tensor.shape.num_elements()).sum()
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

/// `28,697,472`
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let groups = digits.as_bytes().rchunks(3).rev();
    let groups: Vec<_> = groups.map(String::from_utf8_lossy).collect();
    groups.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!(grouped(7), "7");
        assert_eq!(grouped(1000), "1,000");
        assert_eq!(grouped(28_697_472), "28,697,472");
    }
}
