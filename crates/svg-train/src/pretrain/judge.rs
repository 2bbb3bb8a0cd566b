//! Nearest neighbours, to judge an encoder while it learns.

use std::sync::Arc;

use burn::prelude::*;
use svg_eval::NearestNeighbours;
use svg_image::{ImageSet, RgbImage, grid};
use svg_roles::Encoder;

use crate::autoencoder::spread;
use crate::data::{Classes, DataError, Recipe, evaluated, to_tensor};
use crate::pretrain::JudgeSettings;
use crate::pretrain::backbone::class_tokens;
use crate::pretrain::head::unit;

/// Rows of the sheet of neighbours, and pictures in one.
const ASKED: usize = 12;
const NEIGHBOURS: usize = 8;

/// Pictures of known class, and others that are asked for.
#[derive(Clone, Debug)]
pub(super) struct Judge {
    settings: JudgeSettings,
    known: Labelled,
    asked: Labelled,
}

/// What the judge found.
#[derive(Clone, Debug)]
pub(super) struct Judgement {
    /// Accuracy by the nearest neighbours of the class tokens.
    pub class_token: f64,
    /// Accuracy by those of the means of the patch tokens.
    pub patch_tokens: f64,
    /// In each row a picture, then its nearest neighbours by their class tokens.
    pub sheet: RgbImage,
}

#[derive(Clone, Debug)]
struct Labelled {
    images: Vec<RgbImage>,
    labels: Vec<usize>,
}

impl Judge {
    /// Spreads its pictures over the sets. Without `validation` the pictures that are asked for are others
    /// of the training, whose classes it does not learn from either.
    ///
    /// `None` if there are fewer than two classes (and so fewer than two pictures), or the validation has other
    /// ones.
    pub fn new(
        settings: JudgeSettings,
        data: &Arc<ImageSet>,
        validation: Option<&Arc<ImageSet>>,
        recipe: &Recipe,
    ) -> Result<Option<Self>, DataError> {
        let others = validation.unwrap_or(data);
        let (Ok(classes), Ok(of_others)) = (Classes::of(data), Classes::of(others)) else {
            return Ok(None);
        };
        if classes.names.len() < 2 || of_others.names != classes.names {
            return Ok(None);
        }
        let (known, asked) = match validation {
            Some(_) => (
                spread(data.len(), settings.known),
                spread(others.len(), settings.asked),
            ),
            None => two_spreads(data.len(), settings.known, settings.asked),
        };
        Ok(Some(Self {
            settings,
            known: Labelled::read(data, &classes, known, recipe)?,
            asked: Labelled::read(others, &of_others, asked, recipe)?,
        }))
    }

    /// The accuracy in pixels: what can be reached without an encoder.
    pub fn of_pixels(&self, device: &Device) -> f64 {
        let flat = |labelled: &Labelled| to_tensor(&labelled.images, device).flatten::<2>(1, 3);
        self.share(flat(&self.known), flat(&self.asked))
    }

    /// Judges an encoder, `batch` pictures at a time.
    pub fn of(&self, encoder: &dyn Encoder, batch: usize, device: &Device) -> Judgement {
        let [known_class, known_patches] = self.known.tokens(encoder, batch, device);
        let [asked_class, asked_patches] = self.asked.tokens(encoder, batch, device);
        Judgement {
            sheet: self.sheet(known_class.clone(), asked_class.clone()),
            class_token: self.share(known_class, asked_class),
            patch_tokens: self.share(known_patches, asked_patches),
        }
    }

    fn share(&self, known: Tensor<2>, asked: Tensor<2>) -> f64 {
        let judge = NearestNeighbours {
            neighbours: self.settings.neighbours,
            temperature: self.settings.temperature,
        };
        let said = judge.classify(known, &self.known.labels, asked);
        // Without a matrix of all classes, of which labels may make a million.
        let truth = &self.asked.labels;
        let right = said.iter().zip(truth).filter(|(said, truth)| said == truth);
        right.count() as f64 / truth.len().max(1) as f64
    }

    fn sheet(&self, known: Tensor<2>, asked: Tensor<2>) -> RgbImage {
        let rows = spread(self.asked.images.len(), ASKED);
        let places: Vec<i64> = rows.iter().map(|&row| row as i64).collect();
        let places = Tensor::<1, Int>::from_data(places.as_slice(), &asked.device());
        let few = unit(asked.select(0, places), 1);
        let cosines = few.matmul(unit(known, 1).transpose());
        let most = NEIGHBOURS.min(self.known.images.len());
        let nearest = cosines.topk_with_indices(most, 1).1.into_data();
        let nearest: Vec<usize> = nearest.iter::<i64>().map(|place| place as usize).collect();
        let mut images = Vec::new();
        for (row, neighbours) in rows.iter().zip(nearest.chunks(most)) {
            images.push(self.asked.images[*row].clone());
            let nearest = neighbours.iter().map(|&place| &self.known.images[place]);
            images.extend(nearest.cloned());
        }
        grid(&images, 1 + most, 2)
    }
}

impl Labelled {
    fn read(
        set: &Arc<ImageSet>,
        classes: &Classes,
        places: Vec<usize>,
        recipe: &Recipe,
    ) -> Result<Self, DataError> {
        let all = evaluated(set, places, recipe)?;
        let labels = all.indices.iter().map(|&index| classes.labels[index]);
        Ok(Self {
            labels: labels.collect(),
            images: all.images,
        })
    }

    /// Class tokens and means of patch tokens, `[count, d_model]` each.
    fn tokens(&self, encoder: &dyn Encoder, batch: usize, device: &Device) -> [Tensor<2>; 2] {
        let (mut class, mut patches) = (Vec::new(), Vec::new());
        for images in self.images.chunks(batch) {
            let tokens = encoder.tokens(to_tensor(images, device));
            class.push(class_tokens(&tokens));
            patches.push(tokens.patches.mean_dim(1).squeeze_dim::<2>(1));
        }
        [Tensor::cat(class, 0), Tensor::cat(patches, 0)]
    }
}

/// Two disjoint sets of evenly spread indices below `len`, at least two; fewer of each, in proportion, if there
/// are not so many.
fn two_spreads(len: usize, one: usize, other: usize) -> (Vec<usize>, Vec<usize>) {
    let both = spread(len, one + other);
    let known = (both.len() * one / (one + other)).clamp(1, both.len() - 1);
    // Known ones are spread evenly among them.
    let is_known = |rank: usize| (rank + 1) * known / both.len() > rank * known / both.len();
    let (known, asked): (Vec<usize>, Vec<_>) = (0..both.len()).partition(|rank| is_known(*rank));
    let places = |ranks: Vec<usize>| ranks.into_iter().map(|rank| both[rank]).collect();
    (places(known), places(asked))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_and_asked_pictures_are_different_ones() {
        for (len, one, other) in [(100, 20, 10), (30, 20, 10), (7, 20, 10), (5000, 2000, 500)] {
            let (known, asked) = two_spreads(len, one, other);
            assert!(known.iter().all(|place| !asked.contains(place)));
            assert!(!known.is_empty() && !asked.is_empty());
            assert!(known.iter().chain(&asked).all(|place| *place < len));
        }
        let (known, asked) = two_spreads(30, 20, 10);
        assert_eq!((known.len(), asked.len()), (20, 10));
        let (known, asked) = two_spreads(2, 20, 10);
        assert_eq!((known.len(), asked.len()), (1, 1));
    }
}
