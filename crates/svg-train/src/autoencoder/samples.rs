//! Pictures that are reconstructed while an autoencoder learns.

use std::sync::Arc;

use burn::prelude::*;
use svg_eval::psnr;
use svg_image::{ImageSet, RgbImage};
use svg_roles::{Draw, Images, LatentSpace, Signed};

use crate::data::{DataError, Recipe, evaluated, to_tensor};
use crate::log::comparison_sheet;

/// Pictures that are reconstructed again and again.
#[derive(Clone, Debug)]
pub(super) struct Samples {
    originals: Vec<RgbImage>,
}

impl Samples {
    /// So many pictures of a set, evenly spread over it, as [`evaluated`] gives them.
    pub fn spread(set: &Arc<ImageSet>, count: usize, recipe: &Recipe) -> Result<Self, DataError> {
        let places = spread(set.len(), count);
        let originals = evaluated(set, places, recipe)?.images;
        Ok(Self { originals })
    }

    /// Sends them through a space of features, a batch at a time. Gives the originals over their
    /// reconstructions, and the mean PSNR on 8 bits, in dB.
    pub fn reconstruct(
        &self,
        space: &dyn LatentSpace,
        batch: usize,
        device: &Device,
    ) -> (RgbImage, f64) {
        let mut reconstructions = Vec::new();
        for originals in self.originals.chunks(batch) {
            let images = to_tensor(originals, device);
            let [_, _, height, width] = images.dims();
            let grid = space.geometry().grid_of([height, width]);
            let decoded = space.decode(space.encode(images, Draw::Mode), grid);
            reconstructions.extend(Images::<Signed>::from_tensor(decoded).to_rgb());
        }
        let pairs = self.originals.iter().zip(&reconstructions);
        let sum: f64 = pairs.map(|(original, image)| psnr(image, original)).sum();
        let sheet = comparison_sheet(&self.originals, &reconstructions);
        (sheet, sum / self.originals.len() as f64)
    }
}

/// `count` numbers below `len`, evenly spread; all of them if there are fewer.
pub fn spread(len: usize, count: usize) -> Vec<usize> {
    let count = count.min(len);
    (0..count).map(|number| number * len / count).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_even_and_without_repetition() {
        assert_eq!(spread(10, 5), [0, 2, 4, 6, 8]);
        assert_eq!(spread(3, 8), [0, 1, 2]);
        assert_eq!(spread(7, 3), [0, 2, 4]);
        assert_eq!(spread(0, 3), [0; 0]);
    }
}
