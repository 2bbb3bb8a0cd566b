//! KL autoencoders as parts of a bundle.

use std::sync::Arc;

use svg_nn::{StoredTensor, load_exact};
use svg_roles::LatentSpace;
use svg_store::printable_path;
use svg_vae::{KlVae, KlVaeConfig, fingerprint, metadata};

use crate::bundle::{LATENTS, SPACE};
use crate::{
    Bundle, LatentStatistics, ModelError, NewFile, NewPart, Opening, Provenance,
    StoredLatentStatistics, kinds,
};

/// The stem of the file of weights, under latent diffusion's names.
pub const VAE: &str = "vae";

/// A KL autoencoder that is to become a space.
pub struct NewKlVae {
    /// Its sizes, and how its latents are scaled.
    pub config: KlVaeConfig,
    /// Its weights, under latent diffusion's names.
    pub tensors: Vec<StoredTensor>,
    /// How it came about.
    pub provenance: Provenance,
}

impl NewKlVae {
    /// The space, and statistics that leave its latents as they are: they are scaled by the space, as the networks
    /// expect that were trained on such latents. `svg stats` puts measured ones in their place.
    ///
    /// # Errors
    ///
    /// [`ModelError::Device`] if weights cannot be read.
    pub fn into_parts(self) -> Result<Vec<(&'static str, NewPart)>, ModelError> {
        let config = &self.config;
        let fingerprint = fingerprint(config, &self.tensors).map_err(ModelError::Device)?;
        let channels = config.latent_channels;
        let unchanged = StoredLatentStatistics {
            statistics: LatentStatistics {
                mean: vec![0.0; channels],
                std: vec![1.0; channels],
            },
            features: fingerprint.clone(),
            tokens: 0,
            source: "none: the space scales its latents".to_string(),
        };
        let latents = NewPart::new(kinds::CHANNELS, &()).with_file(unchanged.file());
        let mut space = NewPart::new(kinds::KL_VAE, config);
        space.part.fingerprint = Some(fingerprint);
        space.part.geometry = Some(config.geometry());
        space.part.provenance = self.provenance;
        let file = NewFile::new(VAE, self.tensors, metadata(config));
        Ok(vec![(SPACE, space.with_file(file)), (LATENTS, latents)])
    }
}

/// The configuration of a bundle whose space is of this kind.
///
/// # Errors
///
/// [`ModelError::UnknownKind`] if it is of another kind, [`ModelError::Manifest`] if the configuration cannot be used or
/// is not that of the geometry.
pub fn config(bundle: &Bundle) -> Result<KlVaeConfig, ModelError> {
    let part = bundle.part(SPACE)?;
    if part.kind != kinds::KL_VAE {
        return Err(bundle.unknown_kind(SPACE, part, kinds::KL_VAE.to_string()));
    }
    let config: KlVaeConfig = bundle.config(SPACE)?;
    let (said, found) = (bundle.geometry()?, config.geometry());
    match said == found {
        true => Ok(config),
        false => Err(bundle.unusable(
            SPACE,
            &format!(
                "its geometry is {said:?}, and its configuration makes {found:?}; was it edited?"
            ),
        )),
    }
}

pub(crate) fn open(opening: &Opening) -> Result<Arc<dyn LatentSpace>, ModelError> {
    let bundle = opening.bundle;
    let config = config(bundle)?;
    let vae: KlVae = bundle.load(SPACE, VAE, |file| {
        let source = printable_path(file.path());
        let found = fingerprint(&config, file.tensors()).map_err(ModelError::Device)?;
        if found != bundle.features_fingerprint() {
            let reason = "its fingerprint is not that of its file and its scaling; was it edited?";
            return Err(bundle.unusable(SPACE, reason));
        }
        let vae = config.init(opening.device);
        Ok(load_exact(vae, file.into_tensors(), &source)?)
    })?;
    Ok(Arc::new(vae))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{OpenOptions, Registry};
    use burn::prelude::*;
    use burn::tensor::Distribution;
    use svg_nn::{draw_parameters, module_tensors};
    use svg_roles::Draw;

    fn vae() -> KlVae {
        let config = KlVaeConfig::new(3)
            .with_width(8)
            .with_width_multipliers(vec![1, 2])
            .with_norm_groups(4)
            .with_resolution(8)
            .with_scale(vec![0.25]);
        let vae = config.init(&Device::default());
        draw_parameters(&vae);
        vae
    }

    fn written(vae: &KlVae, folder: &std::path::Path) -> Bundle {
        let parts = NewKlVae {
            config: vae.config().clone(),
            tensors: module_tensors(vae),
            provenance: Provenance::default(),
        };
        Bundle::create(folder, parts.into_parts().unwrap(), false).unwrap()
    }

    #[test]
    fn a_bundle_without_an_encoder_opens_as_the_space_that_was_written() {
        let (vae, folder) = (vae(), tempfile::tempdir().unwrap());
        let bundle = written(&vae, &folder.path().join("bundle"));
        let (registry, device) = (Registry::standard(), Device::default());
        let shape = [2, 3, 8, 12];
        let images = Tensor::random(shape, Distribution::Uniform(-1.0, 1.0), &device);
        let want = vae.encode(images.clone(), Draw::Mode);
        let pictures = vae.decode(want.clone(), [4, 6]).into_data();
        for decode_only in [false, true] {
            let options = OpenOptions {
                decode_only,
                ..OpenOptions::default()
            };
            let space = registry.space(&bundle, &options, &device).unwrap();
            assert_eq!(space.geometry(), vae.geometry());
            let latents = space.encode(images.clone(), Draw::Mode);
            latents.into_data().assert_eq(&want.to_data(), true);
            let decoded = space.decode(want.clone(), [4, 6]).into_data();
            decoded.assert_eq(&pictures, true);
        }
        // The statistics change nothing.
        let space = registry.latents(&bundle, &OpenOptions::default(), &device);
        let latents = space.unwrap().encode(images, Draw::Mode);
        latents.into_data().assert_eq(&want.into_data(), true);
    }

    #[test]
    fn another_scale_in_the_manifest_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("bundle");
        let bundle = written(&vae(), &folder);
        let path = folder.join("manifest.json");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace("0.25", "0.5")).unwrap();
        drop(bundle);
        let bundle = Bundle::open(&folder).unwrap();
        let space =
            Registry::standard().space(&bundle, &OpenOptions::default(), &Device::default());
        let error = space.unwrap_err().to_string();
        assert!(error.contains("was it edited?"), "{error}");
    }
}
