//! Files of KL autoencoders.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use burn::prelude::*;
use svg_nn::{
    Checked, ChoiceError, LoadError, StoredTensor, TensorFile, contents, load_exact,
    module_tensors, save_tensors,
};
use svg_store::{checked_json, printable_path, read_if_there};

use crate::document::Document;
use crate::foreign::{VQ, recognised};
use crate::infer::infer;
use crate::layout::{in_diffusers, in_layout, into_network, levels_of_diffusers, of_diffusers};
use crate::{KlVae, KlVaeConfig, KlVaeError, Layout};

/// Where exports keep their configuration as JSON, in the file's metadata. Other programs do not look there.
pub const CONFIG_KEY: &str = "kl_vae";

/// A tensor that every autoencoder has.
const LANDMARK: &str = "encoder.conv_in.weight";

/// What trainings keep beside the autoencoder: losses with their networks, the frozen model that latents were aligned
/// with, and the projection to it.
const DROPPED: [&str; 3] = ["loss.", "foundation_model.", "linear_proj"];

/// How a file is read, where it does not say everything.
#[derive(Clone, Debug, Default)]
pub struct KlVaeOptions {
    /// Which network of the file, where it holds several; see [`svg_nn::Networks::choose`].
    pub key: Option<String>,
    /// The number of groups of the norms [default: as `config.json` says, else 32]
    pub norm_groups: Option<usize>,
    /// What latents are multiplied by [default: as `config.json` says, else that of the published network of these
    /// sizes]
    pub scale: Option<f64>,
    /// The mean and deviation of each channel, by which latents are normalised instead.
    pub statistics: Option<(Vec<f64>, Vec<f64>)>,
    /// The side of the images that it was made for [default: as `config.json` says, else 256]
    pub resolution: Option<usize>,
}

/// A file of a KL autoencoder, opened and sorted, not read.
#[derive(Clone, Debug)]
pub struct KlVaeFile {
    /// The file of the weights.
    pub path: PathBuf,
    /// The layout of the file.
    pub layout: Layout,
    /// Sizes, and how latents are scaled.
    pub config: KlVaeConfig,
    /// What was taken, what was left and what was assumed, for people.
    pub notes: Vec<String>,
    /// The tensors under the network's names.
    pub tensors: Vec<StoredTensor>,
    /// By the network's names, those of the file.
    names: BTreeMap<String, String>,
}

impl KlVaeFile {
    /// Opens a file of weights, or a folder of diffusers with `config.json` and weights, and works out what it is.
    ///
    /// Latent diffusion's and diffusers' names are read, also below others such as `model.` or `first_stage_model.`.
    /// Losses (`loss.*`) and what VA-VAE was aligned with (`foundation_model.*`, `linear_proj*`) are left, and named in
    /// [`notes`](Self::notes).
    ///
    /// # Errors
    ///
    /// [`KlVaeError::Load`] if the file cannot be read, is not complete or holds several autoencoders,
    /// [`KlVaeError::Other`] if it is of another network, [`KlVaeError::Config`] if its sizes cannot be told or two
    /// statements about it differ.
    pub fn open(path: &Path, options: &KlVaeOptions) -> Result<Self, KlVaeError> {
        // A pipeline of diffusers has its autoencoder in a folder of its own.
        let inside = path.join("vae");
        let is_pipeline = path.join("model_index.json").is_file() && inside.is_dir();
        let file = TensorFile::open(if is_pipeline { &inside } else { path })?;
        let path = file.path().to_path_buf();
        let said = file.metadata().get(CONFIG_KEY).cloned();
        let names: Vec<String> = file.tensors().iter().map(|t| t.name.clone()).collect();
        let other = |reason: String| KlVaeError::Other {
            path: path.clone(),
            reason,
        };
        let network = file.into_network(&[LANDMARK], options.key.as_deref());
        let network = network.map_err(|error| match error {
            LoadError::Choice {
                reason: reason @ ChoiceError::Nothing { .. },
                ..
            } => {
                let known = recognised(names.iter().map(String::as_str));
                other(known.map_or(reason.to_string(), str::to_string))
            }
            error => error.into(),
        })?;
        let mut notes = network.notes.clone();
        let tensors = network.into_tensors();
        let (dropped, tensors): (Vec<_>, Vec<_>) = tensors
            .into_iter()
            .partition(|tensor| DROPPED.iter().any(|part| tensor.name.starts_with(part)));
        if !dropped.is_empty() {
            let names = contents(dropped.iter().map(|tensor| tensor.name.as_str()));
            notes.push(format!("dropped what only training needs: {names}"));
        }
        let mut of_network = tensors.iter().map(|tensor| tensor.name.as_str());
        if of_network.any(|name| name.starts_with("quantize.")) {
            return Err(other(VQ.to_string()));
        }
        let (layout, tensors, names) = network_names(tensors);
        let refuse = |reason: String| KlVaeError::Config {
            path: path.clone(),
            reason,
        };
        let found = infer(&tensors).map_err(refuse)?;
        let config = match said {
            Some(json) => stated(&json, &found, options),
            None => {
                let document = read_document(&path, &found, &mut notes).map_err(refuse)?;
                settled(found, document, options, &mut notes)
            }
        };
        Ok(Self {
            config: config.map_err(refuse)?,
            path,
            layout,
            notes,
            tensors,
            names,
        })
    }

    /// The network.
    ///
    /// # Errors
    ///
    /// [`KlVaeError::Load`] with every tensor that is missing, unexpected or of another shape, by its name in the file.
    pub fn load(&self, device: &Device) -> Result<KlVae, KlVaeError> {
        let source = printable_path(&self.path);
        let loaded = load_exact(self.config.init(device), self.tensors.clone(), &source);
        let levels = self.config.width_multipliers.len();
        let loaded = loaded.map_err(|error| {
            error.with_names(|name| match (self.names.get(name), self.layout) {
                (Some(name), _) => name.clone(),
                (None, Layout::Diffusers) => {
                    in_diffusers(name, levels).unwrap_or_else(|| name.to_string())
                }
                (None, Layout::Ldm) => name.to_string(),
            })
        });
        Ok(loaded?)
    }
}

/// The tensors under the network's names, and those of the file by these. A name that diffusers does not have stays.
fn network_names(
    tensors: Vec<StoredTensor>,
) -> (Layout, Vec<StoredTensor>, BTreeMap<String, String>) {
    let names = tensors.iter().map(|tensor| tensor.name.as_str());
    let (layout, levels) = (Layout::of(names.clone()), levels_of_diffusers(names));
    let mut theirs = BTreeMap::new();
    let tensors = tensors.into_iter().map(|tensor| {
        let name = match layout {
            Layout::Ldm => Some(tensor.name.clone()),
            Layout::Diffusers => of_diffusers(&tensor.name, levels),
        };
        let name = name.unwrap_or_else(|| tensor.name.clone());
        theirs.insert(name.clone(), tensor.name.clone());
        into_network(tensor, name)
    });
    let tensors = tensors.collect();
    (layout, tensors, theirs)
}

/// The `config.json` beside the weights, if it is of an autoencoder.
fn read_document(
    path: &Path,
    found: &KlVaeConfig,
    notes: &mut Vec<String>,
) -> Result<Option<Document>, String> {
    let beside = path.with_file_name("config.json");
    let named = |reason| format!("config.json beside it: {reason}");
    let text = read_if_there(&beside).map_err(|error| named(error.to_string()))?;
    let Some(text) = text else { return Ok(None) };
    let document = Document::read(&text, found).map_err(named)?;
    if document.is_none() {
        notes.push("config.json beside it is not of an AutoencoderKL and was not used".to_string());
    }
    Ok(document)
}

/// The configuration that a file of our own says.
fn stated(json: &str, found: &KlVaeConfig, options: &KlVaeOptions) -> Result<KlVaeConfig, String> {
    let config: KlVaeConfig =
        checked_json(json).map_err(|reason| format!("{CONFIG_KEY} in its metadata: {reason}"))?;
    let groups = config.norm_groups;
    let found = found.clone().with_norm_groups(groups);
    if !config.same_networks(&found) {
        return Err(format!(
            "{CONFIG_KEY} in its metadata says {config}, and its shapes say {found}"
        ));
    }
    if let Some(said) = options.norm_groups.filter(|said| *said != groups) {
        return Err(format!(
            "it says that its norms have {groups} groups, and --norm-groups {said}"
        ));
    }
    let scale = config.scale.clone();
    let shift = config.shift.clone();
    scaled(config, Some(("it", shift, scale)), options)
}

/// Sizes from shapes with what the document, the options and published networks say besides.
fn settled(
    found: KlVaeConfig,
    document: Option<Document>,
    options: &KlVaeOptions,
    notes: &mut Vec<String>,
) -> Result<KlVaeConfig, String> {
    let document = document.unwrap_or_default();
    let groups = match (document.norm_groups, options.norm_groups) {
        (Some(said), Some(asked)) if said != asked => {
            return Err(format!(
                "config.json says norm_num_groups {said}, and --norm-groups {asked}"
            ));
        }
        (said, asked) => said.or(asked),
    };
    if groups.is_none() {
        notes.push(
            "nothing says how many groups the norms have: 32 are assumed, as in published autoencoders; if they have \
             others, say --norm-groups N"
                .to_string(),
        );
    }
    let side = options.resolution.or(document.resolution);
    let config = found
        .with_norm_groups(groups.unwrap_or(32))
        .with_resolution(side.unwrap_or(256));
    let shift = document.shift.unwrap_or_else(|| vec![0.0]);
    let said = document.scale.map(|scale| ("config.json", shift, scale));
    let is_said = said.is_some() || options.scale.is_some() || options.statistics.is_some();
    let config = scaled(config, said, options)?;
    if is_said {
        return Ok(config);
    }
    let published = [
        ("SD-VAE", KlVaeConfig::sd()),
        ("MAR's KL-16", KlVaeConfig::mar()),
    ];
    let same = published
        .into_iter()
        .find(|(_, known)| known.same_networks(&config));
    Ok(match same {
        Some((name, known)) => {
            notes.push(format!(
                "nothing says how its latents are scaled: {} is assumed, that of {name}, which has these sizes; if they \
                 are not, say --scale",
                known.scale[0]
            ));
            config.with_scale(known.scale)
        }
        None => {
            notes.push(
                "nothing says how its latents are scaled: they are left as they are; say --scale, or --stats with the \
                 mean and deviation of each channel"
                    .to_string(),
            );
            config
        }
    })
}

/// With the shift and scale that somebody says, and the options, which must not contradict that.
fn scaled(
    config: KlVaeConfig,
    said: Option<(&str, Vec<f64>, Vec<f64>)>,
    options: &KlVaeOptions,
) -> Result<KlVaeConfig, String> {
    let config = match (said, options.scale, &options.statistics) {
        (_, Some(scale), Some(_)) => {
            return Err(format!(
                "--scale {scale} and --stats both say how latents are scaled; give one"
            ));
        }
        (Some((who, shift, scale)), Some(asked), None) if scale != [asked] => {
            let shift = match shift.iter().all(|shift| *shift == 0.0) {
                true => String::new(),
                false => format!(" after a shift by {shift:?}"),
            };
            return Err(format!(
                "{who} says that latents are scaled by {scale:?}{shift}, and --scale {asked}; leave --scale out"
            ));
        }
        (Some((_, shift, scale)), _, None) => config.with_shift(shift).with_scale(scale),
        (None, Some(scale), None) => config.with_scale(vec![scale]),
        (None, None, None) => config,
        // Measured statistics take the place of a factor.
        (_, None, Some((mean, deviation))) => config.with_statistics(mean, deviation),
    };
    match config.problem() {
        Some(problem) if problem.starts_with("norm_groups") => Err(format!(
            "{problem}; say --norm-groups N, the num_groups of its GroupNorm layers"
        )),
        Some(problem) => Err(problem),
        None => Ok(config),
    }
}

/// The tensors of an autoencoder in a layout.
///
/// # Panics
///
/// If a tensor is not one of the network of this configuration, under its own name.
pub fn tensors_in(
    config: &KlVaeConfig,
    tensors: Vec<StoredTensor>,
    layout: Layout,
) -> Vec<StoredTensor> {
    let levels = config.width_multipliers.len();
    let tensors = tensors.into_iter();
    let mut tensors: Vec<_> = tensors
        .map(|tensor| in_layout(tensor, layout, levels))
        .collect();
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    tensors
}

/// The metadata of an export, by which it says what shapes do not show.
pub fn metadata(config: &KlVaeConfig) -> HashMap<String, String> {
    let said = serde_json::to_string(config).expect("a configuration is JSON");
    HashMap::from([
        ("format".to_string(), "pt".to_string()),
        (CONFIG_KEY.to_string(), said),
    ])
}

impl KlVae {
    /// Writes the autoencoder as a safetensors file in a layout.
    ///
    /// # Errors
    ///
    /// [`LoadError::Write`] if it cannot be written.
    pub fn save(&self, path: &Path, layout: Layout) -> Result<(), LoadError> {
        let tensors = tensors_in(self.config(), module_tensors(self), layout);
        save_tensors(path, &tensors, metadata(self.config()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_of_published_sizes_is_assumed_and_said() {
        for (published, said) in [
            (KlVaeConfig::sd(), "0.18215 is assumed, that of SD-VAE"),
            (KlVaeConfig::mar(), "0.2325 is assumed, that of MAR's KL-16"),
        ] {
            let (mut notes, options) = (vec![], KlVaeOptions::default());
            let found = published.clone().with_scale(vec![1.0]);
            let config = settled(found.clone(), None, &options, &mut notes).unwrap();
            assert_eq!(config, published);
            assert!(notes.join("\n").contains(said), "{notes:?}");
            // Nothing is assumed where something is said.
            let options = KlVaeOptions {
                scale: Some(0.5),
                ..options
            };
            let config = settled(found, None, &options, &mut vec![]).unwrap();
            assert_eq!(config.scale, [0.5]);
        }
    }
}
