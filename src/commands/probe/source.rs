//! What can be probed: features of some kind, pooled in some way.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use burn::prelude::*;
use clap::ValueEnum;
use svg_model::{LatentStatistics, Registry};
use svg_roles::{Draw, Embedding, Encoder, LatentSpace, MeanToken, SummaryToken};

use super::Probe;
use crate::commands::bundle::BundleOptions;
use crate::commands::checks::{check_size, check_tokens};
use crate::commands::word;
use crate::encoder::{EncoderFile, Hints};

/// Side of crops for an encoder, where nothing else says it.
const USUAL: u32 = 256;
/// Side of crops of raw pixels: more would be millions of channels.
const THUMBNAIL: u32 = 32;

/// Which numbers of a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Of {
    /// Features, normalised by the latent statistics
    Latents,
    /// What the decoder takes
    Features,
    /// The frozen encoder's channels
    Semantic,
    /// The residual encoder's channels
    Residual,
}

/// How the tokens of a picture become one vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Pool {
    /// The mean patch token
    Mean,
    /// The class token, which encoders alone have
    Cls,
    /// All patch tokens side by side
    Tokens,
}

/// Something that makes a vector of a picture.
pub struct Source {
    /// `pixels`, or the file's or folder's name with what was taken of it.
    pub name: String,
    /// Where the networks were read from.
    pub path: Option<String>,
    pub pool: Option<Pool>,
    /// Side of the crop, in pixels.
    pub size: u32,
    /// What the vectors depend on.
    pub fingerprint: Option<String>,
    pub embedding: Arc<dyn Embedding>,
}

impl Source {
    /// All that a command names, loaded.
    pub fn all(probe: &Probe, device: &Device) -> Result<Vec<Self>> {
        let mut sources = Vec::new();
        for weights in &probe.weights {
            sources.extend(Self::of_weights(probe, weights, device)?);
        }
        if let Some(bundle) = &probe.bundle {
            sources.extend(Self::of_bundle(probe, bundle, device)?);
        }
        if probe.pixels {
            let size = probe.size.unwrap_or(THUMBNAIL);
            sources.push(Self {
                name: "pixels".to_string(),
                path: None,
                pool: None,
                size,
                fingerprint: None,
                embedding: Arc::new(Pixels),
            });
        }
        if sources.is_empty() {
            bail!(
                "there is nothing to probe; name an encoder by --weights, a bundle by --bundle, or add --pixels"
            );
        }
        Ok(sources)
    }

    fn of_weights(probe: &Probe, path: &Path, device: &Device) -> Result<Vec<Self>> {
        let hints = Hints {
            model: probe.model.as_deref(),
            key: probe.weights_key.as_deref(),
        };
        let file = EncoderFile::open(path, hints, device)?;
        let size = probe.size.unwrap_or(USUAL);
        check_size(size, file.encoder.spec().patch_size)?;
        let of_pool = |&pool: &Pool| {
            let encoder = file.encoder.clone();
            Self {
                name: short(path),
                path: Some(path.display().to_string()),
                pool: Some(pool),
                size,
                fingerprint: Some(file.part.fingerprint.clone()),
                embedding: match pool {
                    Pool::Mean => Arc::new(MeanToken(encoder)),
                    Pool::Cls => Arc::new(SummaryToken(encoder)),
                    Pool::Tokens => Arc::new(AllTokens(encoder)),
                },
            }
        };
        Ok(probe.pool.iter().map(of_pool).collect())
    }

    fn of_bundle(probe: &Probe, path: &Path, device: &Device) -> Result<Vec<Self>> {
        if probe.pool.contains(&Pool::Cls) {
            bail!(
                "--pool cls: a bundle's features have no class token; take --pool mean or tokens, or name \
                 the encoder by --weights"
            );
        }
        let options = BundleOptions {
            bundle: path.to_path_buf(),
            encoder: probe.encoder.clone(),
        };
        let bundle = options.open()?;
        let asked = |of: Of| probe.of.contains(&of);
        let at = path.display();
        let latents = match asked(Of::Latents) {
            false => None,
            true => Some(bundle.latent_statistics()?.with_context(|| {
                format!(
                    "--of latents: {at} has no latent statistics; compute them with `svg stats --bundle {at} \
                     --images PATH`, or take --of features"
                )
            })?),
        };
        let latents = latents.map(|stored| stored.statistics);
        let space = options.space(&bundle, None, device)?;
        let geometry = space.geometry();
        let semantic = match asked(Of::Semantic) || asked(Of::Residual) {
            false => geometry.channels,
            true => {
                let options = options.options();
                let encoder = Registry::standard().encoder(&bundle, &options, device)?;
                encoder.spec().channels
            }
        };
        if asked(Of::Residual) && semantic == geometry.channels {
            bail!("--of residual: {at} has no residual encoder; take --of features");
        }
        let size = probe.size.unwrap_or(geometry.image[0] as u32);
        check_size(size, geometry.patch()[0])?;
        check_tokens(&*space, size)?;
        let kinds = probe.of.iter();
        let kinds = kinds.flat_map(|&of| probe.pool.iter().map(move |&pool| (of, pool)));
        let of_kind = |(of, pool)| {
            let features = Features {
                space: space.clone(),
                latents: latents.clone(),
                semantic,
                of,
                pool,
            };
            Self {
                name: format!("{} {}", short(path), word(of)),
                path: Some(at.to_string()),
                pool: Some(pool),
                size,
                fingerprint: Some(bundle.features_fingerprint()),
                embedding: Arc::new(features),
            }
        };
        Ok(kinds.map(of_kind).collect())
    }
}

/// The numbers of a picture as they are.
#[derive(Debug)]
struct Pixels;

impl Embedding for Pixels {
    fn embed(&self, images: Tensor<4>) -> Tensor<2> {
        images.flatten(1, 3)
    }

    fn name(&self) -> String {
        "pixels".to_string()
    }
}

/// All patch tokens of an encoder side by side.
#[derive(Debug)]
struct AllTokens(Arc<dyn Encoder>);

impl Embedding for AllTokens {
    fn embed(&self, images: Tensor<4>) -> Tensor<2> {
        self.0.tokens(images).patches.flatten(1, 2)
    }

    fn name(&self) -> String {
        format!("patch tokens of {}", self.0.spec().name)
    }
}

/// Features of a bundle, or some of their channels.
#[derive(Debug)]
struct Features {
    space: Arc<dyn LatentSpace>,
    latents: Option<LatentStatistics>,
    /// Number of the encoder's channels.
    semantic: usize,
    of: Of,
    pool: Pool,
}

impl Embedding for Features {
    fn embed(&self, images: Tensor<4>) -> Tensor<2> {
        let features = self.space.encode(images, Draw::Mode);
        let (semantic, [_, _, channels]) = (self.semantic, features.dims());
        let taken = match (self.of, &self.latents) {
            (Of::Latents, Some(statistics)) => statistics.normalise(features),
            (Of::Latents | Of::Features, _) => features,
            (Of::Semantic, _) => features.narrow(2, 0, semantic),
            (Of::Residual, _) => features.narrow(2, semantic, channels - semantic),
        };
        match self.pool {
            Pool::Tokens => taken.flatten(1, 2),
            Pool::Mean | Pool::Cls => taken.mean_dim(1).squeeze_dim::<2>(1), // [batch, channels]
        }
    }

    fn name(&self) -> String {
        word(self.of)
    }
}

/// The last part of a path.
fn short(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    name.to_string_lossy().into_owned()
}
