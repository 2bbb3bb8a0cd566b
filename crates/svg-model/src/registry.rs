//! What opens the parts of a bundle: the one place of this crate that knows every network.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use burn::prelude::*;
use svg_dino::{Dino, DinoConfig, DinoFile};
use svg_nn::Precision;
use svg_roles::{Encoder, LatentSpace, Velocity};
use svg_vit::{Vit, VitConfig, VitFile};

use crate::bundle::{ENCODER, FLOW, SPACE};
use crate::{
    Alignment, Bundle, Generator, ModelError, Normalised, Part, Pixels, kinds, kl_vae, svg,
};

type Open<R> = dyn Fn(&Opening, &Part) -> Result<Arc<R>, ModelError> + Send + Sync;
type Kinds<R> = BTreeMap<String, Arc<Open<R>>>;

/// Functions that open parts, by kind.
///
/// ```
/// use std::sync::Arc;
/// use svg_model::Registry;
/// # use burn::prelude::*;
/// # use svg_roles::{Condition, Velocity, VelocitySpec};
/// # #[derive(Debug)]
/// # struct Still;
/// # impl Velocity for Still {
/// #     fn velocity(&self, x: Tensor<3>, _: Tensor<1>, _: &Condition) -> Tensor<3> { x.zeros_like() }
/// #     fn unconditional(&self, condition: &Condition) -> Condition { condition.clone() }
/// #     fn spec(&self) -> VelocitySpec { VelocitySpec { grid: [2, 2], channels: 3, classes: 0 } }
/// # }
///
/// // A kind of one's own beside the standard ones.
/// let registry = Registry::standard().with_velocity("still", |_opening, _part| Ok(Arc::new(Still)));
/// assert!(registry.knows("still") && registry.knows("sit"));
/// ```
#[derive(Clone, Default)]
pub struct Registry {
    encoders: Kinds<dyn Encoder>,
    spaces: Kinds<dyn LatentSpace>,
    velocities: Kinds<dyn Velocity>,
}

/// How parts are opened.
#[derive(Clone, Debug, Default)]
pub struct OpenOptions {
    /// Weights of the encoder, instead of those that the bundle refers to.
    pub encoder: Option<PathBuf>,
    /// Another alignment than the bundle's own, where its space knows one.
    pub alignment: Option<Alignment>,
    /// Whether only decoding is wanted, which needs no encoder.
    pub decode_only: bool,
    /// The type of the velocity network's matrix products.
    pub precision: Precision,
}

/// A bundle that is being opened.
pub struct Opening<'a> {
    /// The bundle.
    pub bundle: &'a Bundle,
    /// How.
    pub options: &'a OpenOptions,
    /// Where to.
    pub device: &'a Device,
    registry: &'a Registry,
}

impl Opening<'_> {
    /// The encoder of the same bundle, which a space may stand on.
    ///
    /// # Errors
    ///
    /// As [`Registry::encoder`].
    pub fn encoder(&self) -> Result<Arc<dyn Encoder>, ModelError> {
        self.part(&self.registry.encoders, ENCODER)
    }

    fn part<R: ?Sized>(&self, kinds: &Kinds<R>, name: &str) -> Result<Arc<R>, ModelError> {
        let part = self.bundle.part(name)?;
        let known = || kinds.keys().cloned().collect::<Vec<_>>().join(", ");
        let open = kinds.get(&part.kind);
        let open = open.ok_or_else(|| self.bundle.unknown_kind(name, part, known()))?;
        open(self, part)
    }
}

impl Registry {
    /// No kinds.
    pub fn new() -> Self {
        Self::default()
    }

    /// The kinds of this crate.
    pub fn standard() -> Self {
        Self::new()
            .with_encoder(kinds::DINOV3, |opening, _| {
                let (_, dino) = dinov3(opening)?;
                Ok(Arc::new(dino))
            })
            .with_encoder(kinds::VIT, |opening, _| Ok(Arc::new(vit(opening)?)))
            .with_space(kinds::SVG, |opening, _| svg::open(opening))
            .with_space(kinds::PIXELS, |opening, _| {
                let pixels: Pixels = opening.bundle.config(SPACE)?;
                Ok(Arc::new(pixels))
            })
            .with_space(kinds::KL_VAE, |opening, _| kl_vae::open(opening))
            .with_velocity(kinds::SIT, |opening, _| {
                let bundle = opening.bundle;
                let config = bundle.config(FLOW)?;
                let source = bundle.folder().display().to_string();
                let sit = bundle.load(FLOW, FLOW, |file| {
                    let tensors = file.into_tensors();
                    Ok(svg_sit::load(&config, tensors, &source, opening.device)?)
                })?;
                Ok(Arc::new(opening.options.precision.apply(sit)))
            })
    }

    /// With a kind of encoder.
    pub fn with_encoder(
        mut self,
        kind: &str,
        open: impl Fn(&Opening, &Part) -> Result<Arc<dyn Encoder>, ModelError> + Send + Sync + 'static,
    ) -> Self {
        self.encoders.insert(kind.to_string(), Arc::new(open));
        self
    }

    /// With a kind of space of features.
    pub fn with_space(
        mut self,
        kind: &str,
        open: impl Fn(&Opening, &Part) -> Result<Arc<dyn LatentSpace>, ModelError>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        self.spaces.insert(kind.to_string(), Arc::new(open));
        self
    }

    /// With a kind of velocity network.
    pub fn with_velocity(
        mut self,
        kind: &str,
        open: impl Fn(&Opening, &Part) -> Result<Arc<dyn Velocity>, ModelError> + Send + Sync + 'static,
    ) -> Self {
        self.velocities.insert(kind.to_string(), Arc::new(open));
        self
    }

    /// Whether some role has that kind.
    pub fn knows(&self, kind: &str) -> bool {
        self.encoders.contains_key(kind)
            || self.spaces.contains_key(kind)
            || self.velocities.contains_key(kind)
            || kind == kinds::CHANNELS
    }

    /// A bundle that is being opened, for functions that open one kind alone.
    pub fn opening<'a>(
        &'a self,
        bundle: &'a Bundle,
        options: &'a OpenOptions,
        device: &'a Device,
    ) -> Opening<'a> {
        Opening {
            bundle,
            options,
            device,
            registry: self,
        }
    }

    /// The frozen encoder of a bundle.
    ///
    /// # Errors
    ///
    /// [`ModelError::UnknownKind`] if nothing opens it; for the standard kind [`ModelError::EncoderMissing`]
    /// if there is no file, [`ModelError::OtherEncoder`] if it holds other weights than those trained with,
    /// [`ModelError::Encoder`] if it cannot be read.
    pub fn encoder(
        &self,
        bundle: &Bundle,
        options: &OpenOptions,
        device: &Device,
    ) -> Result<Arc<dyn Encoder>, ModelError> {
        self.opening(bundle, options, device).encoder()
    }

    /// The space of features of a bundle: raw, as its decoder takes them.
    ///
    /// # Errors
    ///
    /// [`ModelError::UnknownKind`] if nothing opens it, and whatever its kind says.
    pub fn space(
        &self,
        bundle: &Bundle,
        options: &OpenOptions,
        device: &Device,
    ) -> Result<Arc<dyn LatentSpace>, ModelError> {
        self.opening(bundle, options, device)
            .part(&self.spaces, SPACE)
    }

    /// The space of latents of a bundle: features, normalised by its statistics.
    ///
    /// # Errors
    ///
    /// As [`space`](Self::space), and [`ModelError::NoLatentStatistics`] if there are no statistics.
    pub fn latents(
        &self,
        bundle: &Bundle,
        options: &OpenOptions,
        device: &Device,
    ) -> Result<Normalised, ModelError> {
        let stored = bundle.required_latent_statistics()?;
        Normalised::new(self.space(bundle, options, device)?, stored.statistics)
    }

    /// The velocity network of a bundle.
    ///
    /// # Errors
    ///
    /// [`ModelError::NoFlow`] if there is none, [`ModelError::UnknownKind`] if nothing opens it,
    /// [`ModelError::Manifest`] if the manifest says other sizes than it has.
    pub fn velocity(
        &self,
        bundle: &Bundle,
        options: &OpenOptions,
        device: &Device,
    ) -> Result<Arc<dyn Velocity>, ModelError> {
        let opening = self.opening(bundle, options, device);
        let velocity = opening.part(&self.velocities, FLOW)?;
        let (said, found) = (bundle.part(FLOW)?.velocity, velocity.spec());
        match said {
            Some(said) if said != found => Err(bundle.unusable(
                FLOW,
                &format!(
                    "its velocity says {said:?}, its configuration makes {found:?}; was it edited?"
                ),
            )),
            _ => Ok(velocity),
        }
    }

    /// Everything that makes images, of a bundle all of whose files are those that were written.
    ///
    /// # Errors
    ///
    /// As [`Bundle::check`], [`Bundle::matching_flow`], [`velocity`](Self::velocity) and [`space`](Self::space).
    pub fn generator(
        &self,
        bundle: &Bundle,
        options: &OpenOptions,
        device: &Device,
    ) -> Result<Generator, ModelError> {
        let (_, stored) = bundle.matching_flow()?;
        let flow = self.velocity(bundle, options, device)?;
        let space = self.space(bundle, options, device)?;
        let space = Normalised::new(space, stored.statistics)?;
        bundle.check()?;
        Generator::new(Arc::new(space), flow, device)
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("encoders", &self.encoders.keys())
            .field("spaces", &self.spaces.keys())
            .field("velocities", &self.velocities.keys())
            .finish()
    }
}

/// DINOv3 from where the bundle says or from a file that is named instead, and the file.
///
/// Of several networks in the file it is the one with the bundle's fingerprint, whatever name it lies under.
///
/// # Errors
///
/// As [`Registry::encoder`] for the standard kind.
pub fn dinov3(opening: &Opening) -> Result<(DinoFile, Dino), ModelError> {
    let config: DinoConfig = opening.bundle.config(ENCODER)?;
    let weights = EncoderWeights::of(opening)?;
    let (part, path) = (weights.part, &weights.path);
    let trained_with = |file: DinoFile| {
        if !file.config().same_sizes(&config) {
            let differences = config.differences("there", file.config(), "here");
            return Err(weights.other(format!(
                "it was trained with {}, this is {} ({})",
                part.name,
                file.config().description(),
                differences.unwrap_or_default()
            )));
        }
        // The rounding of periods is the model's, where the file's layout does not store it.
        let file = file.with_config(config.clone());
        let dino = file.load(opening.device)?;
        weights.check(&dino.fingerprint()?)?;
        Ok((file, dino))
    };
    let keys = || DinoFile::keys(path).unwrap_or_default();
    first_fitting(keys, |key| {
        let file = DinoFile::open_network(path, key).map_err(ModelError::from);
        file.and_then(trained_with)
    })
}

/// DINOv2, MAE, SigLIP or CLIP, as [`dinov3`].
fn vit(opening: &Opening) -> Result<Vit, ModelError> {
    let config: VitConfig = opening.bundle.config(ENCODER)?;
    let weights = EncoderWeights::of(opening)?;
    let (part, path) = (weights.part, &weights.path);
    let keys = || VitFile::keys(path).unwrap_or_default();
    first_fitting(keys, |key| {
        let file = VitFile::open_network_as(path, key, config.clone())?;
        let vit = file.load(opening.device).map_err(|error| {
            weights.other(format!("it was trained with {}; {error}", part.name))
        })?;
        weights.check(&vit.fingerprint()?)?;
        Ok(vit)
    })
}

/// Where a bundle's encoder lies, and what it must be.
struct EncoderWeights<'a> {
    part: &'a Part,
    path: PathBuf,
    fingerprint: String,
}

impl<'a> EncoderWeights<'a> {
    /// Those that are named instead, or those that the bundle refers to.
    fn of(opening: &'a Opening) -> Result<Self, ModelError> {
        let part = opening.bundle.part(ENCODER)?;
        let fingerprint = part.fingerprint.clone().unwrap_or_default();
        let instead = opening.options.encoder.clone();
        let path = instead.or_else(|| opening.bundle.weights(ENCODER));
        let path = path.ok_or_else(|| opening.bundle.unusable(ENCODER, "it names no weights"))?;
        if !path.exists() {
            let changed = opening.bundle.changed_since();
            return Err(changed.unwrap_or(ModelError::EncoderMissing {
                path,
                name: part.name.clone(),
                fingerprint,
            }));
        }
        Ok(Self {
            part,
            path,
            fingerprint,
        })
    }

    fn other(&self, reason: String) -> ModelError {
        ModelError::OtherEncoder {
            path: self.path.clone(),
            reason,
        }
    }

    /// An error if other weights were found.
    fn check(&self, found: &str) -> Result<(), ModelError> {
        let expected = &self.fingerprint;
        match found == expected {
            true => Ok(()),
            false => Err(self.other(format!(
                "the architecture is the same, the weights are not (fingerprint {}..., expected {}...)",
                &found[..12],
                expected.get(..12).unwrap_or(expected)
            ))),
        }
    }
}

/// The network that a file is opened with, or else the first that fits of all that it holds.
fn first_fitting<T>(
    keys: impl Fn() -> Vec<String>,
    open: impl Fn(Option<&str>) -> Result<T, ModelError>,
) -> Result<T, ModelError> {
    open(None).or_else(|mut error| {
        let keys = keys();
        for key in keys.iter().filter(|_| keys.len() > 1) {
            match open(Some(key)) {
                Ok(found) => return Ok(found),
                Err(other @ ModelError::OtherEncoder { .. }) => error = other,
                Err(_) => {}
            }
        }
        Err(error)
    })
}
