//! DINOv3 weights in a file: recognised, checked, loaded, rewritten.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use burn::prelude::*;
use burn::store::bridge;
use burn::tensor::{DType, f16};
use svg_nn::{
    ChoiceError, Container, LoadError, Mismatch, StoredTensor, TensorFile, load_exact,
    module_tensors, save_tensors,
};
use svg_store::write_bytes;

use crate::export::export;
use crate::hub::{HubConfig, pixel_statistics, pixel_statistics_json};
use crate::import::{Imported, import, networks};
use crate::layout::Layout;
use crate::{
    Dino, DinoConfig, DinoError, FeedForwardKind, PixelStatistics, RopePeriods, rope_periods,
};

/// The name of the metadata that say where weights come from.
const ORIGIN: &str = "origin";

/// A weight file of a DINOv3 in any public layout, opened but not read.
///
/// ```no_run
/// use burn::prelude::*;
/// use svg_dino::DinoFile;
///
/// let file = DinoFile::open("dinov3-vits16plus/model.safetensors")?;
/// println!("{:?} with {} layers", file.layout(), file.config().n_layers);
/// let dino = file.load(&Device::default())?;
/// # Ok::<(), svg_dino::DinoError>(())
/// ```
#[derive(Debug)]
pub struct DinoFile {
    path: PathBuf,
    container: Container,
    config: DinoConfig,
    contents: Imported,
    origin: Option<String>,
}

impl DinoFile {
    /// Opens a safetensors file, a shard index, a PyTorch file, or a folder with one of them, in
    /// official, Hugging Face or timm names, and works out the architecture.
    ///
    /// An encoder inside a larger file (a training checkpoint, an SVG autoencoder) is found there; of several
    /// the averaged one is taken. A `config.json` and a `preprocessor_config.json` beside the file are taken into
    /// account.
    ///
    /// # Errors
    ///
    /// [`DinoError::NotDino`] if no layout is recognised, [`DinoError::Load`] if the file is damaged, holds
    /// tensors that the layout does not know, or several encoders, [`DinoError::Architecture`] if the architecture
    /// cannot be told, [`DinoError::Config`] if a JSON file beside it is unusable.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, DinoError> {
        Self::open_network(path, None)
    }

    /// As [`open`](Self::open), for the encoder under `key` where the file holds several; see
    /// [`svg_nn::Networks::choose`].
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open), and [`DinoError::Load`] if there is none under the key.
    pub fn open_network(path: impl AsRef<Path>, key: Option<&str>) -> Result<Self, DinoError> {
        let mut file = Self::recognise(path.as_ref(), key)?;
        let hub = HubConfig::read(&file.path.with_file_name("config.json"))?;
        let heads = hub.as_ref().map(|config| config.n_heads);
        let inferred = infer(&file.contents, heads);
        let mut config = inferred.map_err(|reason| file.architecture(reason))?;
        if let Some(hub) = hub {
            config = config
                .with_norm_eps(hub.norm_eps)
                .with_rope_base(hub.rope_base);
            if config != hub {
                let reason = format!("config.json beside it says {hub}, its tensors {config}");
                return Err(file.architecture(reason));
            }
        }
        let satellite = file.is_named_satellite();
        let said = pixel_statistics(&file.path.with_file_name("preprocessor_config.json"))?;
        let note = match said {
            Some(statistics) if satellite && statistics != PixelStatistics::SATELLITE => Some(
                "a satellite model by its name, but preprocessor_config.json beside it has other pixel \
                 statistics; the latter are used",
            ),
            None if satellite => Some("sat493m in its name: using satellite pixel statistics"),
            _ => None,
        };
        file.contents.notes.extend(note.map(str::to_string));
        let by_name = satellite.then_some(PixelStatistics::SATELLITE);
        config.pixels = said.or(by_name).unwrap_or(config.pixels);
        file.configured(config)
    }

    /// As [`open`](Self::open), for an architecture that is known: nothing beside the file is read.
    /// Stored periods still decide their rounding.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open). Whether the tensors fit the architecture is for [`check`](Self::check)
    /// and [`load`](Self::load).
    pub fn open_as(path: impl AsRef<Path>, config: DinoConfig) -> Result<Self, DinoError> {
        Self::open_network_as(path, None, config)
    }

    /// As [`open_as`](Self::open_as), for the encoder under `key`.
    ///
    /// # Errors
    ///
    /// As [`open_network`](Self::open_network).
    pub fn open_network_as(
        path: impl AsRef<Path>,
        key: Option<&str>,
        config: DinoConfig,
    ) -> Result<Self, DinoError> {
        let file = Self::recognise(path.as_ref(), key)?;
        file.configured(config)
    }

    /// The keys of all encoders in a file, the one that [`open`](Self::open) takes first.
    ///
    /// # Errors
    ///
    /// [`DinoError::Load`] if the file cannot be read.
    pub fn keys(path: impl AsRef<Path>) -> Result<Vec<String>, DinoError> {
        Ok(networks(TensorFile::open(path)?.into_tensors()).keys())
    }

    /// Names translated, architecture open.
    fn recognise(path: &Path, key: Option<&str>) -> Result<Self, DinoError> {
        let file = TensorFile::open(path)?;
        let (path, container) = (file.path().to_path_buf(), file.container());
        let origin = file.metadata().get(ORIGIN).cloned();
        let tensors = file.tensors().len();
        let contents = import(file.into_tensors(), key, &path.display().to_string());
        let contents = contents.map_err(|reason| match reason {
            ChoiceError::Nothing { contents, .. } => DinoError::NotDino {
                path: path.clone(),
                tensors,
                contents,
            },
            reason => LoadError::Choice {
                path: path.clone(),
                reason,
            }
            .into(),
        })?;
        Ok(Self {
            path,
            container,
            config: DinoConfig::vits16(),
            contents: contents.map_err(LoadError::from)?,
            origin,
        })
    }

    fn configured(mut self, config: DinoConfig) -> Result<Self, DinoError> {
        self.config = match &self.contents.periods {
            None => config,
            Some(periods) => {
                let rounding = recognise_periods(periods, &config);
                config.with_rope_periods(rounding.map_err(|reason| self.architecture(reason))?)
            }
        };
        Ok(self)
    }

    /// By the name of the file or, where the hub names files alike, of its folder.
    fn is_named_satellite(&self) -> bool {
        let folder = self.path.parent().and_then(Path::file_name);
        let mut names = [self.path.file_name(), folder].into_iter().flatten();
        names.any(|name| name.to_string_lossy().contains("sat493m"))
    }

    fn architecture(&self, reason: String) -> DinoError {
        DinoError::Architecture {
            path: self.path.clone(),
            reason,
        }
    }

    /// A network in memory, as if it had been opened: for writing it in any layout. Its path is empty.
    ///
    /// Key biases are not written by any layout: official files mask them, the others leave them out.
    pub fn of(dino: &Dino) -> Self {
        let tensors = module_tensors(dino).into_iter();
        Self {
            path: PathBuf::new(),
            container: Container::Safetensors,
            config: dino.config().clone(),
            contents: Imported {
                tensors: tensors
                    .map(|tensor| (tensor.name.clone(), tensor))
                    .collect(),
                ..Imported::none(Layout::Official)
            },
            origin: None,
        }
    }

    /// The file that was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The format of the file.
    pub fn container(&self) -> Container {
        self.container
    }

    /// What stands before the names of the encoder in the file, without the last dot.
    pub fn key(&self) -> &str {
        &self.contents.key
    }

    /// The naming scheme that was recognised.
    pub fn layout(&self) -> Layout {
        self.contents.layout
    }

    /// The architecture, with the periods that the file stores, or exact ones if it stores none.
    pub fn config(&self) -> &DinoConfig {
        &self.config
    }

    /// Replaces the configuration: other periods, other pixel statistics. Loading still checks that
    /// every tensor fits.
    pub fn with_config(self, config: DinoConfig) -> Self {
        Self { config, ..self }
    }

    /// The parameters under the network's own names.
    pub fn tensors(&self) -> impl Iterator<Item = &StoredTensor> {
        self.contents.tensors.values()
    }

    /// Tensors of the file that the network does not need, with the reason.
    pub fn dropped(&self) -> &[(String, String)] {
        &self.contents.dropped
    }

    /// What a user should know about the file, such as which of its networks was taken, and repaired masks.
    pub fn notes(&self) -> &[String] {
        &self.contents.notes
    }

    /// Loads the network for inference, in f32.
    ///
    /// # Errors
    ///
    /// [`DinoError::Load`] with everything that is missing, left over or of a wrong shape, in the names
    /// of the file.
    pub fn load(&self, device: &Device) -> Result<Dino, DinoError> {
        let tensors = self.contents.tensors.values().cloned().collect();
        let source = self.path.display().to_string();
        let dino = load_exact(self.config.init(device), tensors, &source);
        Ok(dino.map_err(|error| self.in_their_names(error))?)
    }

    /// Writes the weights in another layout, in the number types that they have.
    ///
    /// To a name that ends in `.safetensors` the file alone; otherwise to a folder, as the hub keeps
    /// it: `model.safetensors`, `preprocessor_config.json` with the pixel statistics, and for
    /// [`Layout::HuggingFace`] a `config.json`. Only official files can say how periods are rounded,
    /// and those say bfloat16, as all published ones do.
    ///
    /// # Errors
    ///
    /// [`DinoError::Load`] if a tensor cannot be read or the file cannot be written.
    pub fn save(&self, layout: Layout, path: &Path) -> Result<PathBuf, DinoError> {
        // Loading checks shapes; writing must not make a broken file from a broken one either.
        self.check()?;
        let mut metadata = HashMap::from([("format".to_string(), "pt".to_string())]);
        if let Some(origin) = &self.origin {
            metadata.insert(ORIGIN.to_string(), origin.clone());
        }
        let tensors = self.tensors_in(layout);
        if path.extension().is_some_and(|e| e == "safetensors") {
            save_tensors(path, &tensors, metadata)?;
            return Ok(path.to_path_buf());
        }
        let failed = |path: &Path, source| LoadError::Write {
            path: path.to_path_buf(),
            source,
        };
        std::fs::create_dir_all(path).map_err(|source| failed(path, source))?;
        let index = path.join("model.safetensors.index.json");
        if index.exists() {
            let reason = "the folder holds a sharded model; choose another";
            return Err(failed(&index, std::io::Error::other(reason)).into());
        }
        let file = path.join("model.safetensors");
        save_tensors(&file, &tensors, metadata)?;
        if layout == Layout::HuggingFace {
            let config = HubConfig::to_json(&self.config);
            write_bytes(path.join("config.json"), config).map_err(LoadError::from)?;
        }
        let statistics = pixel_statistics_json(self.config.pixels);
        write_bytes(path.join("preprocessor_config.json"), statistics).map_err(LoadError::from)?;
        Ok(file)
    }

    /// Where the weights come from, if the file says so in its metadata; it goes with them into every layout.
    pub fn origin(&self) -> Option<&str> {
        self.origin.as_deref()
    }

    /// The same weights, which say that they come from there.
    pub fn with_origin(self, origin: String) -> Self {
        Self {
            origin: Some(origin),
            ..self
        }
    }

    /// The same weights rounded to f16. What needs more digits or a larger exponent loses them.
    pub fn in_f16(mut self) -> Self {
        let rounded = |(path, tensor): (String, StoredTensor)| {
            let (name, shape) = (tensor.name.clone(), tensor.shape.clone());
            let tensor = bridge::map_data(tensor, name, DType::F16, shape, |data| {
                data.convert::<f16>()
            });
            (path, tensor)
        };
        self.contents.tensors = self.contents.tensors.into_iter().map(rounded).collect();
        self
    }

    /// The weights under the names of another layout, sorted by name, in the number types that they have.
    pub fn tensors_in(&self, layout: Layout) -> Vec<StoredTensor> {
        export(&self.contents.tensors, &self.config, layout)
    }

    /// Whether names and shapes are those of the architecture, without reading a number.
    ///
    /// # Errors
    ///
    /// [`DinoError::Load`] with everything that is missing, left over or of a wrong shape.
    pub fn check(&self) -> Result<(), DinoError> {
        let expected = crate::shapes::parameter_shapes(&self.config);
        let mut mismatch = Mismatch::none(self.path.display());
        for (path, shape) in &expected {
            match self.contents.tensors.get(path) {
                None => mismatch.missing.push(path.clone()),
                Some(tensor) if tensor.shape.as_slice() != shape.as_slice() => {
                    let found = tensor.shape.to_vec();
                    let reason = format!("{path}: expected shape {shape:?}, found {found:?}");
                    mismatch.unusable.push(reason);
                }
                Some(_) => {}
            }
        }
        let paths = self.contents.tensors.keys();
        let unknown = paths.filter(|path| !expected.contains_key(*path));
        mismatch.unexpected.extend(unknown.cloned());
        let checked = mismatch.unless(()).map_err(LoadError::from);
        Ok(checked.map_err(|error| self.in_their_names(error))?)
    }

    /// Users look for the names that their file has.
    fn in_their_names(&self, error: LoadError) -> LoadError {
        let gated = self.config.feed_forward == FeedForwardKind::SwiGlu;
        error.with_names(|path| {
            let found = self.contents.layout.name_of(path, gated);
            found.unwrap_or_else(|| path.to_string())
        })
    }
}

impl Dino {
    /// Loads weights of any public layout for inference, in f32: [`DinoFile::open`] and
    /// [`DinoFile::load`] in one.
    ///
    /// # Errors
    ///
    /// As those two.
    pub fn load(path: impl AsRef<Path>, device: &Device) -> Result<Self, DinoError> {
        DinoFile::open(path)?.load(device)
    }
}

/// The architecture from shapes alone, as far as they say it.
fn infer(contents: &Imported, heads: Option<usize>) -> Result<DinoConfig, String> {
    let tensors = &contents.tensors;
    let shape = |path: &str| -> Result<Vec<usize>, String> {
        let tensor = tensors.get(path);
        let tensor = tensor.ok_or_else(|| format!("{path} is missing"))?;
        Ok(tensor.shape.to_vec())
    };
    let number = |path: &String| {
        let (number, _) = path.strip_prefix("blocks.")?.split_once('.')?;
        number.parse().ok()
    };
    let last: Option<usize> = tensors.keys().filter_map(number).max();
    let n_layers = last.map_or(0, |last| last + 1);
    let patch = shape("patch_embed.proj.weight")?;
    let &[d_model, 3, patch_size, _] = patch.as_slice() else {
        return Err(format!(
            "patch_embed.proj.weight has shape {patch:?}, expected [d, 3, p, p]"
        ));
    };
    let gated = tensors.contains_key("blocks.0.mlp.gate.weight");
    let hidden = if gated { "gate" } else { "fc1" };
    let d_ff = shape(&format!("blocks.0.mlp.{hidden}.weight"))?;
    let registers = tensors.get("register_tokens");
    let n_registers = match registers.map(|tokens| tokens.shape.as_slice()) {
        None => 0,
        Some(&[_, count, _]) => count,
        Some(other) => {
            return Err(format!(
                "register tokens have shape {other:?}, expected [1, r, d]"
            ));
        }
    };
    let head_dim = match (heads, &contents.periods) {
        (_, Some(periods)) => 4 * periods.len(),
        (Some(heads), None) if heads > 0 => d_model / heads,
        _ if d_model == 4096 => 128,
        _ if d_model % 64 == 0 => 64,
        _ => {
            return Err(format!(
                "the number of heads cannot be told from {d_model} channels; put the model's \
                 config.json beside the file"
            ));
        }
    };
    if head_dim == 0 || d_model % head_dim != 0 || head_dim % 4 != 0 || d_ff.len() != 2 {
        return Err(format!(
            "heads of {head_dim} channels do not divide {d_model}"
        ));
    }
    Ok(
        DinoConfig::new(d_model, n_layers, d_model / head_dim, d_ff[0])
            .with_feed_forward(match gated {
                true => FeedForwardKind::SwiGlu,
                false => FeedForwardKind::Mlp,
            })
            .with_patch_size(patch_size)
            .with_n_registers(n_registers)
            .with_qkv_bias(tensors.contains_key("blocks.0.attn.qkv.bias")),
    )
}

/// Stored periods are one of the two known roundings, or another model's.
fn recognise_periods(stored: &[f32], config: &DinoConfig) -> Result<RopePeriods, String> {
    if 4 * stored.len() != config.head_dim() {
        return Err(format!(
            "its rope_embed.periods are for heads of {} channels, those of this architecture have {}",
            4 * stored.len(),
            config.head_dim()
        ));
    }
    let close = |rounding| {
        let expected = rope_periods(config.head_dim(), config.rope_base, rounding);
        let mut pairs = stored.iter().zip(&expected);
        pairs.all(|(a, b)| (a / b - 1.0).abs() < 1e-5)
    };
    // Bf16 first: with few periods both may be the same numbers, and official files store bf16.
    [RopePeriods::Bf16Rounded, RopePeriods::Exact]
        .into_iter()
        .find(|rounding| close(*rounding))
        .ok_or_else(|| {
            format!(
                "its rope_embed.periods are not those of base {}: {stored:?}",
                config.rope_base
            )
        })
}
