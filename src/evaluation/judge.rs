//! The network whose features are compared, opened.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};
use burn::prelude::*;
use svg_image::{Filter, RgbImage, adm_crop, resize};
use svg_inception::{Inception, Resize};
use svg_model::{Bundle, ENCODER, Registry};
use svg_roles::{Embedding as _, Encoder, Images, Signed};

use crate::any_weights::AnyWeights;
use crate::commands::bundle::with_encoder;
use crate::encoder::{EncoderFile, Hints, say};
use crate::evaluation::protocol::{Network, Protocol};
use crate::evaluation::request::Request;
use crate::progress::status;

/// The frozen network of an evaluation.
#[derive(Clone)]
pub struct Judge {
    network: Opened,
    /// What its features are; those of other texts cannot be compared.
    pub features: String,
    /// SHA-256 of its weights.
    pub weights: String,
    /// Side of the crops that it sees; `None` where pictures are resized whole.
    pub crop: Option<u32>,
    /// Whether pictures of different sizes may be judged together.
    pub any_size: bool,
}

#[derive(Clone)]
enum Opened {
    Inception(Arc<Inception>),
    Encoder(Arc<dyn Encoder>),
    /// Behind Pillow's resize of 8-bit pixels.
    Resized(Arc<dyn Encoder>),
}

/// The network of dgm-eval and the side of what it sees.
const DINOV2: &str = "dinov2-vitl14";
const DINOV2_SIDE: u32 = 224;

/// What a request says of the weights.
fn hints(request: &Request) -> Hints<'_> {
    Hints {
        model: request.architecture.as_deref(),
        key: request.weights_key.as_deref(),
    }
}

/// What a network says of a batch.
pub struct Rows {
    /// `[batch, channels]`
    pub features: Tensor<2>,
    /// Features of places, for sFID, `[batch, 2023]`.
    pub spatial: Option<Tensor<2>>,
    /// Scores of classes, for the Inception Score, `[batch, classes]`.
    pub logits: Option<Tensor<2>>,
}

impl Judge {
    /// Opens the network of a protocol.
    pub fn open(protocol: &Protocol, request: &Request, device: &Device) -> Result<Self> {
        let mut judge = Self::of_protocol(protocol, request, device)?;
        if request.exif {
            judge.features += ", --orientation exif";
        }
        Ok(judge)
    }

    fn of_protocol(protocol: &Protocol, request: &Request, device: &Device) -> Result<Self> {
        match protocol.network {
            Network::Inception(resize) => {
                let Some(path) = &request.inception else {
                    bail!(
                        "--protocol {protocol} compares features of FID's Inception; name its weights by --inception \
                         pt_inception-2015-12-05-6726825d.pth (docs/weights.md says where to get them), or compare in \
                         an encoder's features: --protocol own"
                    );
                };
                let inception = Inception::open(path, resize, device)?;
                say(path, inception.notes());
                if let Some(warning) = inception.warning() {
                    status!("warning: {warning}");
                }
                Ok(Self {
                    features: inception.name(),
                    weights: inception.hash().to_string(),
                    network: Opened::Inception(Arc::new(inception)),
                    crop: None,
                    any_size: resize == Resize::Clean,
                })
            }
            Network::Dinov2 => Self::dinov2(protocol, request, device),
            Network::Encoder => Self::encoder(request, device),
        }
    }

    /// DINOv2 ViT-L/14 as Meta's code runs it, on pictures that Pillow has resized.
    fn dinov2(protocol: &Protocol, request: &Request, device: &Device) -> Result<Self> {
        let Some(path) = &request.weights else {
            bail!(
                "--protocol {protocol} compares features of DINOv2 ViT-L/14; name its weights by --weights \
                 dinov2_vitl14_pretrain.pth (docs/weights.md says where to get them), or compare in another encoder's \
                 features: --protocol own"
            );
        };
        let weights = AnyWeights::open(path, hints(request))?.by_the_original_rule();
        let file = EncoderFile::of(weights, device)?;
        let name = &file.encoder.spec().name;
        ensure!(
            name == DINOV2,
            "--protocol {protocol} compares features of {DINOV2}, and {} holds {name}; --protocol own compares in any \
             encoder's features",
            path.display()
        );
        Ok(Self {
            features: format!(
                "class token of {name} {}, Pillow's bicubic resize to {DINOV2_SIDE} x {DINOV2_SIDE}",
                file.part.fingerprint
            ),
            weights: file.part.fingerprint,
            network: Opened::Resized(file.encoder),
            crop: None,
            any_size: true,
        })
    }

    fn encoder(request: &Request, device: &Device) -> Result<Self> {
        let (encoder, weights, usual) = match (&request.weights, request.model()) {
            (Some(path), _) => {
                let file = EncoderFile::open(path, hints(request), device)?;
                (file.encoder, file.part.fingerprint, 256)
            }
            (None, Some(folder)) => of_bundle(folder, request.encoder.as_deref(), device)?,
            (None, None) => bail!(
                "--protocol own compares features of an encoder: name a model by --bundle, whose encoder is taken, or \
                 an encoder's weights by --weights"
            ),
        };
        let (size, patch) = (request.size.unwrap_or(usual), encoder.spec().patch_size);
        crate::commands::checks::check_size(size, patch)?;
        let named = &encoder.spec().name;
        Ok(Self {
            features: format!("class token of {named} {weights}, crops of {size} x {size}"),
            network: Opened::Encoder(encoder),
            weights,
            crop: Some(size),
            any_size: true,
        })
    }

    /// Lets it see square crops alone.
    pub fn crop_to(&mut self, side: u32) {
        if self.crop != Some(side) {
            self.crop = Some(side);
            self.features += &format!(", crops of {side} x {side}");
        }
    }

    /// What is done to a decoded picture before the network sees it.
    pub fn prepare(&self) -> impl Fn(RgbImage) -> RgbImage + Send + Sync + 'static {
        let crop = self.crop;
        move |image| match crop {
            Some(side) => adm_crop(&image, side),
            None => image,
        }
    }

    /// What the network says of images, `[batch, 3, height, width]` in [-1, 1].
    pub fn rows(&self, images: Tensor<4>, protocol: &Protocol) -> Result<Rows> {
        match &self.network {
            Opened::Inception(inception) => {
                let outputs = inception.outputs(images);
                Ok(Rows {
                    features: outputs.pool3,
                    spatial: protocol.spatial.then_some(outputs.spatial),
                    logits: protocol
                        .inception_score
                        .map(|_| outputs.logits_without_bias),
                })
            }
            Opened::Encoder(encoder) => {
                let [_, _, height, width] = images.dims();
                let patch = encoder.spec().patch_size;
                ensure!(
                    height % patch == 0 && width % patch == 0,
                    "images of {height} x {width} pixels are no whole number of the encoder's patches of {patch}"
                );
                summary(&**encoder, images)
            }
            Opened::Resized(encoder) => {
                let device = images.device();
                let images = Images::<Signed>::from_tensor(images).to_rgb();
                let resized = images
                    .iter()
                    .map(|image| resize(image, DINOV2_SIDE, DINOV2_SIDE, Filter::Bicubic));
                let resized: Vec<_> = resized.collect();
                let images = Images::<Signed>::from_rgb(&resized, &device).into_tensor();
                summary(&**encoder, images)
            }
        }
    }
}

/// The token for the whole picture.
fn summary(encoder: &dyn Encoder, images: Tensor<4>) -> Result<Rows> {
    let summary = encoder.tokens(images).summary;
    Ok(Rows {
        features: summary.context("the encoder has no token for the whole picture")?,
        spatial: None,
        logits: None,
    })
}

/// The encoder of a bundle, its fingerprint, and the side of the bundle's images.
fn of_bundle(
    folder: &Path,
    moved: Option<&Path>,
    device: &Device,
) -> Result<(Arc<dyn Encoder>, String, u32)> {
    let bundle = Bundle::open(folder)?;
    let encoder = Registry::standard().encoder(&bundle, &with_encoder(moved), device)?;
    let fingerprint = bundle.part(ENCODER)?.fingerprint.clone();
    let side = bundle.geometry()?.image[0] as u32;
    Ok((encoder, fingerprint.unwrap_or_default(), side))
}
