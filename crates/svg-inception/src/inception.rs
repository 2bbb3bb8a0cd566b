//! The network with its input, as an embedding of images.

use std::path::Path;

use burn::prelude::*;
use svg_nn::StoredTensor;
use svg_roles::Embedding;

use crate::import::{self, Loaded};
use crate::resize::Resizer;
use crate::{InceptionError, InceptionOutput, InceptionV3, Kind, Resize};

/// The first digits of the published file's SHA-256, which its names end with.
const PUBLISHED: &str = "6726825d";

/// Inception v3 with the preprocessing of a protocol: images of any size to the features of FID, sFID, KID and the
/// Inception Score.
#[derive(Debug)]
pub struct Inception {
    network: InceptionV3,
    kind: Kind,
    hash: String,
    notes: Vec<String>,
    resizer: Resizer,
}

impl Inception {
    /// Opens torch-fidelity's or pytorch-fid's file, torchvision's `inception_v3`, or the same tensors in
    /// safetensors. torchvision's is another network, which [`warning`](Self::warning) says.
    ///
    /// # Errors
    ///
    /// [`InceptionError::Load`] if the file cannot be read, or a tensor is missing, left over, of another shape or
    /// not finite, or a variance is negative.
    pub fn open(
        path: impl AsRef<Path>,
        resize: Resize,
        device: &Device,
    ) -> Result<Self, InceptionError> {
        Ok(Self::new(import::open(path.as_ref(), device)?, resize))
    }

    /// The same from tensors that are already there, with the names of the published files. `source` is named in
    /// errors. The [`hash`](Self::hash) is that of names, shapes and bytes.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn from_tensors(
        tensors: Vec<StoredTensor>,
        resize: Resize,
        source: &str,
        device: &Device,
    ) -> Result<Self, InceptionError> {
        let loaded = import::of_tensors(tensors, source, device)?;
        Ok(Self::new(loaded, resize))
    }

    fn new(loaded: Loaded, resize: Resize) -> Self {
        let Loaded {
            network,
            kind,
            hash,
            notes,
        } = loaded;
        Self {
            network,
            kind,
            hash,
            notes,
            resizer: Resizer::new(resize),
        }
    }

    /// Which network it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// How images are resized.
    pub fn resize(&self) -> Resize {
        self.resizer.resize()
    }

    /// SHA-256 of the file, in hexadecimal.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Whether the file is, byte for byte, the one that torch-fidelity and pytorch-fid publish, as far as the eight
    /// digits in its name tell.
    pub fn is_published(&self) -> bool {
        self.hash.starts_with(PUBLISHED)
    }

    /// What was taken and left of the file, for people.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The network, its norms folded into the filters.
    pub fn network(&self) -> &InceptionV3 {
        &self.network
    }

    /// What a user must know before comparing distances with published ones.
    pub fn warning(&self) -> Option<String> {
        match self.kind {
            Kind::Torchvision => Some(
                "these are the weights of torchvision's inception_v3, another network than that of FID: its distances \
                 are not FID, and its scores are no Inception Score; the file for those is \
                 weights-inception-2015-12-05-6726825d.pth"
                    .to_string(),
            ),
            Kind::Fid if !self.is_published() => Some(format!(
                "the SHA-256 of the weights of Inception begins with {}, that of the published file with {PUBLISHED}: \
                 the tensors fit the network, but whether their numbers are the published ones is not known",
                &self.hash[..8]
            )),
            Kind::Fid => None,
        }
    }

    /// All outputs of images in [-1, 1], of any size.
    ///
    /// A value that is a whole level of 0 to 255 but for rounding in f32 is taken as that level.
    ///
    /// # Shapes
    ///
    /// - images: `[batch, 3, height, width]`
    pub fn outputs(&self, images: Tensor<4>) -> InceptionOutput {
        self.outputs_of_pixels(pixels(images))
    }

    /// [`outputs`](Self::outputs) of pixels from 0 to 255, rounded or not.
    ///
    /// # Shapes
    ///
    /// - pixels: `[batch, 3, height, width]`
    pub fn outputs_of_pixels(&self, pixels: Tensor<4>) -> InceptionOutput {
        self.network.forward(self.input(pixels))
    }

    /// What the network sees of pixels from 0 to 255: resized and scaled.
    ///
    /// # Shapes
    ///
    /// - pixels: `[batch, 3, height, width]`
    /// - output: `[batch, 3, 299, 299]`
    pub fn input(&self, pixels: Tensor<4>) -> Tensor<4> {
        let resized = self.resizer.apply(pixels);
        let (middle, range) = scale(self.kind, self.resizer.resize());
        (resized - middle) / range
    }
}

/// What is subtracted from pixels and what they are divided by. pytorch-fid computes `2 x - 1` of x in [0, 1].
/// torchvision's mean and deviation, followed by the conversion inside its network, come to the same.
fn scale(kind: Kind, resize: Resize) -> (f64, f64) {
    match (kind, resize) {
        (Kind::Torchvision, _) | (Kind::Fid, Resize::HalfPixel) => (127.5, 127.5),
        (Kind::Fid, Resize::Tensorflow | Resize::Clean) => (128.0, 128.0),
    }
}

/// Images in [-1, 1] as pixels from 0 to 255. Level `v` is `v / 255 * 2 - 1` in f32, whose rounding, 1.5e-5 of a level
/// at most on the way there and back, is taken off again.
fn pixels(images: Tensor<4>) -> Tensor<4> {
    const ROUNDING: f64 = 5e-5;
    let exact = (images + 1.0) * 127.5;
    let level = exact.clone().round();
    let is_level = (exact.clone() - level.clone())
        .abs()
        .lower_equal_elem(ROUNDING);
    exact.mask_where(is_level, level)
}

impl Embedding for Inception {
    /// `pool3`, `[batch, 2048]`.
    fn embed(&self, images: Tensor<4>) -> Tensor<2> {
        self.outputs(images).pool3
    }

    fn name(&self) -> String {
        let (network, resize) = (
            match self.kind {
                Kind::Fid => "Inception v3 of 2015-12-05",
                Kind::Torchvision => "torchvision's inception_v3 (not that of FID)",
            },
            self.resize(),
        );
        let weights = &self.hash[..8];
        format!("pool3 of {network}, weights {weights}, {resize} resize")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::TensorData;

    #[test]
    fn every_level_of_eight_bits_comes_back_exactly() {
        let levels: Vec<f32> = (0..=255).map(|v| v as f32).collect();
        // As `svg_roles::Images::from_rgb` computes them, and as the inverse of the saver.
        let ways: [fn(f32) -> f32; 3] = [
            |v| v / 255.0 * 2.0 - 1.0,
            |v| v / 127.5 - 1.0,
            |v| (v - 127.5) / 127.5,
        ];
        for way in ways {
            let images: Vec<f32> = levels.iter().map(|v| way(*v)).collect();
            let data = TensorData::new(images, [1, 1, 16, 16]);
            let back = pixels(Tensor::from_data(data, &Device::default()));
            back.into_data()
                .assert_eq(&TensorData::new(levels.clone(), [1, 1, 16, 16]), true);
        }
    }

    #[test]
    fn pixels_between_levels_are_not_rounded() {
        let images = Tensor::<4>::full([1, 1, 1, 1], 0.25 / 127.5, &Device::default());
        let pixel: f32 = pixels(images).into_scalar();
        assert!((pixel - 127.75).abs() < 1e-4, "{pixel}");
    }

    #[test]
    fn each_protocol_has_its_own_black_and_white() {
        assert_eq!(scale(Kind::Fid, Resize::Tensorflow), (128.0, 128.0));
        assert_eq!(scale(Kind::Fid, Resize::Clean), (128.0, 128.0));
        assert_eq!(scale(Kind::Fid, Resize::HalfPixel), (127.5, 127.5));
        assert_eq!(scale(Kind::Torchvision, Resize::Tensorflow), (127.5, 127.5));
    }
}
