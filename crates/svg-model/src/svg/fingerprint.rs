//! The hash of everything that features depend on.

use burn::store::bridge;
use svg_nn::StoredTensor;
use svg_residual::Statistics;
use svg_store::Sha256;

use super::part::AUTOENCODER;
use super::{Alignment, AutoencoderConfig, alignment_statistics, space_config};
use crate::bundle::{ENCODER, SPACE};
use crate::{Bundle, ModelError};

/// The SHA-256, in hexadecimal, of the encoder's fingerprint, the residual encoder's weights and heads, the
/// alignment and, if it is frozen, its statistics. The decoder is no part of it. The error names a tensor that
/// cannot be read.
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

/// The fingerprint of the space of a bundle, from its files.
pub(crate) fn fingerprint(bundle: &Bundle) -> Result<String, ModelError> {
    let statistics = alignment_statistics(bundle)?.map(|stored| stored.statistics);
    fingerprint_with(bundle, &space_config(bundle)?, statistics.as_ref())
}

/// The fingerprint that the space of a bundle has with this configuration and these statistics.
pub(super) fn fingerprint_with(
    bundle: &Bundle,
    config: &AutoencoderConfig,
    statistics: Option<&Statistics>,
) -> Result<String, ModelError> {
    let encoder = bundle
        .find(ENCODER)
        .and_then(|part| part.fingerprint.as_ref());
    let encoder =
        encoder.ok_or_else(|| bundle.unusable(SPACE, "it has no encoder with a fingerprint"))?;
    let file = bundle.tensors(SPACE, AUTOENCODER)?;
    let fingerprint = features_fingerprint(encoder, config, file.tensors(), statistics);
    fingerprint.map_err(|reason| ModelError::Changed {
        path: file.path().to_path_buf(),
        part: SPACE.to_string(),
        reason,
    })
}
