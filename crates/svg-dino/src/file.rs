//! DINOv3 weights in a file: recognised, checked, loaded, rewritten.

use std::path::{Path, PathBuf};

use burn::prelude::*;
use svg_nn::{
    Checked, ChoiceError, Container, LoadError, Mismatch, StoredTensor, TensorFile, load_exact,
    module_tensors,
};

use crate::beside::{Beside, agreed};
use crate::import::{Imported, import, networks};
use crate::infer::{infer, recognise_periods};
use crate::layout::Layout;
use crate::naflex;
use crate::said::Said;
use crate::statistics::check_statistics;
use crate::{Dino, DinoConfig, DinoError, FeedForwardKind, PixelStatistics};

/// The name of the metadata that say where weights come from.
pub(crate) const ORIGIN: &str = "origin";
/// The name of the metadata that hold a [`DinoConfig`] which tensors do not show.
pub(crate) const CONFIG_KEY: &str = "dinov3_config";
/// How messages call those metadata.
const OWN: &str = "the metadata of the file";
/// What they are asked for; the rounding of periods is the layout's, and layer scales are in the tensors.
const OWN_NAMES: [(&str, &str); 10] = [
    ("d_model", "d_model"),
    ("n_layers", "n_layers"),
    ("n_heads", "n_heads"),
    ("d_ff", "d_ff"),
    ("feed_forward", "feed_forward"),
    ("patch_size", "patch_size"),
    ("n_registers", "n_registers"),
    ("qkv_bias", "qkv_bias"),
    ("rope_base", "rope_base"),
    ("norm_eps", "norm_eps"),
];

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
    pub(crate) config: DinoConfig,
    pub(crate) contents: Imported,
    pub(crate) origin: Option<String>,
    stored_config: Option<String>,
}

impl DinoFile {
    /// Opens a safetensors file, a shard index, a PyTorch file, or a folder with one of them, in
    /// official, Hugging Face or timm names, and works out the architecture.
    ///
    /// An encoder inside a larger file (a training checkpoint, an SVG autoencoder) is found there; of several
    /// the averaged one is taken. What stands beside the file counts: `config.json` of transformers or timm,
    /// `preprocessor_config.json`. So do the metadata that [`save`](Self::save) writes.
    ///
    /// # Errors
    ///
    /// [`DinoError::NotDino`] if no layout is recognised, [`DinoError::Load`] if the file is damaged, holds
    /// tensors that the layout does not know, or several encoders, [`DinoError::Architecture`] if the architecture
    /// cannot be told or is told in two ways, [`DinoError::Config`] if a JSON file beside it is unusable.
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
        let Beside { said, mut pixels } = Beside::read(&file.path)?;
        let own = file.said_by_itself()?;
        if let Some((_, config)) = &own {
            pixels.push((OWN.to_string(), config.pixels));
        }
        let own = own.map(|(said, _)| said);
        let sources: Vec<_> = own.into_iter().chain(said).collect();
        let config = file.inferred(&sources);
        let mut config = config.map_err(|reason| file.architecture(reason))?;
        let told = agreed(&pixels).map_err(|reason| file.architecture(reason))?;
        let satellite = is_named_satellite(&file.path);
        let note = match told {
            Some(statistics) if satellite && statistics != PixelStatistics::SATELLITE => {
                Some(format!(
                    "a satellite model by its name, but {} has other pixel statistics; the latter are used",
                    pixels[0].0
                ))
            }
            None if satellite => {
                Some("sat493m in its name: using satellite pixel statistics".to_string())
            }
            _ => None,
        };
        file.contents.notes.extend(note);
        let by_name = satellite.then_some(PixelStatistics::SATELLITE);
        config.pixels = told.or(by_name).unwrap_or(config.pixels);
        file.configured(config)
    }

    /// What the file says of itself: where [`save`](Self::save) wrote tensors that do not say it all.
    fn said_by_itself(&self) -> Result<Option<(Said, DinoConfig)>, DinoError> {
        let Some(text) = &self.stored_config else {
            return Ok(None);
        };
        let wrong = |reason: String| DinoError::Config {
            path: self.path.clone(),
            reason: format!("{CONFIG_KEY} in its metadata: {reason}"),
        };
        let config = serde_json::from_str::<DinoConfig>(text);
        let config = config.map_err(|error| wrong(error.to_string()))?;
        check_statistics(&config.pixels, "mean", "std").map_err(wrong)?;
        Ok(Some((Said::of(OWN, &config, &OWN_NAMES), config)))
    }

    /// What the tensors show, with what documents add.
    fn inferred(&mut self, sources: &[Said]) -> Result<DinoConfig, String> {
        let periods = self.contents.periods.as_deref();
        let heads = sources.iter().find_map(Said::n_heads);
        let shown = infer(&self.contents.tensors, periods, heads)?;
        let pairs = sources
            .iter()
            .skip(1)
            .filter_map(|s| sources[0].contradiction(s));
        let tensors = sources.iter().filter_map(|said| said.contradicts(&shown));
        if let Some(reason) = pairs.chain(tensors).next() {
            return Err(format!("{reason}; keep each model in a folder of its own"));
        }
        checked(&shown)?;
        if periods.is_none() && heads.is_none() && shown.name().is_none() {
            self.contents.notes.push(format!(
                "heads of {} channels, rotations of base 100 and an epsilon of 1e-5 are assumed: the model is \
                 none of the released ones, and no config.json beside it says more",
                shown.head_dim()
            ));
        }
        let complete = sources
            .iter()
            .fold(shown, |config, said| said.complete(config));
        checked(&complete).map(|()| complete)
    }

    /// As [`open`](Self::open), for an architecture that is known: nothing beside the file is read, and what its
    /// metadata say otherwise is a [note](Self::notes). Stored periods still decide their rounding.
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
        let mut file = Self::recognise(path.as_ref(), key)?;
        let named = Said::of("the architecture that was named", &config, &OWN_NAMES);
        let own = file.said_by_itself()?;
        let differing = own.and_then(|(said, _)| said.contradiction(&named));
        let note = differing.map(|reason| format!("{reason}; the latter is used"));
        file.contents.notes.extend(note);
        file.configured(config)
    }

    /// The keys of all encoders in a file, the one that [`open`](Self::open) takes first.
    ///
    /// # Errors
    ///
    /// [`DinoError::Load`] if the file cannot be read.
    pub fn keys(path: impl AsRef<Path>) -> Result<Vec<String>, DinoError> {
        let (tensors, _) = naflex::unpacked(TensorFile::open(path)?.into_tensors());
        Ok(networks(tensors).keys())
    }

    /// Names translated, architecture open.
    fn recognise(path: &Path, key: Option<&str>) -> Result<Self, DinoError> {
        let file = TensorFile::open(path)?;
        let (path, container) = (file.path().to_path_buf(), file.container());
        let origin = file.metadata().get(ORIGIN).cloned();
        let stored_config = file.metadata().get(CONFIG_KEY).cloned();
        let notes = file.notes().to_vec();
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
        let mut contents = contents.map_err(LoadError::from)?;
        contents.notes.splice(0..0, notes);
        Ok(Self {
            path,
            container,
            config: DinoConfig::vits16(),
            contents,
            origin,
            stored_config,
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
            stored_config: None,
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
        error.with_names(|path| self.stored_name(path))
    }

    /// What the file calls a parameter; ours where it stores thirds of it.
    pub(crate) fn stored_name(&self, path: &str) -> String {
        let gated = self.config.feed_forward == FeedForwardKind::SwiGlu;
        let found = self.contents.layout.name_of(path, gated);
        found.unwrap_or_else(|| path.to_string())
    }
}

/// An error if no network can be made of it.
fn checked(config: &DinoConfig) -> Result<(), String> {
    config.problem().map_or(Ok(()), Err)
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

/// By the name of the file or, where the hub names files alike, of its folder; in a cache of the hub, that is the
/// folder above the snapshots.
pub(crate) fn is_named_satellite(path: &Path) -> bool {
    let above: Vec<_> = path
        .ancestors()
        .take(4)
        .filter_map(Path::file_name)
        .collect();
    let names = match above.as_slice() {
        [file, folder, snapshots, model] if *snapshots == "snapshots" => vec![file, folder, model],
        [file, folder, ..] => vec![file, folder],
        names => names.iter().collect(),
    };
    let mut names = names.into_iter();
    names.any(|name| name.to_string_lossy().contains("sat493m"))
}
