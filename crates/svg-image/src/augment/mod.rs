//! Random augmentations of pictures.

mod colour;
mod crop;
mod orientation;

use image::RgbImage;
use svg_store::Random;

use crate::resample::{Filter, resize_region};
pub use colour::JitterSettings;
use colour::{Pixel, changes};
pub use crop::CropSettings;
use crop::region;
use orientation::Orientation;

/// Settings for random views of a picture.
///
/// The order is that of DINOv2: crop, mirror and rotate, jitter, grey, blur, solarise. All random numbers are
/// drawn whether they are used or not, so that changing a probability does not affect the rest of a view.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Augmentation {
    /// Random crop.
    pub crop: CropSettings,
    /// Minimum and maximum aspect ratio (width over height) of a crop; its logarithm is uniform.
    pub ratio: [f64; 2],
    /// Probability of a horizontal flip.
    pub flip: f64,
    /// Whether the view is also rotated by a random multiple of 90 degrees.
    pub turn: bool,
    /// Colour jitter.
    pub jitter: JitterSettings,
    /// Probability of conversion to grey.
    pub grey: f64,
    /// Probability of a Gaussian blur with a kernel of 9 pixels, whose deviation is uniform between 0.1 and 2
    /// pixels.
    pub blur: f64,
    /// Probability of solarisation, which inverts the upper half of the levels.
    pub solarize: f64,
}

impl Augmentation {
    /// Draws a view of a picture.
    ///
    /// # Shapes
    ///
    /// - values: `[3, size, size]` with the size of the crop; receives the view, black at -1, white at 1
    ///
    /// # Panics
    ///
    /// If the picture has no pixels, the size is 0, or `values` has another length.
    pub fn draw(&self, image: &RgbImage, random: &mut Random, values: &mut [f32]) {
        let size = self.crop.size;
        let plane = (size * size) as usize;
        assert_eq!(values.len(), 3 * plane, "a view of {size} x {size} pixels");
        let (width, height) = image.dimensions();
        let region = region(self.crop, self.ratio, width, height, random);
        let orientation = Orientation::draw(self, random);
        let changes = changes(self, random);

        let crop = resize_region(image, region, size, size, Filter::Bicubic);
        let size = size as usize;
        let mut pixels: Vec<Pixel> = crop
            .pixels()
            .map(|pixel| pixel.0.map(|level| f32::from(level) / 255.0))
            .collect();
        for change in changes {
            change.apply(&mut pixels, size);
        }
        for (channel, values) in values.chunks_exact_mut(plane).enumerate() {
            for (place, value) in values.iter_mut().enumerate() {
                let [row, column] = orientation.source([place / size, place % size], size);
                *value = pixels[row * size + column][channel] * 2.0 - 1.0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;
    use crate::crop::mirrored;

    /// An augmentation without random changes except for the crop.
    pub(super) fn plain() -> Augmentation {
        Augmentation {
            crop: CropSettings {
                size: 16,
                scale: [0.4, 1.0],
            },
            ratio: [0.75, 4.0 / 3.0],
            flip: 0.0,
            turn: false,
            jitter: JitterSettings {
                probability: 0.0,
                brightness: 0.4,
                contrast: 0.4,
                saturation: 0.2,
                hue: 0.1,
            },
            grey: 0.0,
            blur: 0.0,
            solarize: 0.0,
        }
    }

    /// An augmentation with all random changes.
    pub(super) fn lively() -> Augmentation {
        Augmentation {
            flip: 0.5,
            turn: true,
            jitter: JitterSettings {
                probability: 0.8,
                ..plain().jitter
            },
            grey: 0.2,
            blur: 0.5,
            solarize: 0.5,
            ..plain()
        }
    }

    fn draw(augmentation: &Augmentation, image: &RgbImage, sample: u64) -> Vec<f32> {
        let side = augmentation.crop.size as usize;
        let mut values = vec![0.0; 3 * side * side];
        augmentation.draw(image, &mut Random::keyed([5, 11, sample, 0]), &mut values);
        values
    }

    #[test]
    fn views_are_determined_by_the_key_and_stay_in_range() {
        let image = RgbImage::from_fn(20, 24, |x, y| {
            Rgb([10 * x as u8, 9 * y as u8, (x * y) as u8])
        });
        for sample in 0..40 {
            let view = draw(&lively(), &image, sample);
            assert_eq!(view, draw(&lively(), &image, sample));
            assert_ne!(view, draw(&lively(), &image, sample + 1));
            assert!(view.iter().all(|x| (-1.0..=1.0).contains(x)));
        }
    }

    #[test]
    fn a_full_crop_without_changes_equals_the_picture() {
        let whole = Augmentation {
            crop: CropSettings {
                size: 16,
                scale: [1.0, 1.0],
            },
            ratio: [1.0, 1.0],
            ..plain()
        };
        let image = RgbImage::from_fn(16, 16, |x, y| Rgb([x as u8, y as u8, 200]));
        let planes = |image: &RgbImage| -> Vec<f32> {
            let channel = |channel| image.pixels().map(move |pixel| pixel.0[channel]);
            let levels = (0..3).flat_map(channel);
            levels
                .map(|level| f32::from(level) / 255.0 * 2.0 - 1.0)
                .collect()
        };
        assert_eq!(draw(&whole, &image, 5), planes(&image));
        let flipped = Augmentation { flip: 1.0, ..whole };
        assert_eq!(draw(&flipped, &image, 5), planes(&mirrored(&image)));
    }

    #[test]
    #[should_panic(expected = "a view of 16 x 16 pixels")]
    fn values_of_another_length_panic() {
        plain().draw(
            &RgbImage::new(4, 4),
            &mut Random::keyed([0; 4]),
            &mut [0.0; 3],
        );
    }
}
