//! What people look at while a network learns.

use std::sync::Arc;

use burn::prelude::*;
use svg_eval::psnr;
use svg_image::{DecodeOptions, ImageError, ImageSet, Loader, RgbImage};
use svg_model::{FeatureEncoder, SvgAutoencoder};
use svg_roles::{Images, Signed};

use crate::data::Recipe;
use crate::log::comparison_sheet;

/// Pictures that are reconstructed again and again.
#[derive(Clone, Debug)]
pub struct Samples {
    originals: Vec<RgbImage>,
}

/// How they came out.
#[derive(Clone, Debug)]
pub struct Reconstructed {
    /// Originals over reconstructions.
    pub sheet: RgbImage,
    /// Mean over the pictures, in dB, on 8 bits.
    pub psnr: f64,
}

impl Samples {
    /// So many pictures of a set, evenly spread over it, cut as for evaluation. Broken ones are left out.
    ///
    /// # Errors
    ///
    /// What is wrong with the last of them, if all are broken.
    pub fn spread(set: Arc<ImageSet>, count: usize, recipe: &Recipe) -> Result<Self, ImageError> {
        let order = spread(set.len(), count);
        let recipe = recipe.clone();
        let prepare = move |image: RgbImage| recipe.evaluate(&image);
        let loader = Loader::in_order(set, order, DecodeOptions::default(), prepare, 0);
        let (mut originals, mut broken) = (Vec::new(), None);
        for loaded in loader {
            match loaded.image {
                Ok(image) => originals.push(image),
                Err(error) => broken = Some(error),
            }
        }
        match broken {
            Some(error) if originals.is_empty() => Err(error),
            _ => Ok(Self { originals }),
        }
    }

    /// Sends them through a model, a batch at a time.
    pub fn reconstruct<E: FeatureEncoder>(
        &self,
        model: &SvgAutoencoder<E>,
        batch: usize,
        device: &Device,
    ) -> Reconstructed {
        let mut reconstructions = Vec::new();
        for originals in self.originals.chunks(batch) {
            let images = Images::<Signed>::from_rgb(originals, device).into_tensor();
            let images = Images::<Signed>::from_tensor(model.reconstruct(images));
            reconstructions.extend(images.to_rgb());
        }
        let pairs = self.originals.iter().zip(&reconstructions);
        let sum: f64 = pairs.map(|(original, image)| psnr(image, original)).sum();
        Reconstructed {
            sheet: comparison_sheet(&self.originals, &reconstructions),
            psnr: sum / self.originals.len() as f64,
        }
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
