//! Encoders from weight files, as a role and as a part of a bundle.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use burn::prelude::*;
use svg_dino::{DinoConfig, DinoError, DinoFile, Layout};
use svg_model::{NewEncoder, kinds};
use svg_roles::Encoder;
use svg_store::{printable, printable_path};
use svg_vit::{VitConfig, VitFile};

use crate::any_weights::AnyWeights;
use crate::commands::init;
use crate::progress::status;

/// An encoder that was read from a file.
#[derive(Clone)]
pub struct EncoderFile {
    pub encoder: Arc<dyn Encoder>,
    /// How a bundle refers to it.
    pub part: NewEncoder,
}

impl EncoderFile {
    /// Reads the weights at `path`, of which `hints` say more, prints what is worth knowing about them, and puts
    /// them on `device`.
    pub fn open(path: &Path, hints: Hints, device: &Device) -> Result<Self> {
        Self::of(AnyWeights::open(path, hints)?, device)
    }

    /// [`open`](Self::open) for weights that are opened already.
    pub fn of(weights: AnyWeights, device: &Device) -> Result<Self> {
        match weights {
            AnyWeights::Dino(file) => Self::of_dino(*file, device),
            AnyWeights::Vit(file) => Self::of_vit(*file, device),
        }
    }

    fn of_dino(file: DinoFile, device: &Device) -> Result<Self> {
        say_notes(&file);
        let dino = file.load(device)?;
        // Weights of others are referred to; only our own are copied.
        let copy = is_ours(file.origin()).then(|| {
            let (file, layout) = (DinoFile::of(&dino), Layout::Official);
            let metadata = file.metadata(layout, Path::new("encoder.safetensors"));
            (file.tensors_in(layout), metadata)
        });
        let part = NewEncoder {
            kind: kinds::DINOV3.to_string(),
            name: dino.spec().name,
            config: serde_json::to_value(dino.config())?,
            fingerprint: dino.fingerprint()?,
            path: Some(file.path().to_path_buf()),
            copy,
            notes: file.notes().to_vec(),
        };
        Ok(Self {
            encoder: Arc::new(dino),
            part,
        })
    }

    fn of_vit(file: VitFile, device: &Device) -> Result<Self> {
        say(file.path(), file.notes());
        let vit = file.load(device)?;
        let part = NewEncoder {
            kind: kinds::VIT.to_string(),
            name: vit.spec().name,
            config: serde_json::to_value(vit.config())?,
            fingerprint: vit.fingerprint()?,
            path: Some(file.path().to_path_buf()),
            copy: None,
            notes: file.notes().to_vec(),
        };
        Ok(Self {
            encoder: Arc::new(vit),
            part,
        })
    }

    pub fn path(&self) -> &Path {
        self.part.path.as_deref().unwrap_or(Path::new(""))
    }
}

/// Whether weights say that they were made here, so that a copy of them may travel with a model.
fn is_ours(origin: Option<&str>) -> bool {
    let ours = [init::ORIGIN, svg_train::pretrain::ORIGIN];
    origin.is_some_and(|origin| ours.iter().any(|made| origin.starts_with(made)))
}

/// Prints what is worth knowing about a file of weights.
pub fn say_notes(file: &DinoFile) {
    say(file.path(), file.notes());
}

/// Prints notes about a file.
pub fn say<'a>(path: &Path, notes: impl IntoIterator<Item = &'a String>) {
    for note in notes {
        status!("note: {}: {}", printable_path(path), printable(note));
    }
}

/// What a file of weights may not say of itself.
#[derive(Clone, Copy, Default)]
pub struct Hints<'a> {
    /// The name of its architecture.
    pub model: Option<&'a str>,
    /// Which of its networks, where it holds several.
    pub key: Option<&'a str>,
}

/// Opens the weights of a DINOv3.
pub fn open_weights(path: &Path, Hints { model, key }: Hints) -> Result<DinoFile> {
    let Some(name) = model else {
        return DinoFile::open_network(path, key).map_err(|error| match error {
            DinoError::Architecture { .. } => anyhow::anyhow!(
                "{error}; or name it with --model, which `svg features`, `svg info` and `svg convert` have"
            ),
            DinoError::Config { .. } => anyhow::anyhow!(
                "{error}; files beside the weights are not read if --model names the architecture"
            ),
            other => other.into(),
        });
    };
    let config = DinoConfig::preset(name).with_context(|| {
        let known = DinoConfig::preset_names().chain(VitConfig::preset_names());
        let known: Vec<_> = known.collect();
        format!("--model {name} is unknown; known are {}", known.join(", "))
    })?;
    Ok(DinoFile::open_network_as(path, key, config)?)
}
