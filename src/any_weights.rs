//! Weights of frozen encoders of any family: opened, described, loaded.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use burn::prelude::*;
use svg_dino::{Dino, DinoFile, FeedForwardKind, RopePeriods};
use svg_nn::{Precision, StoredTensor};
use svg_vit::{Family, Positions, Vit, VitConfig, VitError, VitFile};

use crate::encoder::{Hints, open_weights};

/// The weights of an encoder of any family, opened and not read.
pub enum AnyWeights {
    Dino(Box<DinoFile>),
    Vit(Box<VitFile>),
}

impl AnyWeights {
    /// Opens what the file holds, or what it is said to hold.
    pub fn open(path: &Path, hints: Hints) -> Result<Self> {
        if let Some(config) = hints.model.and_then(VitConfig::preset) {
            let file = VitFile::open_network_as(path, hints.key, config)?;
            return Ok(Self::Vit(Box::new(file)));
        }
        let dino = || open_weights(path, hints).map(|file| Self::Dino(Box::new(file)));
        if hints.model.is_some() {
            return dino();
        }
        // DINOv3 with other names would be taken for a damaged one, so the others are asked first.
        match VitFile::open_network(path, hints.key) {
            Ok(file) => Ok(Self::Vit(Box::new(file))),
            Err(VitError::NotVit { .. } | VitError::Load(_)) if !is_vit(path) => dino(),
            Err(error @ VitError::Architecture { .. }) => Err(anyhow::anyhow!(
                "{error}; --model names it to `svg features`, `svg info` and `svg probe`"
            )),
            Err(error) => Err(error.into()),
        }
    }
}

/// What a command must know of weights before it reads them.
pub struct Sizes {
    pub d_model: usize,
    pub n_layers: usize,
    pub n_registers: usize,
    pub patch_size: usize,
    /// Whether there is a token for the whole picture.
    pub has_summary: bool,
}

impl AnyWeights {
    pub fn sizes(&self) -> Sizes {
        match self {
            Self::Dino(file) => {
                let config = file.config();
                Sizes {
                    d_model: config.d_model,
                    n_layers: config.n_layers,
                    n_registers: config.n_registers,
                    patch_size: config.patch_size,
                    has_summary: true,
                }
            }
            Self::Vit(file) => {
                let config = file.config();
                Sizes {
                    d_model: config.d_model,
                    n_layers: config.n_layers,
                    n_registers: config.n_registers,
                    patch_size: config.patch_size,
                    has_summary: config.has_summary(),
                }
            }
        }
    }

    pub fn path(&self) -> &Path {
        match self {
            Self::Dino(file) => file.path(),
            Self::Vit(file) => file.path(),
        }
    }

    pub fn notes(&self) -> &[String] {
        match self {
            Self::Dino(file) => file.notes(),
            Self::Vit(file) => file.notes(),
        }
    }

    /// Tensors that are not needed, with the reason.
    pub fn dropped(&self) -> &[(String, String)] {
        match self {
            Self::Dino(file) => file.dropped(),
            Self::Vit(file) => file.dropped(),
        }
    }

    /// The parameters.
    pub fn tensors(&self) -> Box<dyn Iterator<Item = &StoredTensor> + '_> {
        match self {
            Self::Dino(file) => Box::new(file.tensors()),
            Self::Vit(file) => Box::new(file.tensors()),
        }
    }

    /// DINOv3, or else itself.
    pub fn into_dino(self) -> Result<DinoFile, Box<Self>> {
        match self {
            Self::Dino(file) => Ok(*file),
            other => Err(Box::new(other)),
        }
    }

    /// Writes the weights in the layout of that name.
    pub fn save(&self, layout: &str, path: &Path) -> Result<PathBuf> {
        let unknown = || format!("there is no layout {layout}");
        match self {
            Self::Dino(file) => {
                let mut all = svg_dino::Layout::ALL.into_iter();
                let found = all.find(|known| known.name() == layout);
                Ok(file.save(found.with_context(unknown)?, path)?)
            }
            Self::Vit(file) => {
                let mut all = svg_vit::Layout::ALL.into_iter();
                let found = all.find(|known| known.name() == layout);
                Ok(file.save(found.with_context(unknown)?, path)?)
            }
        }
    }

    /// What it is, in rows of a name and a text; numbers are written by `grouped`.
    pub fn described(&self, grouped: fn(usize) -> String) -> Vec<(&'static str, String)> {
        match self {
            Self::Dino(file) => of_dino(file, grouped),
            Self::Vit(file) => of_vit(file, grouped),
        }
    }

    /// Whether names and shapes are those of the architecture, as far as that is known without reading.
    pub fn check_shapes(&self) -> Result<()> {
        match self {
            Self::Dino(file) => Ok(file.check()?),
            Self::Vit(_) => Ok(()),
        }
    }

    /// Whether all tensors are those of the architecture.
    pub fn check(&self, device: &Device) -> Result<()> {
        if let Self::Vit(file) = self {
            file.load(device)?;
        }
        self.check_shapes()
    }

    /// The configuration as a document.
    pub fn config(&self) -> Result<serde_json::Value> {
        Ok(match self {
            Self::Dino(file) => serde_json::to_value(file.config())?,
            Self::Vit(file) => serde_json::to_value(file.config())?,
        })
    }

    /// How DINOv3 rounds its periods.
    pub fn periods(&self) -> Option<RopePeriods> {
        match self {
            Self::Dino(file) => Some(file.config().rope_periods),
            Self::Vit(_) => None,
        }
    }

    /// With other periods of DINOv3's positions.
    pub fn with_periods(self, periods: RopePeriods) -> Result<Self> {
        match self {
            Self::Dino(file) => {
                let config = file.config().clone().with_rope_periods(periods);
                Ok(Self::Dino(Box::new(file.with_config(config))))
            }
            Self::Vit(file) => bail!(
                "--rope is about the positions of DINOv3; {} has a table of positions",
                file.config().description()
            ),
        }
    }

    /// DINOv2 with positions resized as by Meta's code, whatever the layout of the file.
    pub fn by_the_original_rule(self) -> Self {
        match self {
            Self::Vit(file) if file.config().family == Family::Dinov2 => {
                let positions = match file.config().n_registers {
                    0 => Positions::BicubicOffset,
                    _ => Positions::BicubicAntialiased,
                };
                let config = file.config().clone().with_positions(positions);
                Self::Vit(Box::new(file.with_config(config)))
            }
            other => other,
        }
    }

    pub fn load(&self, device: &Device) -> Result<AnyEncoder> {
        Ok(match self {
            Self::Dino(file) => AnyEncoder::Dino(Box::new(file.load(device)?)),
            Self::Vit(file) => AnyEncoder::Vit(Box::new(file.load(device)?)),
        })
    }
}

/// An encoder of any family with all that it says.
pub enum AnyEncoder {
    Dino(Box<Dino>),
    Vit(Box<Vit>),
}

/// What is known after a block.
pub struct Said {
    pub patches: Tensor<3>,
    pub summary: Option<Tensor<2>>,
    pub registers: Option<Tensor<3>>,
}

impl AnyEncoder {
    pub fn fingerprint(&self) -> Result<String> {
        Ok(match self {
            Self::Dino(dino) => dino.fingerprint()?,
            Self::Vit(vit) => vit.fingerprint()?,
        })
    }

    pub fn with_precision(self, precision: Precision) -> Self {
        match self {
            Self::Dino(dino) => Self::Dino(Box::new(dino.with_precision(precision))),
            Self::Vit(vit) => Self::Vit(Box::new(vit.with_precision(precision))),
        }
    }

    /// What is known after these blocks, counted from 0, through the final norm.
    pub fn after(&self, images: Tensor<4>, blocks: &[usize]) -> Vec<Said> {
        match self {
            Self::Dino(dino) => {
                let outputs = dino.forward_blocks(images, blocks).into_iter();
                let said = outputs.map(|output| Said {
                    patches: output.patches,
                    summary: Some(output.cls),
                    registers: output.registers,
                });
                said.collect()
            }
            Self::Vit(vit) => {
                let outputs = vit.forward_blocks(images, blocks).into_iter();
                let said = outputs.map(|output| Said {
                    patches: output.patches,
                    summary: output.summary,
                    registers: output.registers,
                });
                said.collect()
            }
        }
    }
}

/// Whether a file holds a network of these families, whole or not.
fn is_vit(path: &Path) -> bool {
    let keys = VitFile::keys(path).unwrap_or_default();
    keys.iter().any(|key| {
        let key = if key.is_empty() { "." } else { key };
        let opened = VitFile::open_network(path, Some(key));
        !matches!(opened, Err(VitError::NotVit { .. }))
    })
}

fn of_dino(file: &DinoFile, grouped: fn(usize) -> String) -> Vec<(&'static str, String)> {
    let config = file.config();
    let name = config.name().unwrap_or("of an unreleased size");
    let feed_forward = match config.feed_forward {
        FeedForwardKind::Mlp => "Mlp",
        FeedForwardKind::SwiGlu => "SwiGlu",
    };
    let layout = match file.layout() {
        svg_dino::Layout::Official => "official",
        svg_dino::Layout::HuggingFace => "Hugging Face",
        svg_dino::Layout::Timm => "timm",
    };
    let parameters = grouped(numbers(file.tensors()));
    let (mean, std) = (config.pixels.mean, config.pixels.std);
    vec![
        ("architecture", format!("DINOv3 {name}")),
        ("layout", layout.to_string()),
        (
            "parameters",
            format!("{parameters}, with a fused bias for the keys"),
        ),
        (
            "size",
            format!(
                "{} layers, {} channels, {} heads, {feed_forward} of {}, patches of {}",
                config.n_layers, config.d_model, config.n_heads, config.d_ff, config.patch_size
            ),
        ),
        ("periods", format!("{:?}", config.rope_periods)),
        ("pixels", format!("mean {mean:?}, std {std:?}")),
    ]
}

fn of_vit(file: &VitFile, grouped: fn(usize) -> String) -> Vec<(&'static str, String)> {
    let config = file.config();
    let name = config.name().unwrap_or("of an unreleased size");
    let gelu = match config.gated {
        true => "SwiGLU".to_string(),
        false => format!("{:?} GELU", config.gelu),
    };
    let layout = match file.layout() {
        svg_vit::Layout::Timm => "timm",
        svg_vit::Layout::HuggingFace => "Hugging Face",
        svg_vit::Layout::Original => "official",
    };
    let (mean, std) = (config.pixels.mean, config.pixels.std);
    let table = config.table;
    vec![
        ("architecture", format!("{} {name}", config.family.name())),
        ("layout", layout.to_string()),
        ("parameters", grouped(numbers(file.tensors()))),
        (
            "size",
            format!(
                "{} layers, {} channels, {} heads, {gelu} of {}, patches of {}",
                config.n_layers, config.d_model, config.n_heads, config.d_ff, config.patch_size
            ),
        ),
        (
            "positions",
            format!(
                "a table of {table} x {table}, {:?} on other grids",
                config.positions
            ),
        ),
        ("pixels", format!("mean {mean:?}, std {std:?}")),
    ]
}

/// How many numbers tensors hold.
fn numbers<'a>(tensors: impl Iterator<Item = &'a StoredTensor>) -> usize {
    tensors.map(|tensor| tensor.shape.num_elements()).sum()
}
