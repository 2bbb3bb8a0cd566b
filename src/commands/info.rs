//! `svg info`: what a weight file holds.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;
use svg_dino::{DinoError, Layout};
use svg_model::{Bundle, ENCODER, FLOW, Manifest, Part, Registry, SPACE, svg};
use svg_nn::{Container, StoredTensor, TensorFile};

use crate::commands::print;
use crate::encoder::open_weights;

/// Say what a weight file, folder or bundle holds, and what is wrong with it
///
/// Nothing is loaded: sizes come from headers. Ends with a failure if a file has a problem.
#[derive(Args)]
#[command(after_help = "\
Examples:
  svg info dinov3_vits16plus_pretrain_lvd1689m-4057cbaa.pth
  svg info --brief dinov3-vit7b16/ svg_autoencoder.ckpt")]
pub struct Info {
    /// Weight files, shard indices, folders or bundles
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Architecture, where the file does not say it: vits16, vits16plus, vitb16, ...
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
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
        writeln!(out, "  container     {}", container(file.container()))?;
        writeln!(out, "  tensors       {}", file.tensors().len())?;
        writeln!(out, "  numbers       {}", grouped(count(file.tensors())))?;
        writeln!(out, "  number types  {}", dtypes(file.tensors()))?;
        if !self.brief {
            let widest = file
                .tensors()
                .iter()
                .map(|t| t.name.len())
                .max()
                .unwrap_or(0);
            writeln!(out, "  table")?;
            for tensor in file.tensors() {
                let shape = tensor.shape.to_vec();
                writeln!(
                    out,
                    "    {:widest$}  {:<8} {shape:?}",
                    tensor.name,
                    dtype(tensor)
                )?;
            }
        }
        let dino = match open_weights(path, self.model.as_deref()) {
            Err(error) if matches!(error.downcast_ref(), Some(DinoError::NotDino { .. })) => {
                writeln!(
                    out,
                    "  architecture  not recognised; DINOv3 is what this program knows"
                )?;
                return Ok(());
            }
            other => other?,
        };
        let config = dino.config();
        let parameters = grouped(count(dino.tensors()));
        writeln!(
            out,
            "  architecture  DINOv3 {}",
            config.name().unwrap_or("of an unreleased size")
        )?;
        writeln!(out, "  layout        {}", layout(dino.layout()))?;
        writeln!(
            out,
            "  parameters    {parameters}, with a fused bias for the keys"
        )?;
        writeln!(
            out,
            "  size          {} layers, {} channels, {} heads, {:?} of {}, patches of {}",
            config.n_layers,
            config.d_model,
            config.n_heads,
            config.feed_forward,
            config.d_ff,
            config.patch_size
        )?;
        writeln!(out, "  periods       {:?}", config.rope_periods)?;
        writeln!(
            out,
            "  pixels        mean {:?}, std {:?}",
            config.pixels.mean, config.pixels.std
        )?;
        let mut reasons = BTreeMap::new();
        for (_, reason) in dino.dropped() {
            *reasons.entry(reason).or_insert(0) += 1;
        }
        for (reason, count) in reasons {
            writeln!(out, "  not needed    {count} tensors: {reason}")?;
        }
        for note in dino.notes() {
            writeln!(out, "  note          {note}")?;
        }
        dino.check()?;
        writeln!(out, "  problems      none")?;
        Ok(())
    }
}

/// What a bundle holds, part by part.
fn describe_bundle(path: &Path, out: &mut String) -> Result<()> {
    let bundle = Bundle::open(path)?;
    let manifest = bundle.manifest();
    let registry = Registry::standard();
    writeln!(
        out,
        "  container     SVG bundle, format {}",
        manifest.format
    )?;
    for (name, part) in &manifest.parts {
        writeln!(out, "  part          {name}, of the kind {}", part.kind)?;
        describe_part(name, part, &bundle, out)?;
        for (file, entry) in &part.files {
            writeln!(
                out,
                "    file        {file}, {} bytes",
                grouped(entry.bytes as usize)
            )?;
        }
    }
    let unknown = manifest.parts.iter();
    let unknown = unknown.filter(|(_, part)| !registry.knows(&part.kind));
    let unknown: Vec<_> = unknown
        .map(|(name, part)| format!("{name} is of the kind {}", part.kind))
        .collect();
    if !unknown.is_empty() {
        bail!(
            "{}, which svg {} does not know; use a newer version, or the program that made the bundle",
            unknown.join(", "),
            env!("CARGO_PKG_VERSION")
        );
    }
    writeln!(out, "  problems      none")?;
    Ok(())
}

fn describe_part(name: &str, part: &Part, bundle: &Bundle, out: &mut String) -> Result<()> {
    if !part.name.is_empty() {
        writeln!(out, "    name        {}", part.name)?;
    }
    if let Some(fingerprint) = &part.fingerprint {
        writeln!(out, "    fingerprint {fingerprint}")?;
    }
    if let Some(at) = bundle.weights(name) {
        let there = match at.exists() {
            true => "",
            false if name == ENCODER => " (not there; name it with --encoder)",
            false => " (not there)",
        };
        writeln!(out, "    weights     {}{there}", at.display())?;
    }
    let scalars = part.config.as_object().into_iter().flatten();
    let scalars = scalars.filter(|(_, value)| !(value.is_object() || value.is_array()));
    let scalars: Vec<_> = scalars
        .map(|(field, value)| format!("{field} {value}"))
        .collect();
    if !scalars.is_empty() {
        writeln!(out, "    config      {}", scalars.join(", "))?;
    }
    if let Some(geometry) = part.geometry {
        let [height, width] = geometry.image;
        writeln!(
            out,
            "    geometry    {} channels on {} x {} tokens, images of {height} x {width}",
            geometry.channels, geometry.rows, geometry.columns
        )?;
    }
    if let Some(flow) = part.velocity {
        let named = match part.classes.is_empty() {
            true => "without names",
            false => "with names",
        };
        let [rows, columns] = flow.grid;
        writeln!(
            out,
            "    latents     {} channels on {rows} x {columns} tokens",
            flow.channels
        )?;
        writeln!(out, "    classes     {}, {named}", flow.classes)?;
    }
    if let (FLOW, Some(file)) = (name, bundle.file(FLOW, FLOW)) {
        let parameters = grouped(count(TensorFile::open(file)?.tensors()));
        writeln!(out, "    parameters  {parameters}")?;
    }
    if name == SPACE
        && let Ok(config) = svg::space_config(bundle)
    {
        writeln!(out, "    alignment   {:?}", config.alignment)?;
        if let Some(stored) = svg::alignment_statistics(bundle)? {
            let (semantic, residual) = (stored.statistics.semantic, stored.statistics.residual);
            writeln!(
                out,
                "    statistics  semantic {:+.4} \u{b1} {:.4}, residual {:+.4} \u{b1} {:.4}; {}",
                semantic.mean, semantic.std, residual.mean, residual.std, stored.source
            )?;
        }
    }
    if name == svg_model::LATENTS
        && let Some(stored) = bundle.latent_statistics()?
    {
        let (summary, source) = (crate::commands::stats::summary(&stored), &stored.source);
        writeln!(out, "    statistics  {summary}; {source}")?;
    }
    let provenance = &part.provenance;
    if !provenance.made_by.is_empty() {
        writeln!(
            out,
            "    made        {}, by {}",
            provenance.source, provenance.made_by
        )?;
    }
    if let Some(steps) = provenance.steps {
        writeln!(out, "    steps       {}", grouped(steps as usize))?;
    }
    if let Some(perceptual) = &provenance.perceptual {
        writeln!(out, "    perceptual  {perceptual}")?;
    }
    Ok(())
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
    let sizes = tensors
        .into_iter()
        .map(|t| t.shape.iter().product::<usize>());
    sizes.sum()
}

fn dtype(tensor: &StoredTensor) -> String {
    format!("{:?}", tensor.dtype)
        .to_lowercase()
        .replace("bool(native)", "bool")
}

/// `bf16 (1), f32 (211)`
fn dtypes(tensors: &[StoredTensor]) -> String {
    let mut counts = BTreeMap::new();
    for tensor in tensors {
        *counts.entry(dtype(tensor)).or_insert(0) += 1;
    }
    let parts = counts
        .iter()
        .map(|(dtype, count)| format!("{dtype} ({count})"));
    parts.collect::<Vec<_>>().join(", ")
}

/// `28,697,472`
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let groups: Vec<_> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(String::from_utf8_lossy)
        .collect();
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
