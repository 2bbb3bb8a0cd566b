//! The generating half of a bundle.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use burn::prelude::*;
use svg_dino::Dino;
use svg_nn::{StoredTensor, TensorFile};
use svg_sit::{Sit, SitConfig};

use crate::bundle_files::{FLOW, LATENTS, place};
use crate::generator::misfit;
use crate::{
    Bundle, FlowEntry, Generator, Grid, ModelError, Provenance, StoredLatentStatistics,
    SvgAutoencoder,
};

/// What a flow in a bundle is made of.
pub struct FlowContents<'a> {
    /// Its sizes.
    pub config: SitConfig,
    /// Its weights, under the names of the published checkpoint: the averaged ones, for use.
    pub tensors: &'a [StoredTensor],
    /// The names of its classes, in the order of their labels; empty if they are not known.
    pub classes: Vec<String>,
    /// How it came about.
    pub provenance: Provenance,
}

impl Bundle {
    /// How features lie over an image of the size that the bundle was made for.
    pub fn grid(&self) -> Grid {
        let (encoder, config) = (&self.manifest.encoder.config, &self.manifest.autoencoder);
        let residual = config.residual.as_ref();
        let side = residual.map_or(config.decoder.resolution, |residual| residual.image_size);
        let side = side / encoder.patch_size.max(1);
        Grid {
            rows: side,
            columns: side,
            channels: encoder.d_model + config.residual_channels(),
        }
    }

    /// The statistics that features are normalised by, if there are any.
    ///
    /// # Errors
    ///
    /// As [`StoredLatentStatistics::load`], and [`ModelError::OtherFeatures`] if they belong to others than
    /// the bundle's, which another alignment makes of them.
    pub fn latent_statistics(&self) -> Result<Option<StoredLatentStatistics>, ModelError> {
        let Some(path) = self.file(LATENTS) else {
            return Ok(None);
        };
        let stored = StoredLatentStatistics::load(&path)?;
        match stored.features == self.features {
            true => Ok(Some(stored)),
            false => Err(ModelError::OtherFeatures {
                path: self.folder.clone(),
                what: "latent statistics",
                belongs: stored.features,
                bundle: self.features.clone(),
                advice: "Compute them again with `svg stats`",
            }),
        }
    }

    /// Gives the bundle other latent statistics, as [`set_statistics`](Self::set_statistics) does.
    ///
    /// # Errors
    ///
    /// [`ModelError::OtherFeatures`] if they belong to other features, [`ModelError::Misfit`] if they have
    /// another number of channels, [`ModelError::Load`] or [`ModelError::Write`] if a file cannot be
    /// written.
    pub fn set_latent_statistics(
        &mut self,
        statistics: &StoredLatentStatistics,
    ) -> Result<(), ModelError> {
        if statistics.features != self.features {
            return Err(ModelError::OtherFeatures {
                path: self.folder.clone(),
                what: "latent statistics",
                belongs: statistics.features.clone(),
                bundle: self.features.clone(),
                advice: "Compute them with the features of this bundle",
            });
        }
        let (found, expected) = (statistics.statistics.channels(), self.grid().channels);
        if found != expected {
            let reason = format!(
                "the statistics have {found} channels, the bundle's features {expected}; compute them with \
                 `svg stats`"
            );
            return Err(ModelError::Misfit { reason });
        }
        let (tensors, metadata) = (statistics.tensors(), statistics.metadata());
        let placed = place(&self.folder, LATENTS, &tensors, metadata)?;
        self.exchange(LATENTS, placed, |_| ())
    }

    /// The weights of the flow, under the names of the published checkpoint, if there is one.
    ///
    /// # Errors
    ///
    /// [`ModelError::Load`] if the file cannot be read.
    pub fn flow_tensors(&self) -> Result<Option<Vec<StoredTensor>>, ModelError> {
        let path = self.file(FLOW);
        let tensors = path.map(|path| TensorFile::open(path).map(TensorFile::into_tensors));
        Ok(tensors.transpose()?)
    }

    /// The flow, if there is one.
    ///
    /// # Errors
    ///
    /// [`ModelError::Load`] if the weights do not fit the configuration.
    pub fn flow(&self, device: &Device) -> Result<Option<Sit>, ModelError> {
        let (Some(entry), Some(tensors)) = (&self.manifest.flow, self.flow_tensors()?) else {
            return Ok(None);
        };
        let source = self.folder.display().to_string();
        Ok(Some(svg_sit::load(
            &entry.config,
            tensors,
            &source,
            device,
        )?))
    }

    /// Whether a flow of these sizes makes the bundle's latents, and its classes all have names or none.
    ///
    /// # Errors
    ///
    /// [`ModelError::Misfit`] with both sides if not.
    pub fn check_flow(&self, config: &SitConfig, classes: &[String]) -> Result<(), ModelError> {
        let names = || {
            let (count, names) = (config.n_classes, classes.len());
            (names > 0 && names != count).then(|| {
                format!(
                    "it has {count} classes and {names} names for them; give each its name, or none"
                )
            })
        };
        match misfit(config, self.grid()).or_else(names) {
            Some(reason) => Err(ModelError::Misfit { reason }),
            None => Ok(()),
        }
    }

    /// Gives the bundle another flow, which makes latents of its present statistics. Tensors are written
    /// one at a time.
    ///
    /// # Errors
    ///
    /// As [`check_flow`](Self::check_flow), [`ModelError::OtherFeatures`] if the bundle's statistics are no
    /// longer those of its features, [`ModelError::Load`] or [`ModelError::Write`] if a file cannot be written.
    pub fn set_flow(&mut self, contents: FlowContents) -> Result<(), ModelError> {
        let FlowContents {
            config,
            tensors,
            classes,
            provenance,
        } = contents;
        self.check_flow(&config, &classes)?;
        let statistics = self.latent_statistics()?;
        let entry = FlowEntry {
            config,
            classes,
            features: self.features.clone(),
            statistics: statistics.map(|stored| stored.statistics.fingerprint()),
            provenance,
        };
        let metadata = HashMap::from([("format".to_string(), "pt".to_string())]);
        let placed = place(&self.folder, FLOW, tensors, metadata)?;
        self.exchange(FLOW, placed, |manifest| manifest.flow = Some(entry))
    }

    /// The whole model, from noise to images. `encoder` names the encoder's weights, if they are elsewhere.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load); [`ModelError::NoFlow`] and [`ModelError::NoLatentStatistics`] if a part is
    /// missing; [`ModelError::OtherFeatures`] and [`ModelError::OtherStatistics`] if the parts do not
    /// belong together.
    pub fn generator(
        &self,
        encoder: Option<&Path>,
        device: &Device,
    ) -> Result<Generator<SvgAutoencoder<Dino>>, ModelError> {
        let path = || -> PathBuf { self.folder.clone() };
        let Some(entry) = &self.manifest.flow else {
            return Err(ModelError::NoFlow { path: path() });
        };
        let Some(stored) = self.latent_statistics()? else {
            return Err(ModelError::NoLatentStatistics { path: path() });
        };
        if entry.features != self.features {
            return Err(ModelError::OtherFeatures {
                path: path(),
                what: "flow's latents",
                belongs: entry.features.clone(),
                bundle: self.features.clone(),
                advice: "Train or import the flow again",
            });
        }
        let found = stored.statistics.fingerprint();
        if let Some(flow) = entry.statistics.as_ref().filter(|flow| **flow != found) {
            return Err(ModelError::OtherStatistics {
                path: path(),
                flow: flow.clone(),
                bundle: found,
            });
        }
        let flow = self.flow(device)?;
        let flow = flow.ok_or_else(|| ModelError::NoFlow { path: path() })?;
        let space = self.load(encoder, device)?;
        Generator::new(space.with_latent_statistics(stored.statistics), flow)
    }
}
