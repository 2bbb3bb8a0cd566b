//! The hash of everything that features depend on.

use std::path::Path;

use burn::store::bridge;
use svg_nn::{StoredTensor, TensorFile};
use svg_residual::Statistics;
use svg_store::Sha256;

use super::part::{AUTOENCODER, STATISTICS};
use super::{Alignment, AutoencoderConfig, StoredStatistics};
use crate::bundle::{ENCODER, SPACE};
use crate::{Manifest, ModelError, kinds};

/// The SHA-256, in hexadecimal, of the encoder's fingerprint, the residual encoder's weights and heads, the
/// alignment and, if it is frozen, its statistics. The decoder is no part of it.
///
/// # Errors
///
/// The name of a tensor that cannot be read, and why.
pub(super) fn features_fingerprint(
    encoder: &str,
    config: &AutoencoderConfig,
    tensors: &[StoredTensor],
    statistics: Option<&Statistics>,
) -> Result<String, String> {
    let mut hash = Sha256::new();
    hash.update(format!("encoder {encoder}\n"));
    let Some(residual) = &config.residual else {
        return Ok(hash.finish());
    };
    // Shapes tell every other size.
    hash.update(format!("residual, {} heads\n", residual.n_heads));
    let mut residual: Vec<_> = tensors
        .iter()
        .filter(|tensor| tensor.name.starts_with("extra_vit."))
        .collect();
    residual.sort_by(|a, b| a.name.cmp(&b.name));
    for tensor in residual {
        let shape = tensor.shape.to_vec();
        hash.update(format!("{} {shape:?}\n", tensor.name));
        let data = bridge::to_data(tensor).map_err(|error| format!("{}: {error}", tensor.name))?;
        for value in data.iter::<f32>() {
            hash.update(value.to_le_bytes());
        }
    }
    hash.update(format!("alignment {:?}\n", config.alignment));
    if let (Alignment::Frozen, Some(Statistics { semantic, residual })) =
        (config.alignment, statistics)
    {
        for value in [semantic.mean, semantic.std, residual.mean, residual.std] {
            hash.update(value.to_le_bytes());
        }
    }
    Ok(hash.finish())
}

/// The fingerprint of the space of a bundle in `folder`, from its files.
pub(super) fn of_files(
    folder: &Path,
    manifest: &Manifest,
    config: &AutoencoderConfig,
) -> Result<String, ModelError> {
    let unusable = |reason: &str| ModelError::Manifest {
        path: Manifest::path(folder),
        reason: reason.to_string(),
    };
    let encoder = manifest.parts.get(ENCODER);
    let encoder = encoder.and_then(|part| part.fingerprint.clone());
    let encoder = encoder.ok_or_else(|| unusable("it has no encoder with a fingerprint"))?;
    let space = manifest.parts.get(SPACE);
    let name = space.and_then(|part| part.file(AUTOENCODER));
    let name = name.ok_or_else(|| unusable("it does not list autoencoder.safetensors"))?;
    let file = TensorFile::open(folder.join(name))?;
    let statistics = space.and_then(|part| part.file(STATISTICS));
    let statistics = statistics
        .map(|name| StoredStatistics::load(&folder.join(name)))
        .transpose()?;
    let statistics = statistics.map(|stored| stored.statistics);
    features_fingerprint(&encoder, config, file.tensors(), statistics.as_ref()).map_err(|reason| {
        ModelError::Changed {
            path: file.path().to_path_buf(),
            part: SPACE.to_string(),
            reason,
        }
    })
}

/// Fills in the fingerprint that manifests of formats 1 and 2 do not store.
pub(crate) fn add_fingerprint(folder: &Path, manifest: &mut Manifest) -> Result<(), ModelError> {
    let config = match manifest.parts.get(SPACE) {
        Some(part) if part.kind == kinds::SVG => part.read_config(),
        _ => return Ok(()),
    };
    let config = config.map_err(|reason| ModelError::Manifest {
        path: Manifest::path(folder),
        reason,
    })?;
    let fingerprint = of_files(folder, manifest, &config)?;
    if let Some(part) = manifest.parts.get_mut(SPACE) {
        part.fingerprint = Some(fingerprint);
    }
    Ok(())
}
