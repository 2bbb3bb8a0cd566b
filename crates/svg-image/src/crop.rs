//! The centre crop of ADM, which SVG, DiT and most ImageNet diffusion models train on, and the horizontal
//! flip.

use std::borrow::Cow;

use image::RgbImage;

use crate::resample::{Filter, Region, Window, resample, resize};

/// The centre square of a picture, `size` x `size` pixels.
///
/// While the short side is at least `2 size`, the picture is halved with [`Filter::Box`]. Then its short
/// side is resized to `size` with [`Filter::Bicubic`], and the middle of the long side is kept. Every pixel
/// equals that of `center_crop_arr` of
/// [ADM](https://github.com/openai/guided-diffusion/blob/22e0df8183507e13a7813f8d38d51b072ca1e67c/guided_diffusion/image_datasets.py#L126)
/// under Pillow.
///
/// Only the pixels of the crop are computed, so memory is of the order of the picture and the crop for any
/// aspect ratio.
///
/// # Panics
///
/// If `size` is 0 or the picture has no pixels.
pub fn adm_crop(image: &RgbImage, size: u32) -> RgbImage {
    assert!(size > 0, "a crop needs a size of at least one pixel");
    assert!(
        image.width() > 0 && image.height() > 0,
        "a picture without pixels cannot be cropped"
    );

    let mut image = Cow::Borrowed(image);
    while u64::from(image.width().min(image.height())) >= 2 * u64::from(size) {
        let (width, height) = image.dimensions();
        image = Cow::Owned(resize(&image, width / 2, height / 2, Filter::Box));
    }
    let (width, height) = image.dimensions();
    let scale = f64::from(size) / f64::from(width.min(height));
    let middle = |side: u32| {
        // Python's `round`: halves go to the even neighbour.
        let scaled = (f64::from(side) * scale).round_ties_even() as u64;
        Window {
            size: scaled,
            first: (scaled - u64::from(size)) / 2,
            count: size,
        }
    };
    let (columns, rows) = (middle(width), middle(height));
    resample(
        &image,
        Region::whole(&image),
        columns,
        rows,
        Filter::Bicubic,
    )
}

/// The horizontally flipped picture.
pub fn mirrored(image: &RgbImage) -> RgbImage {
    image::imageops::flip_horizontal(image)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirroring_flips_horizontally() {
        let image = RgbImage::from_fn(3, 2, |x, y| image::Rgb([x as u8, y as u8, 9]));
        let mirror = mirrored(&image);
        assert_eq!(mirror.get_pixel(0, 1).0, [2, 1, 9]);
        assert_eq!(mirrored(&mirror), image);
    }

    #[test]
    fn a_picture_of_the_right_size_is_unchanged() {
        let image = RgbImage::from_fn(6, 6, |x, y| image::Rgb([x as u8, y as u8, 9]));
        assert_eq!(adm_crop(&image, 6), image);
    }

    #[test]
    fn only_the_middle_of_the_long_side_is_kept() {
        let middle = image::Rgb([10, 200, 30]);
        let image = RgbImage::from_fn(60, 8, |x, _| {
            if (26..34).contains(&x) {
                middle
            } else {
                image::Rgb([0; 3])
            }
        });
        assert_eq!(adm_crop(&image, 8), RgbImage::from_pixel(8, 8, middle));
    }

    #[test]
    fn a_very_long_picture_is_cropped_without_resizing_it_whole() {
        // Enlarged whole, this would be 256 x 16 776 960 pixels.
        let image = RgbImage::from_pixel(1, 65_535, image::Rgb([1, 2, 3]));
        assert_eq!(
            adm_crop(&image, 256),
            RgbImage::from_pixel(256, 256, image::Rgb([1, 2, 3]))
        );
    }

    #[test]
    #[should_panic(expected = "a size of at least one pixel")]
    fn a_crop_of_size_zero_panics() {
        adm_crop(&RgbImage::new(2, 2), 0);
    }

    #[test]
    #[should_panic(expected = "a picture without pixels")]
    fn a_crop_of_a_picture_without_pixels_panics() {
        adm_crop(&RgbImage::new(0, 2), 4);
    }
}
