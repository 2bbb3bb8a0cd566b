//! The folder that keeps a model.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use burn::prelude::*;
use svg_decoder::Decoder;
use svg_dino::{Dino, DinoConfig, DinoFile};
use svg_nn::{StoredTensor, TensorFile, save_tensors};
use svg_residual::ResidualEncoder;

use crate::bundle_copy::appear;
use crate::bundle_files::{STATISTICS, place};
use crate::fingerprint::features_fingerprint;
use crate::manifest::{EncoderReference, FORMAT, FileEntry, Manifest, Provenance};
use crate::{
    AutoencoderConfig, ModelError, StoredStatistics, SvgAutoencoder, encoder_fingerprint,
    load_autoencoder,
};

/// The residual encoder and the decoder, under the names of a published checkpoint.
pub const AUTOENCODER_FILE: &str = "autoencoder.safetensors";
/// The encoder's weights, where they are our own and lie in the bundle.
pub const ENCODER_FILE: &str = "encoder.safetensors";
/// What a checkpoint holds beside the model.
const REST_FILE: &str = "training.safetensors";

/// A model on disk: a manifest, safetensors, and a reference to the encoder.
#[derive(Debug)]
pub struct Bundle {
    pub(crate) folder: PathBuf,
    pub(crate) manifest: Manifest,
    pub(crate) features: String,
}

/// What a new bundle is made of.
pub struct BundleContents<'a> {
    /// Residual encoder, decoder and alignment.
    pub config: AutoencoderConfig,
    /// Their weights, under the names of a published checkpoint.
    pub tensors: &'a [StoredTensor],
    /// Alignment statistics, if there are any.
    pub statistics: Option<StoredStatistics>,
    /// What a checkpoint holds beside the model, under its names there.
    pub rest: &'a [StoredTensor],
    /// The encoder, loaded.
    pub encoder: &'a Dino,
    /// The file that the encoder was loaded from.
    pub encoder_path: &'a Path,
    /// Whether the encoder's weights are ours, so that they may be copied into the bundle.
    pub copy_encoder: bool,
    /// How it came about.
    pub provenance: Provenance,
}

impl Bundle {
    /// Writes a bundle. It appears under its name when it is whole.
    ///
    /// # Errors
    ///
    /// [`ModelError::Taken`] if the folder exists, is not empty and is not to be replaced, and whatever
    /// writing brings.
    pub fn create(
        folder: &Path,
        contents: BundleContents,
        replace: bool,
    ) -> Result<Self, ModelError> {
        appear(folder, replace, |aside| contents.write(aside))?;
        Self::open(folder)
    }

    /// Opens a bundle and checks every file against the manifest.
    ///
    /// # Errors
    ///
    /// [`ModelError::NotABundle`] and [`ModelError::Manifest`] if the manifest is missing or unusable,
    /// [`ModelError::Changed`] if a file is missing or not the one that was written.
    pub fn open(folder: &Path) -> Result<Self, ModelError> {
        let manifest = Manifest::read(folder)?;
        for (name, entry) in &manifest.files {
            entry.check(&folder.join(name))?;
        }
        if !manifest.files.contains_key(AUTOENCODER_FILE) {
            return Err(ModelError::Manifest {
                path: Manifest::path(folder),
                reason: format!("it does not list {AUTOENCODER_FILE}"),
            });
        }
        let features = features_fingerprint(folder, &manifest)?;
        Ok(Self {
            folder: folder.to_path_buf(),
            manifest,
            features,
        })
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What the folder says of itself.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The SHA-256, in hexadecimal, of everything that features depend on: the encoder's fingerprint, the
    /// residual encoder's weights, how it is aligned and by which statistics. The decoder is no part of it.
    pub fn features_fingerprint(&self) -> String {
        self.features.clone()
    }

    /// The alignment statistics, if there are any.
    ///
    /// # Errors
    ///
    /// As [`StoredStatistics::load`].
    pub fn statistics(&self) -> Result<Option<StoredStatistics>, ModelError> {
        let path = self.file(STATISTICS);
        path.map(|path| StoredStatistics::load(&path)).transpose()
    }

    /// The residual encoder, if there is one, and the decoder.
    ///
    /// # Errors
    ///
    /// [`ModelError::Load`] if the weights do not fit the configuration.
    pub fn networks(
        &self,
        device: &Device,
    ) -> Result<(Option<ResidualEncoder>, Decoder), ModelError> {
        let file = TensorFile::open(self.folder.join(AUTOENCODER_FILE))?;
        let source = file.path().display().to_string();
        let config = &self.manifest.autoencoder;
        load_autoencoder(config, file.into_tensors(), &source, device)
    }

    /// The encoder, from where the manifest says or from a file that is named instead.
    ///
    /// # Errors
    ///
    /// [`ModelError::EncoderMissing`] if there is no file, [`ModelError::OtherEncoder`] if it holds other
    /// weights than those trained with, [`ModelError::Encoder`] if it cannot be read.
    pub fn encoder(&self, instead: Option<&Path>, device: &Device) -> Result<Dino, ModelError> {
        let EncoderReference {
            name,
            config,
            fingerprint,
            ..
        } = &self.manifest.encoder;
        let path = instead.map_or_else(|| self.encoder_path(), Path::to_path_buf);
        if !path.exists() {
            return Err(ModelError::EncoderMissing {
                path,
                name: name.clone(),
                fingerprint: fingerprint.clone(),
            });
        }
        let file = DinoFile::open(&path)?;
        let other = |reason: String| ModelError::OtherEncoder {
            path: path.clone(),
            reason,
        };
        if sizes(file.config()) != sizes(config) {
            return Err(other(format!(
                "it was trained with {name}, this is {}",
                described(file.config())
            )));
        }
        // The rounding of periods is the model's, where the file's layout does not store it.
        let dino = file.with_config(config.clone()).load(device)?;
        let found = encoder_fingerprint(&dino)?;
        if found != *fingerprint {
            return Err(other(format!(
                "the architecture is the same, the weights are not (fingerprint {}..., expected {}...)",
                &found[..12],
                fingerprint.get(..12).unwrap_or(fingerprint)
            )));
        }
        Ok(dino)
    }

    /// The whole model for inference, with its own alignment.
    ///
    /// # Errors
    ///
    /// As [`encoder`](Self::encoder), [`networks`](Self::networks) and [`statistics`](Self::statistics).
    pub fn load(
        &self,
        encoder: Option<&Path>,
        device: &Device,
    ) -> Result<SvgAutoencoder<Dino>, ModelError> {
        let encoder = self.encoder(encoder, device)?;
        let config = &self.manifest.autoencoder;
        let misfit = config.misfit(encoder.config().d_model, encoder.config().patch_size);
        if let Some(reason) = misfit {
            let path = Manifest::path(&self.folder);
            return Err(ModelError::Manifest { path, reason });
        }
        let (residual, decoder) = self.networks(device)?;
        let statistics = self.statistics()?.map(|stored| stored.statistics);
        Ok(config.join(encoder, residual, decoder, statistics))
    }

    /// What the model's checkpoint held beside the model, under its names there.
    ///
    /// # Errors
    ///
    /// [`ModelError::Load`] if the file cannot be read.
    pub fn rest(&self) -> Result<Vec<StoredTensor>, ModelError> {
        match self.manifest.files.contains_key(REST_FILE) {
            true => Ok(TensorFile::open(self.folder.join(REST_FILE))?.into_tensors()),
            false => Ok(vec![]),
        }
    }

    /// Where the encoder's weights are said to be.
    pub fn encoder_path(&self) -> PathBuf {
        // An absolute path replaces the folder.
        self.folder.join(&self.manifest.encoder.path)
    }

    /// Gives the bundle other alignment statistics, and makes frozen alignment its own.
    ///
    /// The new file is written first, then the manifest that names it; the old file goes last.
    ///
    /// # Errors
    ///
    /// [`ModelError::Load`] or [`ModelError::Write`] if a file cannot be written.
    pub fn set_statistics(&mut self, statistics: &StoredStatistics) -> Result<(), ModelError> {
        let placed = place(
            &self.folder,
            STATISTICS,
            &statistics.tensors(),
            statistics.metadata(),
        )?;
        self.exchange(STATISTICS, placed, |manifest| {
            manifest.autoencoder.alignment = crate::Alignment::Frozen;
        })
    }
}

impl BundleContents<'_> {
    fn write(self, folder: &Path) -> Result<(), ModelError> {
        let mut files = BTreeMap::new();
        let mut put = |name: &str, tensors: &[StoredTensor]| -> Result<(), ModelError> {
            let path = folder.join(name);
            save_tensors(&path, tensors, HashMap::new())?;
            files.insert(name.to_string(), FileEntry::of(&path)?);
            Ok(())
        };
        put(AUTOENCODER_FILE, self.tensors)?;
        if !self.rest.is_empty() {
            put(REST_FILE, self.rest)?;
        }
        let encoder = self.encoder.config();
        let path = match self.copy_encoder {
            true => {
                let path = folder.join(ENCODER_FILE);
                DinoFile::of(self.encoder).save(svg_dino::Layout::Official, &path)?;
                files.insert(ENCODER_FILE.to_string(), FileEntry::of(&path)?);
                PathBuf::from(ENCODER_FILE)
            }
            false => std::path::absolute(self.encoder_path)
                .map_err(ModelError::system(self.encoder_path))?,
        };
        if let Some(statistics) = &self.statistics {
            let (tensors, metadata) = (statistics.tensors(), statistics.metadata());
            let (name, entry) = place(folder, STATISTICS, &tensors, metadata)?;
            files.insert(name, entry);
        }
        let manifest = Manifest {
            format: FORMAT,
            encoder: EncoderReference {
                name: described(encoder),
                config: encoder.clone(),
                fingerprint: encoder_fingerprint(self.encoder)?,
                path,
            },
            autoencoder: self.config,
            provenance: self.provenance,
            flow: None,
            files,
        };
        manifest.write(folder)
    }
}

/// What of a configuration must agree: all but how periods are rounded and how layers begin.
fn sizes(config: &DinoConfig) -> DinoConfig {
    config
        .clone()
        .with_rope_periods(svg_dino::RopePeriods::Exact)
        .with_layer_scale(1.0)
}

fn described(config: &DinoConfig) -> String {
    let unreleased = || {
        format!(
            "a network of {} layers, {} channels and patches of {}",
            config.n_layers, config.d_model, config.patch_size
        )
    };
    config.name().map_or_else(unreleased, str::to_string)
}
