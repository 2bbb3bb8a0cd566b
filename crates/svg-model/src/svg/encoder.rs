//! Images to features: frozen semantics and a residual, joined.

use std::sync::Arc;

use burn::prelude::*;
use svg_nn::on_host;
use svg_residual::{ResidualEncoder, Statistics, align};
use svg_roles::Encoder;

use super::Alignment;

/// Pixels that the networks are given at once on the CPU: two images of 256 x 256. A pass over more of them is
/// not faster there, and needs as much more memory.
const PIXELS_AT_ONCE: usize = 2 * 256 * 256;

/// `features = [semantic ; align(residual)]`, the frozen encoder's channels first (arXiv 2510.15301, section
/// 3.2).
#[derive(Clone, Debug)]
pub struct SvgEncoder {
    /// The frozen encoder.
    pub semantic: Arc<dyn Encoder>,
    /// The residual encoder; `None` for the frozen features alone.
    pub residual: Option<ResidualEncoder>,
    /// How the residual is aligned.
    pub alignment: Alignment,
    /// What it is aligned by in [`Alignment::Frozen`]; `None` if it is not known yet.
    pub statistics: Option<Statistics>,
}

impl SvgEncoder {
    /// Whether [`features`](Self::features) can be computed: frozen alignment of a residual needs
    /// statistics.
    pub fn is_ready(&self) -> bool {
        self.residual.is_none() || self.alignment != Alignment::Frozen || self.statistics.is_some()
    }

    /// Whether features of an image depend on the other images of its batch.
    pub fn depends_on_batch(&self) -> bool {
        self.residual.is_some() && self.alignment == Alignment::Batch
    }

    /// The two branches before alignment: the frozen features, and the residual if there is one. On the CPU a
    /// large batch goes through the networks in parts, which changes no number.
    ///
    /// # Shapes
    ///
    /// - images: `[batch, 3, height, width]` in [-1, 1], on a device without autodiff
    /// - output: `[batch, tokens, channels]` each
    ///
    /// # Panics
    ///
    /// As the networks: if a side is no multiple of the patch size.
    pub fn branches(&self, images: Tensor<4>) -> (Tensor<3>, Option<Tensor<3>>) {
        let [batch, _, height, width] = images.dims();
        let at_once = (PIXELS_AT_ONCE / (height * width).max(1)).max(1);
        if batch <= at_once || !on_host(&images) {
            return self.branches_at_once(images);
        }
        let parts = images.split(at_once, 0).into_iter();
        let (semantic, residual): (_, Vec<_>) =
            parts.map(|images| self.branches_at_once(images)).unzip();
        let residual: Option<Vec<_>> = residual.into_iter().collect();
        let joined = |parts| Tensor::cat(parts, 0);
        (joined(semantic), residual.map(joined))
    }

    fn branches_at_once(&self, images: Tensor<4>) -> (Tensor<3>, Option<Tensor<3>>) {
        let residual = self.residual.as_ref();
        let residual = residual.map(|residual| residual.forward(images.clone()));
        (self.semantic.tokens(images).patches, residual)
    }

    /// Features of images, with the residual as [`alignment`](SvgEncoder::alignment) says.
    ///
    /// # Shapes
    ///
    /// - images: `[batch, 3, height, width]` in [-1, 1], sides multiples of the patch size
    /// - output: `[batch, tokens, channels]`, row by row, the frozen encoder's channels first
    ///
    /// # Panics
    ///
    /// If the encoder [is not ready](Self::is_ready), and as the networks.
    pub fn features(&self, images: Tensor<4>) -> Tensor<3> {
        let (semantic, residual) = self.branches(images);
        let statistics = match (&residual, self.alignment) {
            (None, _) | (_, Alignment::None) => None,
            (Some(residual), Alignment::Batch) => {
                Some(Statistics::of(semantic.clone(), residual.clone()))
            }
            (_, Alignment::Frozen) => Some(
                self.statistics
                    .expect("frozen alignment needs statistics; set them, or use Alignment::Batch"),
            ),
        };
        join(semantic, residual, statistics.as_ref())
    }
}

/// Features from the two branches, aligned by `statistics`; without them the residual stays as it is.
///
/// Training and inference join features by this function alone.
///
/// # Shapes
///
/// - semantic, residual: `[batch, tokens, channels]` each
/// - output: `[batch, tokens, channels of both]`
pub fn join(
    semantic: Tensor<3>,
    residual: Option<Tensor<3>>,
    statistics: Option<&Statistics>,
) -> Tensor<3> {
    let Some(residual) = residual else {
        return semantic;
    };
    let residual = match statistics {
        Some(statistics) => align(residual, statistics),
        None => residual,
    };
    Tensor::cat(vec![semantic, residual], 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::autoencoder;
    use burn::tensor::Distribution;

    #[test]
    fn a_batch_that_goes_through_in_parts_gives_the_numbers_of_the_whole() {
        let device = Device::default();
        let encoder = autoencoder(Alignment::Batch).encoder;
        // Two at once, so that the last part is a single image.
        let shape = [3, 3, 64, PIXELS_AT_ONCE / 2 / 64];
        let images = Tensor::random(shape, Distribution::Uniform(-1.0, 1.0), &device);
        let whole = encoder.branches_at_once(images.clone());
        let parts = encoder.branches(images);
        parts.0.into_data().assert_eq(&whole.0.into_data(), true);
        let [parts, whole] = [parts.1, whole.1].map(|residual| residual.unwrap().into_data());
        parts.assert_eq(&whole, true);
    }
}
