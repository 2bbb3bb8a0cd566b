//! The published checkpoint layout: one dictionary with the encoder, both trained networks and the
//! training's losses.

use std::path::{Path, PathBuf};

use burn::prelude::*;
use svg_decoder::{Decoder, DecoderConfig};
use svg_nn::{
    ChoiceError, LoadError, Mismatch, StoredTensor, TensorFile, contents, load_exact,
    module_tensors, unusable,
};
use svg_residual::{ResidualConfig, ResidualEncoder};
use svg_store::{Checked, checked_json};

use super::{Alignment, AutoencoderConfig};
use crate::{Manifest, ModelError, kinds, renamed};

/// Where our own exports keep their configuration as JSON, in the file's metadata: shapes do not show how
/// many heads and groups there are. Other programs do not look there.
pub const CONFIG_KEY: &str = "svg_autoencoder";

/// A checkpoint of the published layout, opened and sorted, not read.
///
/// | names | what |
/// |---|---|
/// | `encoder.*` | DINOv3, official names |
/// | `extra_vit.*`, `mask_token` | the residual encoder, torchvision's names |
/// | `decoder.*` | the decoder |
/// | `norm_vit.*`, `loss.*` | what inference does not need: kept, so that an export is complete |
///
/// Other names may stand before these, such as Lightning's `state_dict.`; see [`svg_nn::Networks`]. What is not listed
/// is an error, since a model without it would be another.
#[derive(Debug)]
pub struct Checkpoint {
    /// The file.
    pub path: PathBuf,
    /// Which file and which of its networks was taken and what was left, for people.
    pub notes: Vec<String>,
    /// What the manifest of the bundle says that the file belongs to, or the file itself under [`CONFIG_KEY`]; else
    /// the sizes that its shapes show, with [`Alignment::Batch`], which is what published checkpoints were trained
    /// with.
    pub config: AutoencoderConfig,
    /// The encoder's tensors as they are stored, masks and periods included, without their prefix; none if the
    /// frozen encoder is not inside.
    pub encoder: Vec<StoredTensor>,
    /// The key of the frozen encoder in the file, for opening it there.
    pub encoder_key: String,
    /// The trained networks' tensors under the names that they have in a checkpoint.
    pub autoencoder: Vec<StoredTensor>,
    /// What inference does not need, under the names that it has in a checkpoint.
    pub rest: Vec<StoredTensor>,
}

/// What is said of files that do not say it.
const ASSUMED: &str = "the file does not say how many groups the norms of its decoder have: 32 are assumed, as in \
                       published models; if its GroupNorm layers have others, say --norm-groups N";

/// A tensor that every autoencoder has.
const LANDMARK: &str = "decoder.conv_in.weight";

/// How a checkpoint is read, where it does not say everything.
#[derive(Clone, Debug, Default)]
pub struct CheckpointOptions {
    /// Which network of the file, where it holds several; see [`svg_nn::Networks::choose`].
    pub key: Option<String>,
    /// The number of groups of the decoder's norms [default: 32, as published]
    pub norm_groups: Option<usize>,
}

impl Checkpoint {
    /// Opens a `.ckpt`, `.pt` or `.safetensors` file and works out the sizes.
    ///
    /// # Errors
    ///
    /// [`ModelError::Load`] if the file cannot be read or holds several autoencoders,
    /// [`ModelError::NotACheckpoint`] if there is no decoder in it, tensors of no known part, or sizes that
    /// contradict each other or cannot be.
    pub fn open(path: &Path, options: &CheckpointOptions) -> Result<Self, ModelError> {
        let file = TensorFile::open(path)?;
        let path = file.path().to_path_buf();
        let said = file.metadata().get(CONFIG_KEY).cloned();
        let refuse = |reason: String| ModelError::NotACheckpoint {
            path: path.clone(),
            network: "SVG autoencoder",
            reason,
        };
        let network = file.into_network(&[LANDMARK], options.key.as_deref());
        let mut network = network.map_err(|error| match error {
            LoadError::Choice {
                reason: reason @ ChoiceError::Nothing { .. },
                ..
            } => refuse(reason.to_string()),
            error => error.into(),
        })?;
        let encoder_key = network.key_of("encoder");
        let mut notes = std::mem::take(&mut network.notes);
        let (mut encoder, mut autoencoder, mut rest) = (vec![], vec![], vec![]);
        let mut unknown = Vec::new();
        for (name, tensor) in network.tensors {
            let (list, name) = match name.split_once('.') {
                Some(("encoder", name)) => (&mut encoder, name),
                Some(("extra_vit" | "decoder", _)) => (&mut autoencoder, name.as_str()),
                None if name == "mask_token" => (&mut autoencoder, name.as_str()),
                Some(("loss" | "norm_vit", _)) => (&mut rest, name.as_str()),
                _ => {
                    unknown.push(name);
                    continue;
                }
            };
            list.push(renamed(tensor, name.to_string()));
        }
        if !unknown.is_empty() {
            let names = contents(unknown.iter().map(String::as_str));
            return Err(refuse(format!(
                "it is one with parts that this program does not have, and without them it would be another model: \
                 {names}. If it does not use them, write the file again without them"
            )));
        }
        let owner = Manifest::owner(&path).filter(|part| part.kind == kinds::SVG);
        let groups = options.norm_groups;
        let config = match (owner, said) {
            (Some(part), _) => said_config("the manifest beside it", part.read_config(), groups),
            (None, Some(json)) => {
                let source = format!("{CONFIG_KEY} in its metadata");
                said_config(&source, checked_json(&json), groups)
            }
            (None, None) => {
                notes.extend(groups.is_none().then(|| ASSUMED.to_string()));
                inferred_config(&autoencoder, groups)
            }
        };
        let config = config.map_err(refuse)?;
        Ok(Self {
            path,
            notes,
            config,
            encoder,
            encoder_key,
            autoencoder,
            rest,
        })
    }

    /// Whether names and shapes are those of the networks, all numbers are finite, and a file of a bundle is the one
    /// that was written; nothing is kept.
    ///
    /// # Errors
    ///
    /// [`ModelError::Load`] with everything that does not fit, [`ModelError::Changed`].
    pub fn check(&self, device: &Device) -> Result<(), ModelError> {
        Manifest::check_owned(&self.path)?;
        let source = self.path.display().to_string();
        load_autoencoder(&self.config, self.autoencoder.clone(), &source, device)?;
        let unusable: Vec<_> = self.rest.iter().filter_map(unusable).collect();
        match unusable.is_empty() {
            true => Ok(()),
            false => Err(LoadError::from(Mismatch {
                unusable,
                ..Mismatch::none(source)
            })
            .into()),
        }
    }
}

/// The residual encoder and the decoder from tensors under the names of a checkpoint.
///
/// # Errors
///
/// [`ModelError::Load`] with everything that is missing, left over or of a wrong shape.
pub fn load_autoencoder(
    config: &AutoencoderConfig,
    tensors: Vec<StoredTensor>,
    source: &str,
    device: &Device,
) -> Result<(Option<ResidualEncoder>, Decoder), ModelError> {
    let (residual, decoder) = split(tensors);
    let named = |prefix| move |error: LoadError| error.with_names(|name| prefixed(prefix, name));
    let decoder = load_exact(config.decoder.init(device), decoder, source);
    let decoder = decoder.map_err(named("decoder."))?;
    let residual = match &config.residual {
        Some(config) => {
            let loaded = svg_residual::load(config, residual, source, device);
            Some(loaded.map_err(named("extra_vit."))?)
        }
        // Nothing takes tensors then, so any is too many.
        None => load_exact(None, residual, source).map_err(named("extra_vit."))?,
    };
    Ok((residual, decoder))
}

/// The tensors of the residual encoder and of the decoder, under the names that they have there.
fn split(tensors: Vec<StoredTensor>) -> (Vec<StoredTensor>, Vec<StoredTensor>) {
    let (mut residual, mut decoder) = (vec![], vec![]);
    for tensor in tensors {
        let name = tensor.name.clone();
        match name.split_once('.') {
            Some(("extra_vit", rest)) => residual.push(renamed(tensor, rest.to_string())),
            Some(("decoder", rest)) => decoder.push(renamed(tensor, rest.to_string())),
            _ => residual.push(tensor),
        }
    }
    (residual, decoder)
}

/// The name in a checkpoint, where each network has a prefix.
fn prefixed(prefix: &str, name: &str) -> String {
    match name {
        "mask_token" => name.to_string(),
        _ => format!("{prefix}{name}"),
    }
}

/// The tensors of both networks under the names of a checkpoint.
pub fn autoencoder_tensors(
    residual: Option<&ResidualEncoder>,
    decoder: &Decoder,
) -> Vec<StoredTensor> {
    let residual = residual.map_or(vec![], svg_residual::checkpoint_tensors);
    let networks = [
        ("extra_vit.", residual),
        ("decoder.", module_tensors(decoder)),
    ];
    let tensors = networks.into_iter().flat_map(|(prefix, tensors)| {
        tensors.into_iter().map(move |tensor| {
            let name = prefixed(prefix, &tensor.name);
            renamed(tensor, name)
        })
    });
    tensors.collect()
}

/// Sizes that a file or the manifest of its bundle says.
fn said_config(
    source: &str,
    said: Result<AutoencoderConfig, String>,
    norm_groups: Option<usize>,
) -> Result<AutoencoderConfig, String> {
    let config = said.map_err(|reason| format!("{source}: {reason}"))?;
    let said = config.decoder.norm_groups;
    match norm_groups {
        Some(groups) if groups != said => Err(format!(
            "it says that its norms have {said} groups, and --norm-groups {groups}"
        )),
        _ => Ok(config),
    }
}

/// Sizes from shapes, which do not show the number of groups.
fn inferred_config(
    tensors: &[StoredTensor],
    norm_groups: Option<usize>,
) -> Result<AutoencoderConfig, String> {
    let mut config = infer(tensors.to_vec())?;
    let decoder = &mut config.decoder;
    decoder.norm_groups = norm_groups.unwrap_or(decoder.norm_groups);
    let Some(problem) = config.problem() else {
        return Ok(config);
    };
    let of_groups = problem.starts_with("decoder.norm_groups");
    Err(match norm_groups.filter(|_| of_groups) {
        Some(groups) => format!("--norm-groups {groups}: {problem}"),
        None if of_groups => format!(
            "{problem}. The file does not say how many groups its norms have, and the 32 of published models \
             cannot be: say --norm-groups N, the num_groups of its GroupNorm layers"
        ),
        None => problem,
    })
}

/// Sizes from shapes.
fn infer(tensors: Vec<StoredTensor>) -> Result<AutoencoderConfig, String> {
    let (residual, decoder) = split(tensors);
    let decoder = infer_decoder(&decoder)?;
    let unknown = "the sizes of extra_vit cannot be told from its shapes";
    let residual = match residual.is_empty() {
        true => None,
        false => Some(ResidualConfig::infer(&residual).ok_or(unknown)?),
    };
    Ok(AutoencoderConfig::new(decoder)
        .with_residual(residual)
        .with_alignment(Alignment::Batch))
}

fn infer_decoder(tensors: &[StoredTensor]) -> Result<DecoderConfig, String> {
    let shape = |name: &str| {
        let tensor = tensors.iter().find(|tensor| tensor.name == name);
        tensor.map(|tensor| tensor.shape.to_vec())
    };
    let rows = |name: &str| shape(name).and_then(|shape| shape.first().copied());
    let missing = |name: &str| format!("there is no decoder.{name} of the expected shape");
    let conv_in = shape("conv_in.weight").ok_or_else(|| missing("conv_in.weight"))?;
    let conv_out = shape("conv_out.weight").ok_or_else(|| missing("conv_out.weight"))?;
    let (&[_, in_channels, ..], &[out_channels, width_out, ..]) = (&conv_in[..], &conv_out[..])
    else {
        return Err(missing("conv_in.weight"));
    };
    let mut widths = Vec::new();
    while let Some(width) = rows(&format!("up.{}.block.0.conv1.weight", widths.len())) {
        widths.push(width);
    }
    // The first level's multiplier is 1 in every published configuration.
    let width = *widths
        .first()
        .ok_or_else(|| missing("up.0.block.0.conv1.weight"))?;
    if width != width_out || width == 0 || widths.iter().any(|w| w % width != 0) {
        return Err(format!("the decoder's widths {widths:?} are no multiples"));
    }
    // Above this no network can be made, and a side would overflow.
    if widths.len() > 16 {
        return Err(format!("the decoder has {} levels", widths.len()));
    }
    let blocks = (0usize..).find(|i| rows(&format!("up.0.block.{i}.conv1.weight")).is_none());
    let resolution = 16 << (widths.len() - 1);
    let attends = |level: &usize| rows(&format!("up.{level}.attn.0.q.weight")).is_some();
    let attention = (0..widths.len())
        .filter(attends)
        .map(|level| resolution >> level);
    Ok(DecoderConfig::new(in_channels)
        .with_width(width)
        .with_width_multipliers(widths.iter().map(|w| w / width).collect())
        .with_n_res_blocks(blocks.unwrap_or(1).saturating_sub(1))
        .with_attention_resolutions(attention.collect())
        .with_resolution(resolution)
        .with_out_channels(out_channels))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_decoder_is_known_by_its_shapes() {
        let device = Device::default();
        let tiny = DecoderConfig::new(20)
            .with_width(32)
            .with_width_multipliers(vec![1, 1, 2])
            .with_resolution(64)
            .with_attention_resolutions(vec![16]);
        for config in [DecoderConfig::svg(), tiny] {
            // Parameters are drawn at first use, and nothing uses them here.
            let tensors = module_tensors(&config.init(&device));
            assert_eq!(infer_decoder(&tensors).unwrap(), config);
        }
        assert!(infer_decoder(&[]).unwrap_err().contains("conv_in"));
    }
}
