//! Weights in a file: recognised, checked, loaded, rewritten.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use burn::prelude::*;
use svg_nn::{
    Checked, Container, LoadError, StoredTensor, TensorFile, load_exact, module_tensors,
    save_tensors,
};
use svg_store::write_bytes;

use crate::beside::{Said, to_preprocessor, to_transformers};
use crate::export::export;
use crate::import::{Imported, MASK_TOKEN, import, networks};
use crate::infer::infer;
use crate::layout::Layout;
use crate::{Family, Positions, Vit, VitConfig, VitError};

/// The name of the metadata that hold a [`VitConfig`], of which tensors do not show all.
const CONFIG_KEY: &str = "vit_config";

/// A weight file of a DINOv2, MAE, SigLIP or CLIP in any public layout, opened but not read.
///
/// ```no_run
/// use burn::prelude::*;
/// use svg_vit::VitFile;
///
/// let file = VitFile::open("dinov2_vits14_pretrain.pth")?;
/// println!("{:?} with {} layers", file.layout(), file.config().n_layers);
/// let vit = file.load(&Device::default())?;
/// # Ok::<(), svg_vit::VitError>(())
/// ```
#[derive(Debug)]
pub struct VitFile {
    path: PathBuf,
    container: Container,
    config: VitConfig,
    contents: Imported,
}

impl VitFile {
    /// Opens a safetensors file, a shard index, a PyTorch file, or a folder with one of them, in the names of timm,
    /// Hugging Face or the original repository, and works out family and architecture.
    ///
    /// The image tower inside the file of a whole CLIP or SigLIP is found there; what is left of the file is in
    /// [`dropped`](Self::dropped). What stands beside the file counts: `config.json` of transformers or timm,
    /// `preprocessor_config.json`. So do the metadata that [`save`](Self::save) writes.
    ///
    /// # Errors
    ///
    /// [`VitError::NotVit`] if no family is recognised, [`VitError::Load`] if the file is damaged, holds tensors that
    /// the layout does not know, or several encoders, [`VitError::Architecture`] if the architecture cannot be told or is
    /// told in two ways, [`VitError::Config`] if a JSON file beside it is unusable.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, VitError> {
        Self::open_network(path, None)
    }

    /// As [`open`](Self::open), for the encoder under `key` where the file holds several; see
    /// [`svg_nn::Networks::choose`].
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open), and [`VitError::Load`] if there is none under the key.
    pub fn open_network(path: impl AsRef<Path>, key: Option<&str>) -> Result<Self, VitError> {
        let (mut file, own) = Self::recognise(path.as_ref(), key)?;
        let said = match &own {
            // Its own metadata say all.
            Some(_) => Said::default(),
            None => Said::beside(&file.path)?,
        };
        let own_config = own.map(|text| file.parsed(&text)).transpose()?;
        let said = match &own_config {
            None => said,
            Some(config) => Said {
                n_heads: Some(config.n_heads),
                gelu: Some(config.gelu),
                norm_eps: Some(config.norm_eps),
                pixels: Some(config.pixels),
                ..said
            },
        };
        let inferred = infer(&file.contents, &said);
        let (mut config, notes) = inferred.map_err(|reason| file.architecture(reason))?;
        if let Some(own) = own_config {
            if !own.same_tensors(&config) {
                let differences = own.differences("in its metadata", &config, "by its tensors");
                let reason = differences.unwrap_or_default();
                return Err(file.architecture(format!("{CONFIG_KEY} contradicts them: {reason}")));
            }
            config.positions = own.positions;
        }
        file.contents.notes.extend(notes);
        file.config = config;
        Ok(file)
    }

    /// As [`open`](Self::open), for an architecture that is known: nothing beside the file is read. Positions are resized
    /// by the rule of `config`.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open), and [`VitError::Architecture`] if the file is of another family. Whether the tensors fit
    /// is for [`load`](Self::load).
    pub fn open_as(path: impl AsRef<Path>, config: VitConfig) -> Result<Self, VitError> {
        Self::open_network_as(path, None, config)
    }

    /// As [`open_as`](Self::open_as), for the encoder under `key`.
    ///
    /// # Errors
    ///
    /// As [`open_as`](Self::open_as) and [`open_network`](Self::open_network).
    pub fn open_network_as(
        path: impl AsRef<Path>,
        key: Option<&str>,
        config: VitConfig,
    ) -> Result<Self, VitError> {
        let (mut file, _) = Self::recognise(path.as_ref(), key)?;
        let found = file.contents.family;
        if found != config.family {
            return Err(file.architecture(format!(
                "it holds a {}, and {} is a {}; leave the name of the architecture out to take what the file holds",
                found.name(),
                config.description(),
                config.family.name()
            )));
        }
        file.config = config;
        Ok(file)
    }

    /// The keys of all encoders in a file, the one that [`open`](Self::open) takes first.
    ///
    /// # Errors
    ///
    /// [`VitError::Load`] if the file cannot be read.
    pub fn keys(path: impl AsRef<Path>) -> Result<Vec<String>, VitError> {
        Ok(networks(TensorFile::open(path)?.into_tensors()).keys())
    }

    /// Names translated, architecture open; and the configuration in the metadata.
    fn recognise(path: &Path, key: Option<&str>) -> Result<(Self, Option<String>), VitError> {
        let file = TensorFile::open(path)?;
        let (path, container) = (file.path().to_path_buf(), file.container());
        let own = file.metadata().get(CONFIG_KEY).cloned();
        let contents = import(file, key)?;
        let config = VitConfig::of(contents.family, [1, 1, 1, 1], 1, 1);
        let file = Self {
            path,
            container,
            config,
            contents,
        };
        Ok((file, own))
    }

    fn parsed(&self, text: &str) -> Result<VitConfig, VitError> {
        let config = serde_json::from_str::<VitConfig>(text).map_err(|error| error.to_string());
        let config = config.and_then(|config| match config.problem() {
            None => Ok(config),
            Some(problem) => Err(problem),
        });
        config.map_err(|reason| VitError::Config {
            path: self.path.clone(),
            reason: format!("{CONFIG_KEY} in its metadata: {reason}"),
        })
    }

    fn architecture(&self, reason: String) -> VitError {
        VitError::Architecture {
            path: self.path.clone(),
            reason,
        }
    }

    /// A network in memory, as if it had been opened: for writing it in any layout. Its path is empty.
    pub fn of(vit: &Vit) -> Self {
        let config = vit.config().clone();
        let tensors = module_tensors(vit).into_iter();
        Self {
            path: PathBuf::new(),
            container: Container::Safetensors,
            contents: Imported {
                tensors: tensors
                    .map(|tensor| (tensor.name.clone(), tensor))
                    .collect(),
                is_naflex: config.family == Family::Siglip
                    && config.positions == Positions::LinearAntialiased,
                ..Imported::none(config.family, Layout::Timm)
            },
            config,
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

    /// The architecture.
    pub fn config(&self) -> &VitConfig {
        &self.config
    }

    /// Replaces the configuration: another rule of positions, other pixel statistics. Loading still checks that every
    /// tensor fits.
    pub fn with_config(self, config: VitConfig) -> Self {
        Self { config, ..self }
    }

    /// The parameters under the network's own names.
    pub fn tensors(&self) -> impl Iterator<Item = &StoredTensor> {
        self.contents.tensors.values()
    }

    /// Tensors of the file that the network does not need, with the reason: the text tower of a whole CLIP or SigLIP,
    /// the decoder of MAE, projections.
    pub fn dropped(&self) -> &[(String, String)] {
        &self.contents.dropped
    }

    /// What a user should know about the file, such as which of its networks was taken.
    pub fn notes(&self) -> &[String] {
        &self.contents.notes
    }

    /// Loads the network for inference, in f32.
    ///
    /// # Errors
    ///
    /// [`VitError::Load`] with everything that is missing, left over or of a wrong shape, in the names of the file where
    /// it has one for all of the tensor.
    pub fn load(&self, device: &Device) -> Result<Vit, VitError> {
        let tensors = self.contents.tensors.values().cloned().collect();
        let source = self.path.display().to_string();
        let vit = load_exact(self.config.init(device), tensors, &source);
        Ok(vit.map_err(|error| error.with_names(|path| self.stored_name(path)))?)
    }

    /// What the file calls a parameter; ours where it stores parts of it.
    fn stored_name(&self, path: &str) -> String {
        let (layout, family) = (self.contents.layout, self.contents.family);
        let mut places = layout.places(family, path, self.config.gated).into_iter();
        match (places.next(), places.next()) {
            (Some(place), None) if place.thirds.is_none() => place.name,
            _ => path.to_string(),
        }
    }

    /// The weights under the names of another layout, sorted by name, in the number types that they have.
    ///
    /// # Errors
    ///
    /// [`VitError::Unwritable`] if the family has no files in that layout, [`VitError::Device`] if a tensor cannot be
    /// read.
    pub fn tensors_in(&self, layout: Layout) -> Result<Vec<StoredTensor>, VitError> {
        export(&self.contents, &self.config, layout)
    }

    /// The metadata of a file with [`tensors_in`](Self::tensors_in): the configuration.
    pub fn metadata(&self) -> HashMap<String, String> {
        let config = serde_json::to_string(&self.config).expect("plain fields always serialise");
        HashMap::from([
            ("format".to_string(), "pt".to_string()),
            (CONFIG_KEY.to_string(), config),
        ])
    }

    /// Writes the weights in another layout, in the number types that they have.
    ///
    /// To a name that ends in `.safetensors` the file alone; otherwise to a folder, as the hub keeps it:
    /// `model.safetensors`, `preprocessor_config.json`, and for [`Layout::HuggingFace`] a `config.json`.
    ///
    /// # Errors
    ///
    /// [`VitError::Load`] if a tensor cannot be read or the file cannot be written, and as
    /// [`tensors_in`](Self::tensors_in).
    pub fn save(&self, layout: Layout, path: &Path) -> Result<PathBuf, VitError> {
        let tensors = self.tensors_in(layout)?;
        if path.extension().is_some_and(|end| end == "safetensors") {
            save_tensors(path, &tensors, self.metadata())?;
            return Ok(path.to_path_buf());
        }
        let failed = |path: &Path, source| LoadError::Write {
            path: path.to_path_buf(),
            source,
        };
        std::fs::create_dir_all(path).map_err(|source| failed(path, source))?;
        for other in ["model.safetensors.index.json", "config.json"] {
            let other_path = path.join(other);
            let is_ours = other == "config.json" && layout == Layout::HuggingFace;
            if other_path.exists() && !is_ours {
                let reason = "it is of another model; choose another folder";
                return Err(failed(&other_path, std::io::Error::other(reason)).into());
            }
        }
        let file = path.join("model.safetensors");
        save_tensors(&file, &tensors, self.metadata())?;
        if layout == Layout::HuggingFace {
            let json = to_transformers(&self.config);
            write_bytes(path.join("config.json"), json).map_err(LoadError::from)?;
        }
        let pixels = to_preprocessor(self.config.pixels);
        write_bytes(path.join("preprocessor_config.json"), pixels).map_err(LoadError::from)?;
        Ok(file)
    }

    /// Whether files in that layout have no place for the mask token, and it is there.
    pub fn loses_mask_token(&self, layout: Layout) -> bool {
        let has = self.contents.mask_token.is_some();
        let places = layout.places(self.config.family, MASK_TOKEN, self.config.gated);
        has && places.is_empty()
    }
}

impl Vit {
    /// Loads weights of any public layout for inference, in f32: [`VitFile::open`] and [`VitFile::load`] in one.
    ///
    /// # Errors
    ///
    /// As those two.
    pub fn load(path: impl AsRef<Path>, device: &Device) -> Result<Self, VitError> {
        VitFile::open(path)?.load(device)
    }
}
