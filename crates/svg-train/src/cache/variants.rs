//! The crops of one picture that a cache holds.

use std::fmt;

use serde::{Deserialize, Serialize};
use svg_image::{RgbImage, mirrored};

use crate::data::{CropRule, Draw, Recipe};

/// The squares that are encoded of each picture.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Variants {
    /// The centre crop and its mirror image: all that [`CropRule::Corrected`] can give, so that
    /// training on the cache equals training on pictures.
    #[default]
    Mirrored,
    /// So many crops of [`CropRule::Reference`], at places that follow from the seed; training on pictures
    /// would see new ones in each epoch.
    Crops {
        /// How many.
        count: usize,
        /// The seed of their places.
        seed: u64,
    },
}

impl Variants {
    /// How many squares there are of each picture.
    pub fn count(self) -> usize {
        match self {
            Self::Mirrored => 2,
            Self::Crops { count, .. } => count,
        }
    }

    /// The recipe of the crops, at a size.
    pub(super) fn recipe(self, size: u32) -> Recipe {
        let rule = match self {
            Self::Mirrored => CropRule::Corrected,
            Self::Crops { .. } => CropRule::Reference,
        };
        Recipe {
            rule,
            size,
            ..Recipe::default()
        }
    }

    /// All squares of a picture, stacked vertically, because a loader makes one picture of a picture.
    pub(super) fn strip(self, image: RgbImage, size: u32, index: u64) -> RgbImage {
        let recipe = self.recipe(size);
        let squares = match self {
            Self::Mirrored => {
                let crop = recipe.evaluate(&image);
                let other = mirrored(&crop);
                vec![crop, other]
            }
            Self::Crops { count, seed } => {
                let draw = |epoch| Draw { seed, epoch, index };
                let cut = |epoch| recipe.prepare(image.clone(), draw(epoch));
                (0..count as u64).map(cut).collect()
            }
        };
        let pixels: Vec<u8> = squares.into_iter().flat_map(RgbImage::into_raw).collect();
        let height = size * self.count() as u32;
        RgbImage::from_raw(size, height, pixels).expect("as many pixels as the squares have")
    }

    /// The squares of a strip.
    pub(super) fn squares(strip: RgbImage) -> Vec<RgbImage> {
        let size = strip.width();
        let square = |pixels: &[u8]| {
            let square = RgbImage::from_raw(size, size, pixels.to_vec());
            square.expect("cut to this size")
        };
        let squares = strip.as_raw().chunks_exact((size * size * 3) as usize);
        squares.map(square).collect()
    }

    /// The variant that training takes of a picture in an epoch: for [`Mirrored`](Self::Mirrored) the one that
    /// [`Recipe::prepare`] would make.
    pub(super) fn choose(self, draw: Draw) -> usize {
        draw.below(self.count() as u64) as usize
    }
}

impl fmt::Display for Variants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mirrored => f.write_str("centre crop and mirror image"),
            Self::Crops { count, seed } => write!(f, "{count} random crops of seed {seed}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture() -> RgbImage {
        RgbImage::from_fn(9, 7, |x, y| svg_image::Rgb([x as u8 * 20, y as u8 * 30, 7]))
    }

    fn draw(epoch: u64) -> Draw {
        Draw {
            seed: 3,
            epoch,
            index: 5,
        }
    }

    #[test]
    fn the_chosen_variant_is_what_training_on_pictures_would_cut() {
        let variants = Variants::Mirrored;
        let squares = Variants::squares(variants.strip(picture(), 4, 5));
        let chosen = (0..40).map(|epoch| {
            let choice = variants.choose(draw(epoch));
            assert_eq!(
                squares[choice],
                variants.recipe(4).prepare(picture(), draw(epoch))
            );
            choice
        });
        let mirrored: usize = chosen.sum();
        assert!(mirrored > 5 && mirrored < 35, "{mirrored} of 40");
    }

    #[test]
    fn crops_follow_from_the_seed_and_the_picture() {
        let of = |seed, index| Variants::Crops { count: 6, seed }.strip(picture(), 4, index);
        assert_eq!(of(1, 0), of(1, 0));
        assert_ne!(of(1, 0), of(2, 0));
        assert_ne!(of(1, 0), of(1, 1));
        assert_eq!(Variants::squares(of(1, 0)).len(), 6);
        assert_eq!(of(1, 0).dimensions(), (4, 24));
    }
}
