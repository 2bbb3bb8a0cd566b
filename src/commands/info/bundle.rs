//! What a bundle holds.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result, bail};
use svg_model::{Bundle, ENCODER, FLOW, LATENTS, Manifest, Part, Registry, SPACE, svg};
use svg_store::{printable, sha256_file};

use super::{Look, count, grouped, numbers};
use crate::commands::stats::summary;

/// Says what a bundle holds. Opening it has compared every file with its hash.
pub fn describe(path: &Path, look: &mut Look) -> Result<()> {
    let bundle = Bundle::open(path)?;
    let out = &mut look.text;
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
    let names = bundle.manifest().files().map(|(name, _)| name);
    for name in names.filter(|name| name.ends_with(".safetensors")) {
        let file = bundle.open_file(name)?;
        numbers::check_open(&file, look).with_context(|| name.clone())?;
    }
    look.row("problems", "none; every file has the hash of the manifest")
}

/// Says which part of a bundle a file belongs to, and whether it is the one of the manifest; `false` if it
/// belongs to none.
pub fn check_owner(path: &Path, look: &mut Look) -> Result<bool> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let Ok(manifest) = Manifest::read(folder) else {
        return Ok(false);
    };
    let mut parts = manifest.parts.iter();
    let owner = parts.find_map(|(part, of)| Some((part, &of.kind, of.files.get(&*name)?)));
    let Some((part, kind, entry)) = owner else {
        return Ok(false);
    };
    look.row("part of", format!("a bundle: {part}, of the kind {kind}"))?;
    if !look.brief && sha256_file(path)? != entry.sha256 {
        bail!(
            "{name} is not the file that the manifest beside it describes; fetch the bundle again"
        );
    }
    Ok(true)
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
        (FLOW, Some(_)) => Some(grouped(count(bundle.tensors(FLOW, FLOW)?.tensors()))),
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
            writeln!(out, "    {label:<11} {}", printable(&value))?;
        }
    }
    Ok(())
}

/// `392 channels on 16 x 16 tokens`
pub fn tokens(channels: usize, [rows, columns]: [usize; 2]) -> String {
    format!("{channels} channels on {rows} x {columns} tokens")
}
