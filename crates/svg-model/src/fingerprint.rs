//! Which weights are these, whatever file they lie in.

use std::path::Path;

use burn::store::bridge;
use svg_dino::Dino;
use svg_nn::{TensorFile, module_tensors};
use svg_residual::Statistics;
use svg_store::Sha256;

use crate::bundle_files::STATISTICS;
use crate::{AUTOENCODER_FILE, Alignment, Manifest, ModelError, StoredStatistics};

/// The SHA-256, in hexadecimal, of everything that an encoder's features depend on.
///
/// Weights are hashed by name, shape and f32 value, with the rounding of the position periods, so the
/// same encoder has the same fingerprint in Meta's, Hugging Face's and timm's files. The mask token is
/// left out: no feature depends on it, and timm's files lack it.
///
/// # Errors
///
/// [`ModelError::Device`] if the weights cannot be read back.
pub fn encoder_fingerprint(dino: &Dino) -> Result<String, ModelError> {
    let mut hash = Sha256::new();
    hash.update(format!("{:?}\n", dino.config().rope_periods));
    for tensor in module_tensors(dino) {
        if tensor.name == "mask_token" {
            continue;
        }
        let shape = tensor.shape.to_vec();
        hash.update(format!("{} {:?} {shape:?}\n", tensor.name, tensor.dtype));
        let bytes = tensor.to_bytes().map_err(|error| ModelError::Device {
            reason: format!("{}: {error}", tensor.name),
        })?;
        hash.update(&*bytes);
    }
    Ok(hash.finish())
}

/// The SHA-256, in hexadecimal, of everything that a bundle's features depend on.
pub(crate) fn features_fingerprint(
    folder: &Path,
    manifest: &Manifest,
) -> Result<String, ModelError> {
    let mut hash = Sha256::new();
    hash.update(format!("encoder {}\n", manifest.encoder.fingerprint));
    let config = &manifest.autoencoder;
    let Some(residual) = &config.residual else {
        return Ok(hash.finish());
    };
    // Shapes tell every other size.
    hash.update(format!("residual, {} heads\n", residual.n_heads));
    let file = TensorFile::open(folder.join(AUTOENCODER_FILE))?;
    for tensor in file.tensors() {
        if !tensor.name.starts_with("extra_vit.") {
            continue;
        }
        let shape = tensor.shape.to_vec();
        hash.update(format!("{} {shape:?}\n", tensor.name));
        let data = bridge::to_data(tensor).map_err(|error| {
            let name = tensor.name.clone();
            ModelError::Changed {
                path: file.path().to_path_buf(),
                reason: format!("{name}: {error}"),
            }
        })?;
        for value in data.iter::<f32>() {
            hash.update(value.to_le_bytes());
        }
    }
    hash.update(format!("alignment {:?}\n", config.alignment));
    let mut names = manifest.files.keys();
    let statistics = names.find(|name| name.starts_with(STATISTICS));
    if let (Alignment::Frozen, Some(name)) = (config.alignment, statistics) {
        let Statistics { semantic, residual } =
            StoredStatistics::load(&folder.join(name))?.statistics;
        for value in [semantic.mean, semantic.std, residual.mean, residual.std] {
            hash.update(value.to_le_bytes());
        }
    }
    Ok(hash.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::prelude::*;
    use svg_dino::{DinoConfig, DinoFile, Layout, RopePeriods};

    #[test]
    fn an_encoder_is_recognised_in_every_layout() {
        let device = Device::default();
        let config = DinoConfig::new(32, 1, 2, 64)
            .with_patch_size(4)
            .with_rope_periods(RopePeriods::Bf16Rounded);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("official.safetensors");
        DinoFile::of(&config.init(&device))
            .save(Layout::Official, &path)
            .unwrap();
        let official = DinoFile::open(&path).unwrap();
        let expected = encoder_fingerprint(&official.load(&device).unwrap()).unwrap();
        for layout in [Layout::HuggingFace, Layout::Timm] {
            let path = folder.path().join(layout.name());
            official.save(layout, &path).unwrap();
            let file = DinoFile::open_as(&path, config.clone()).unwrap();
            let dino = file.load(&device).unwrap();
            assert_eq!(encoder_fingerprint(&dino).unwrap(), expected, "{layout:?}");
        }
        let other = official.with_config(config.with_rope_periods(RopePeriods::Exact));
        let other = encoder_fingerprint(&other.load(&device).unwrap()).unwrap();
        assert_ne!(other, expected);
    }
}
