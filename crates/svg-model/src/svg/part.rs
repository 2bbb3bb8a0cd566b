//! SVG's encoder and space as parts of a bundle.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use svg_decoder::Decoder;
use svg_nn::StoredTensor;
use svg_residual::ResidualEncoder;
use svg_roles::LatentSpace;
use svg_store::PathError;

use super::autoencoder::Decoding;
use super::fingerprint::{features_fingerprint, fingerprint, fingerprint_with};
use super::statistics::check as check_statistics;
use super::{
    Alignment, AutoencoderConfig, CONFIG_KEY, StoredStatistics, SvgAutoencoder, load_autoencoder,
};
use crate::bundle::{ENCODER, SPACE};
use crate::{Bundle, ModelError, NewFile, NewPart, Opening, Provenance, kinds};

/// The stem of the file of the residual encoder and the decoder, under the names of a published checkpoint.
pub const AUTOENCODER: &str = "autoencoder";
/// The stem of the file of alignment statistics.
pub const STATISTICS: &str = "statistics";
/// The stem of the file of what a checkpoint holds beside the model.
pub const TRAINING: &str = "training";

/// A frozen encoder that is to become a part.
///
/// Its weights are seldom ours to copy: they are referred to by a path and a fingerprint, unless `copy`
/// holds them.
#[derive(Clone, Debug)]
pub struct NewEncoder {
    /// What opens it: a key of the [`Registry`](crate::Registry).
    pub kind: String,
    /// The name of a released architecture, or what it is instead.
    pub name: String,
    /// Everything that its weights do not show, as JSON.
    pub config: serde_json::Value,
    /// A hash of everything that its tokens depend on.
    pub fingerprint: String,
    /// The file that it was loaded from; `None` if it has no weights.
    pub path: Option<PathBuf>,
    /// Its weights, if they may be copied into the bundle.
    pub copy: Option<(Vec<StoredTensor>, HashMap<String, String>)>,
    /// What a reader should know, such as which of a file's networks it is.
    pub notes: Vec<String>,
}

impl NewEncoder {
    /// The part.
    ///
    /// # Errors
    ///
    /// [`ModelError::System`] if the path cannot be made absolute.
    pub fn into_part(self) -> Result<NewPart, ModelError> {
        let mut new = NewPart::new(&self.kind, &self.config);
        new.part.name = self.name;
        new.part.fingerprint = Some(self.fingerprint);
        new.part.provenance.notes = self.notes;
        new.part.weights = match (self.copy, self.path) {
            (Some((tensors, metadata)), _) => {
                let file = NewFile::new(ENCODER, tensors, metadata);
                new.files.push(file);
                Some(PathBuf::from(format!("{ENCODER}.safetensors")))
            }
            (None, Some(path)) => Some(std::path::absolute(&path).map_err(PathError::at(&path))?),
            (None, None) => None,
        };
        Ok(new)
    }
}

/// A space of SVG's features that is to become a part.
pub struct NewSpace {
    /// Residual encoder, decoder and alignment.
    pub config: AutoencoderConfig,
    /// Their weights, under the names of a published checkpoint.
    pub tensors: Vec<StoredTensor>,
    /// Alignment statistics, if there are any.
    pub statistics: Option<StoredStatistics>,
    /// What a checkpoint holds beside the model, under its names there.
    pub rest: Vec<StoredTensor>,
    /// How it came about.
    pub provenance: Provenance,
}

impl NewSpace {
    /// The part, on an encoder of that fingerprint, with so many channels and patches of so many pixels.
    ///
    /// # Errors
    ///
    /// [`ModelError::Device`] if weights cannot be read back from the device.
    pub fn into_part(
        self,
        encoder: &str,
        channels: usize,
        patch_size: usize,
    ) -> Result<NewPart, ModelError> {
        let config = &self.config;
        let statistics = self.statistics.as_ref().map(|stored| stored.statistics);
        let fingerprint = features_fingerprint(encoder, config, &self.tensors, statistics.as_ref());
        let mut new = NewPart::new(kinds::SVG, config);
        new.part.fingerprint = Some(fingerprint.map_err(ModelError::Device)?);
        new.part.geometry = Some(config.geometry(channels, patch_size));
        new.part.provenance = self.provenance;
        // So that the file can be read where it lies alone.
        let said = serde_json::to_string(config).expect("a configuration is JSON");
        let said = HashMap::from([(CONFIG_KEY.to_string(), said)]);
        for (stem, tensors, metadata) in [
            (AUTOENCODER, self.tensors, said),
            (TRAINING, self.rest, HashMap::new()),
        ] {
            if !tensors.is_empty() {
                new.files.push(NewFile::new(stem, tensors, metadata));
            }
        }
        let statistics = self.statistics.as_ref();
        new.files.extend(statistics.map(StoredStatistics::file));
        Ok(new)
    }
}

/// The configuration of a bundle whose space is of this kind.
///
/// # Errors
///
/// [`ModelError::UnknownKind`] if it is of another kind, [`ModelError::Manifest`] if the configuration
/// cannot be used.
pub fn space_config(bundle: &Bundle) -> Result<AutoencoderConfig, ModelError> {
    let part = bundle.part(SPACE)?;
    match part.kind == kinds::SVG {
        true => bundle.config(SPACE),
        false => Err(bundle.unknown_kind(SPACE, part, kinds::SVG.to_string())),
    }
}

/// The alignment statistics of a bundle, if there are any.
///
/// # Errors
///
/// As [`StoredStatistics::load`].
pub fn alignment_statistics(bundle: &Bundle) -> Result<Option<StoredStatistics>, ModelError> {
    match bundle.file(SPACE, STATISTICS) {
        Some(_) => StoredStatistics::of(&bundle.tensors(SPACE, STATISTICS)?).map(Some),
        None => Ok(None),
    }
}

/// Gives a bundle other alignment statistics, and makes frozen alignment its own.
///
/// # Errors
///
/// As [`space_config`] and [`Bundle::exchange`], and [`ModelError::Statistics`] if a deviation is not positive or
/// a number not finite.
pub fn set_alignment_statistics(
    bundle: &mut Bundle,
    stored: &StoredStatistics,
) -> Result<(), ModelError> {
    let config = AutoencoderConfig {
        alignment: Alignment::Frozen,
        ..space_config(bundle)?
    };
    check_statistics(&stored.statistics).map_err(|reason| ModelError::Statistics {
        path: bundle.folder().to_path_buf(),
        reason,
    })?;
    let fingerprint = fingerprint_with(bundle, &config, Some(&stored.statistics))?;
    let mut part = bundle.part(SPACE)?.clone();
    part.config = serde_json::to_value(&config).expect("a configuration is JSON");
    part.fingerprint = Some(fingerprint);
    let files = vec![stored.file()];
    bundle.set_part(SPACE, NewPart { part, files })
}

/// The whole autoencoder of a bundle that is being opened, with its own alignment or the one asked for.
///
/// # Errors
///
/// As [`space_config`] and [`Registry::encoder`](crate::Registry::encoder), and [`ModelError::Load`] if the
/// weights do not fit the configuration.
pub fn autoencoder(opening: &Opening) -> Result<SvgAutoencoder, ModelError> {
    let bundle = opening.bundle;
    let mut config = space_config(bundle)?;
    check(bundle)?;
    let encoder = opening.encoder()?;
    let spec = encoder.spec();
    if let Some(reason) = config.misfit(spec.channels, spec.patch_size) {
        return Err(bundle.unusable(SPACE, &reason));
    }
    check_geometry(bundle, &config)?;
    let (residual, decoder) = networks(opening, &config)?;
    let statistics = alignment_statistics(bundle)?.map(|stored| stored.statistics);
    config.alignment = opening.options.alignment.unwrap_or(config.alignment);
    Ok(config.join(encoder, residual, decoder, statistics))
}

fn networks(
    opening: &Opening,
    config: &AutoencoderConfig,
) -> Result<(Option<ResidualEncoder>, Decoder), ModelError> {
    opening.bundle.load(SPACE, AUTOENCODER, |file| {
        let source = file.path().display().to_string();
        load_autoencoder(config, file.into_tensors(), &source, opening.device)
    })
}

pub(crate) fn open(opening: &Opening) -> Result<Arc<dyn LatentSpace>, ModelError> {
    let bundle = opening.bundle;
    if opening.options.decode_only {
        let config = space_config(bundle)?;
        check_geometry(bundle, &config)?;
        let (_, decoder) = networks(opening, &config)?;
        let geometry = bundle.geometry()?;
        return Ok(Arc::new(Decoding { decoder, geometry }));
    }
    let model = autoencoder(opening)?;
    match model.encoder.is_ready() {
        true => Ok(Arc::new(model)),
        false => Err(ModelError::NoStatistics(bundle.folder().to_path_buf())),
    }
}

/// Whether the geometry, which commands go by before they open the networks, is that of the decoder.
fn check_geometry(bundle: &Bundle, config: &AutoencoderConfig) -> Result<(), ModelError> {
    let (geometry, decoder) = (bundle.geometry()?, &config.decoder);
    let enlarged = geometry.grid().map(|side| side * decoder.upsampling());
    match geometry.image == enlarged && geometry.channels == decoder.in_channels {
        true => Ok(()),
        false => Err(bundle.unusable(
            SPACE,
            &format!(
                "its geometry, {:?} pixels with {} channels on {:?} tokens, is not that of its decoder, which makes \
                 {enlarged:?} pixels of {} channels on them; was it edited?",
                geometry.image,
                geometry.channels,
                geometry.grid(),
                decoder.in_channels
            ),
        )),
    }
}

/// Whether the stored fingerprint is that of the files, so that a manifest that was edited by hand is found.
fn check(bundle: &Bundle) -> Result<(), ModelError> {
    match fingerprint(bundle)? == bundle.features_fingerprint() {
        true => Ok(()),
        false => Err(bundle.unusable(
            SPACE,
            "its fingerprint is not that of its files and its alignment; was it edited? Use `svg align-stats` \
             to change the alignment",
        )),
    }
}
