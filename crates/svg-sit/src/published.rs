//! Published files of DiT, SiT, REPA and LightningDiT.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use burn::prelude::*;
use svg_nn::{Checked, LoadError, StoredTensor, TensorFile};
use svg_roles::{NoisePredictor, Velocity};

use crate::{Dit, DitConfig, LightningConfig, LightningDit, Repa, RepaConfig, Sit};

/// A published system, which decides what the outputs of its network mean and which way its time runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum System {
    /// Predicted noise at indices of a noise schedule (Peebles and Xie, arXiv 2212.09748).
    Dit,
    /// A velocity, time 0 is noise (Ma et al., arXiv 2401.08740). Its files have the names and shapes of [`Self::Dit`]'s.
    Sit,
    /// A velocity, time 0 is data (Yu et al., arXiv 2410.06940).
    Repa,
    /// A velocity, time 0 is noise (Yao et al., arXiv 2501.01423).
    LightningDit,
}

/// Systems and their names.
const NAMES: [(System, &str); 4] = [
    (System::Dit, "dit"),
    (System::Sit, "sit"),
    (System::Repa, "repa"),
    (System::LightningDit, "lightning-dit"),
];

/// Printed and parsed as `dit`, `sit`, `repa` and `lightning-dit`.
impl fmt::Display for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (_, name) = NAMES
            .iter()
            .find(|(system, _)| system == self)
            .expect("all have names");
        f.write_str(name)
    }
}

impl FromStr for System {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = NAMES.iter().find(|(_, name)| *name == text);
        found.map(|(system, _)| *system).ok_or_else(|| {
            let names = NAMES.map(|(_, name)| name).join(", ");
            format!("{text:?} is no published system of velocity networks: choose one of {names}")
        })
    }
}

/// Why a file could not become a [`Published`] network.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishedError {
    /// The file cannot be read, holds no such network or several, or its tensors do not fit.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The file is another system's.
    #[error("{path} was to be a file of {asked}, but {found}")]
    OtherSystem {
        /// The file.
        path: String,
        /// What it was to be.
        asked: System,
        /// What it is, and what to do.
        found: &'static str,
    },
    /// The sizes of a network do not follow from the file.
    #[error("{path}: {reason}")]
    Sizes {
        /// The file.
        path: String,
        /// What does not fit.
        reason: String,
    },
}

/// A network of a published file, with its convention in its type.
#[derive(Clone, Debug)]
pub enum Published {
    /// A network that predicts noise.
    Dit(DitConfig, Arc<Dit>),
    /// A velocity network on patches.
    Sit(DitConfig, Arc<Sit>),
    /// A velocity network on patches, reversed in time.
    Repa(RepaConfig, Arc<Repa>),
    /// A velocity network on latents.
    LightningDit(LightningConfig, Arc<LightningDit>),
}

impl Published {
    /// The network as a velocity, time 0 at the noise; `None` for [`Published::Dit`], which predicts noise.
    pub fn velocity(&self) -> Option<Arc<dyn Velocity>> {
        match self {
            Self::Dit(..) => None,
            Self::Sit(_, network) => Some(network.clone()),
            Self::Repa(_, network) => Some(network.clone()),
            Self::LightningDit(_, network) => Some(network.clone()),
        }
    }

    /// The network as a prediction of noise; `None` if it predicts a velocity.
    pub fn noise_predictor(&self) -> Option<Arc<dyn NoisePredictor>> {
        match self {
            Self::Dit(_, network) => Some(network.clone()),
            _ => None,
        }
    }

    /// Rows and columns of latents in a token: tokens are those of `svg_roles::Patchified` with this patch.
    pub fn patch(&self) -> usize {
        match self {
            Self::Dit(config, _) | Self::Sit(config, _) => config.patch,
            Self::Repa(config, _) => config.dit.patch,
            Self::LightningDit(..) => 1,
        }
    }
}

/// A published file, opened and not read.
#[derive(Debug)]
pub struct PublishedFile {
    /// The file.
    pub path: PathBuf,
    /// Which of the file's networks was taken, what was left and what was assumed, for people.
    pub notes: Vec<String>,
    /// The system that it is read as.
    pub system: System,
    /// Whether the names are those of diffusers.
    pub diffusers: bool,
    /// The weights, under the names of the file without what stands before them.
    pub tensors: Vec<StoredTensor>,
}

/// The first layer, in DiT's names, in diffusers' and in SVG's.
const LANDMARKS: [&str; 3] = [
    "x_embedder.proj.weight",
    "pos_embed.proj.weight",
    "ln1.weight",
];

/// Side of the latents of Stable Diffusion's autoencoder at 256 x 256, which files of diffusers do not show.
const SIDE: usize = 32;

impl PublishedFile {
    /// Opens a safetensors or PyTorch file as one of `system`. Of several networks in it the one under `key` is taken,
    /// or else that of averaged weights; see [`svg_nn::Networks::choose`].
    ///
    /// # Errors
    ///
    /// [`PublishedError::Load`] if it cannot be read or holds no network on a grid of latents,
    /// [`PublishedError::OtherSystem`] if names or shapes are those of another system. Files of DiT and SiT have the same
    /// names and shapes: which of both a file is cannot be checked.
    pub fn open(path: &Path, system: System, key: Option<&str>) -> Result<Self, PublishedError> {
        let file = TensorFile::open(path)?;
        let path = file.path().to_path_buf();
        let mut network = file.into_network(&LANDMARKS, key)?;
        let notes = std::mem::take(&mut network.notes);
        let tensors = network.into_tensors();
        let found = Found::of(&tensors);
        if let Some(found) = found.contradicts(system) {
            let path = path.display().to_string();
            return Err(PublishedError::OtherSystem {
                path,
                asked: system,
                found,
            });
        }
        Ok(Self {
            path,
            notes,
            system,
            diffusers: found == Found::Diffusers,
            tensors,
        })
    }

    /// Reads the network. `side` is the number of rows and columns of the latents where the file does not show it, which
    /// is in files of diffusers; by default 32.
    ///
    /// # Errors
    ///
    /// [`PublishedError::Sizes`] if the sizes do not follow from the shapes or are out of range,
    /// [`PublishedError::Load`] with everything that does not fit.
    pub fn load(self, side: Option<usize>, device: &Device) -> Result<Published, PublishedError> {
        let source = self.path.display().to_string();
        let tensors = self.tensors;
        let sizes = |reason: String| PublishedError::Sizes {
            path: source.clone(),
            reason,
        };
        let dit = |tensors: Vec<StoredTensor>| -> Result<_, PublishedError> {
            if self.diffusers {
                let side = side.unwrap_or(SIDE);
                let config = checked(DitConfig::infer_diffusers(&tensors, side)).map_err(sizes)?;
                let network = config.load_diffusers(tensors, &source, device)?;
                return Ok((config, network));
            }
            let config = checked(DitConfig::infer(&tensors)).map_err(sizes)?;
            let network = config.load(tensors, &source, device)?;
            Ok((config, network))
        };
        Ok(match self.system {
            System::Dit => {
                let (config, network) = dit(tensors)?;
                Published::Dit(config, Arc::new(Dit { network }))
            }
            System::Sit => {
                let (config, network) = dit(tensors)?;
                Published::Sit(config, Arc::new(network))
            }
            System::Repa => {
                let config = checked(RepaConfig::infer(&tensors)).map_err(sizes)?;
                let network = config.load(tensors, &source, device)?;
                Published::Repa(config, Arc::new(network))
            }
            System::LightningDit => {
                let config = checked(LightningConfig::infer(&tensors)).map_err(sizes)?;
                let network = config.load(tensors, &source, device)?;
                Published::LightningDit(config, Arc::new(network))
            }
        })
    }
}

fn checked<C: Checked>(config: Result<C, String>) -> Result<C, String> {
    let config = config?;
    match config.problem() {
        Some(problem) => Err(problem),
        None => Ok(config),
    }
}

/// What names and shapes show.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Found {
    /// DiT's names with outputs for a variance.
    DitOrSit,
    Diffusers,
    Repa,
    LightningDit,
    Rae,
    Svg,
}

impl Found {
    fn of(tensors: &[StoredTensor]) -> Self {
        let find = |name: &str| tensors.iter().find(|tensor| tensor.name == name);
        let begins = |prefix: &str| tensors.iter().any(|tensor| tensor.name.starts_with(prefix));
        let rows =
            |name: &str| find(name).and_then(|tensor| tensor.shape.to_vec().first().copied());
        if find("s_embedder.proj.weight").is_some() || begins("base_final_layer.") {
            return Self::Rae;
        }
        if find("blocks.0.mlp.w12.weight").is_some() {
            return Self::LightningDit;
        }
        if begins("transformer_blocks.") {
            return Self::Diffusers;
        }
        let Some(embedder) = find(LANDMARKS[0]) else {
            return Self::Svg;
        };
        // A token of latents; with a variance there are twice as many outputs.
        let token: usize = embedder.shape.to_vec().iter().skip(1).product();
        match rows("final_layer.linear.weight") == Some(token) || begins("projectors.") {
            true => Self::Repa,
            false => Self::DitOrSit,
        }
    }

    /// What the file is instead of `system`, and what to do.
    fn contradicts(self, system: System) -> Option<&'static str> {
        match (self, system) {
            (Self::DitOrSit, System::Dit | System::Sit)
            | (Self::Diffusers, System::Dit)
            | (Self::Repa, System::Repa)
            | (Self::LightningDit, System::LightningDit) => None,
            (Self::DitOrSit, _) => Some(
                "it has outputs for a variance, as files of DiT and SiT: read it as dit, if it predicts noise, or as sit",
            ),
            (Self::Diffusers, _) => {
                Some("it has the names of diffusers' DiT, which predicts noise: read it as dit")
            }
            (Self::Repa, _) => Some(
                "it has no outputs for a variance, as files of REPA, whose time runs from data to noise: read it as repa",
            ),
            (Self::LightningDit, _) => Some(
                "it has the gated feed-forward layers (mlp.w12) of LightningDiT: read it as lightning-dit",
            ),
            (Self::Rae, _) => Some(
                "it has the second head of RAE (s_embedder or base_final_layer), which is not read here",
            ),
            (Self::Svg, _) => Some(
                "it has the linear first layer (ln1) of SVG's own network: import it with `svg import flow`",
            ),
        }
    }
}

#[cfg(test)]
#[path = "published_tests.rs"]
mod tests;
