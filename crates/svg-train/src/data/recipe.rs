//! From a picture to the square that is trained on.

use serde::{Deserialize, Serialize};
use svg_image::{RgbImage, adm_crop, mirrored, plain_crop};

use super::draw::Draw;

/// How a square is cut from a picture.
///
/// The published training cut its pictures in two ways: the autoencoder's by
/// [`Reference`](Self::Reference), those of the diffusion model by
/// [`Corrected`](Self::Corrected). An autoencoder thus never saw what it would have to encode. The
/// default is one rule for both.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum CropRule {
    /// The short side is brought to the size by bilinear interpolation without smoothing
    /// ([`plain_crop`]), and a square is cut at a random place. Nothing is mirrored. This is the
    /// published first stage.
    Reference,
    /// The centre crop of ADM ([`adm_crop`]), mirrored left to right half of the time.
    #[default]
    Corrected,
}

/// What is done about pictures that are smaller than the crop.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Smaller {
    /// They are enlarged by the rule, as in the published training, and counted.
    #[default]
    Enlarge,
    /// They end the run with their name.
    Refuse,
}

/// The preparation of pictures: part of a run's configuration.
///
/// ```
/// use svg_image::RgbImage;
/// use svg_train::data::{CropRule, Draw, Recipe};
///
/// let recipe = Recipe { rule: CropRule::Reference, size: 32, ..Recipe::default() };
/// let draw = Draw { seed: 1, epoch: 0, index: 5 };
/// let crop = recipe.prepare(RgbImage::new(64, 48), draw);
/// assert_eq!(crop.dimensions(), (32, 32));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Recipe {
    /// How the square is cut. Default: [`CropRule::Corrected`].
    pub rule: CropRule,
    /// Side of the square, in pixels. Default: 256.
    pub size: u32,
    /// What is done about pictures that are smaller. Default: [`Smaller::Enlarge`].
    pub smaller: Smaller,
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            rule: CropRule::default(),
            size: 256,
            smaller: Smaller::default(),
        }
    }
}

impl Recipe {
    /// The square to train on, `size` x `size` pixels.
    ///
    /// # Panics
    ///
    /// If the size is 0 or the picture has no pixels.
    pub fn prepare(&self, image: RgbImage, draw: Draw) -> RgbImage {
        let mut generator = draw.generator();
        match self.rule {
            CropRule::Reference => plain_crop(&image, self.size, |columns, rows| {
                let left = generator.below(columns + 1);
                (left, generator.below(rows + 1))
            }),
            CropRule::Corrected => {
                let crop = adm_crop(&image, self.size);
                if generator.below(2) == 1 {
                    mirrored(&crop)
                } else {
                    crop
                }
            }
        }
    }

    /// The square to evaluate on: the same scale, centred, not mirrored.
    ///
    /// # Panics
    ///
    /// As [`prepare`](Self::prepare).
    pub fn evaluate(&self, image: &RgbImage) -> RgbImage {
        match self.rule {
            CropRule::Reference => {
                plain_crop(image, self.size, |columns, rows| (columns / 2, rows / 2))
            }
            CropRule::Corrected => adm_crop(image, self.size),
        }
    }

    /// The remark for pictures that are smaller than the crop.
    pub(crate) fn enlarging(&self) -> String {
        let size = self.size;
        format!(
            "some pictures are smaller than the crop of {size} x {size} and are enlarged; \
             \"smaller\": \"refuse\" would stop"
        )
    }

    /// Whether a picture of this many columns and rows is smaller than the crop.
    pub fn is_smaller(&self, (width, height): (u32, u32)) -> bool {
        width.min(height) < self.size
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn recipe(rule: CropRule) -> Recipe {
        Recipe {
            rule,
            size: 4,
            ..Recipe::default()
        }
    }

    fn draw(epoch: u64) -> Draw {
        Draw {
            seed: 1,
            epoch,
            index: 0,
        }
    }

    /// 4 rows of as many columns; the level is the column.
    fn ramp(columns: u32) -> RgbImage {
        RgbImage::from_fn(columns, 4, |x, _| grey(x as u8))
    }

    fn grey(level: u8) -> svg_image::Rgb<u8> {
        svg_image::Rgb([level; 3])
    }

    /// The levels at the left and right of the crops of many epochs.
    fn ends(recipe: &Recipe, image: &RgbImage) -> BTreeSet<(u8, u8)> {
        (0..100)
            .map(|epoch| {
                let crop = recipe.prepare(image.clone(), draw(epoch));
                assert_eq!(crop.dimensions(), (4, 4));
                (crop.get_pixel(0, 0).0[0], crop.get_pixel(3, 3).0[0])
            })
            .collect()
    }

    #[test]
    fn the_reference_cuts_at_every_place_and_never_mirrors() {
        let places = ends(&recipe(CropRule::Reference), &ramp(8));
        assert_eq!(places, (0..=4).map(|left| (left, left + 3)).collect());
    }

    #[test]
    fn the_corrected_rule_cuts_the_centre_and_mirrors_at_times() {
        let places = ends(&recipe(CropRule::Corrected), &ramp(8));
        assert_eq!(places, [(2, 5), (5, 2)].into());
    }

    #[test]
    fn half_of_the_pictures_are_mirrored() {
        let (recipe, image) = (recipe(CropRule::Corrected), ramp(4));
        let mirrored = (0..1000)
            .filter(|&epoch| recipe.prepare(image.clone(), draw(epoch)) != image)
            .count();
        // Four standard deviations of 15.8.
        assert!(mirrored.abs_diff(500) < 64, "{mirrored}");
    }

    #[test]
    fn evaluation_takes_the_centre_by_each_rule() {
        for rule in [CropRule::Reference, CropRule::Corrected] {
            let crop = recipe(rule).evaluate(&ramp(9));
            assert_eq!(crop.get_pixel(0, 0).0[0], 2, "{rule:?}");
        }
    }

    #[test]
    fn small_pictures_are_enlarged() {
        for rule in [CropRule::Reference, CropRule::Corrected] {
            let small = RgbImage::from_pixel(2, 3, grey(9));
            assert!(recipe(rule).is_smaller(small.dimensions()));
            let crop = recipe(rule).prepare(small, draw(0));
            assert_eq!(crop, RgbImage::from_pixel(4, 4, grey(9)));
        }
        assert!(!recipe(CropRule::Corrected).is_smaller((4, 9)));
    }

    #[test]
    fn a_recipe_is_read_by_its_words_and_an_unknown_one_is_refused() {
        let read = serde_json::from_str::<Recipe>;
        assert_eq!(read("{}").unwrap(), Recipe::default());
        let text = r#"{"rule": "reference", "size": 128, "smaller": "refuse"}"#;
        let want = Recipe {
            rule: CropRule::Reference,
            size: 128,
            smaller: Smaller::Refuse,
        };
        assert_eq!(read(text).unwrap(), want);
        assert!(read(r#"{"rule": "random"}"#).is_err());
        assert!(read(r#"{"flip": true}"#).is_err());
    }
}
