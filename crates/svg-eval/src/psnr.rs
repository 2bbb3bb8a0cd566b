//! Peak signal-to-noise ratio.

use burn::prelude::*;
use svg_image::RgbImage;

/// Minimum of the mean squared error on the scale from 0 to 1, which gives 100 dB for equal images.
const LEAST_ERROR: f64 = 1e-10;

/// `10 log10(255^2 / MSE)` of stored pixels, after rounding to 8 bits.
///
/// This is the variant of LightningDiT's tokenizer evaluation, which SVG's reconstruction numbers use. There it
/// is averaged over images, not computed from their common error. Equal images have 100 dB.
///
/// # Panics
///
/// If the images differ in size.
pub fn psnr(image: &RgbImage, reference: &RgbImage) -> f64 {
    assert_eq!(
        image.dimensions(),
        reference.dimensions(),
        "the image has another size than its reference"
    );
    let (image, reference) = (image.as_raw(), reference.as_raw());
    let square = |(a, b): (&u8, &u8)| u64::from(a.abs_diff(*b)).pow(2);
    let sum: u64 = image.iter().zip(reference).map(square).sum();
    decibels(sum as f64 / (255.0 * 255.0 * image.len() as f64))
}

/// `10 log10(1 / MSE)` of unrounded pixels of each image, after clamping to the range.
///
/// This is the variant of RAE. It is higher than [`psnr`] if errors are smaller than the rounding.
///
/// # Shapes
///
/// - images, reference: `[batch, 3, height, width]` in `[-1, 1]`
///
/// # Panics
///
/// If the shapes differ.
pub fn psnr_batch(images: Tensor<4>, reference: Tensor<4>) -> Vec<f64> {
    assert_same_shape(&images, &reference);
    // Half the difference in [-1, 1] is the difference in [0, 1].
    let difference = (images.clamp(-1.0, 1.0) - reference.clamp(-1.0, 1.0)) * 0.5;
    let errors: Tensor<1> = difference.square().mean_dims(&[1, 2, 3]).flatten(0, 3); // [batch]
    numbers(errors).into_iter().map(decibels).collect()
}

pub(crate) fn assert_same_shape(images: &Tensor<4>, reference: &Tensor<4>) {
    assert_eq!(
        images.dims(),
        reference.dims(),
        "the images have another shape than their reference"
    );
}

fn decibels(error: f64) -> f64 {
    -10.0 * error.max(LEAST_ERROR).log10()
}

/// Reads a result with one number per image.
pub(crate) fn numbers(of_images: Tensor<1>) -> Vec<f64> {
    of_images.into_data().convert::<f64>().iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use svg_image::Rgb;

    #[test]
    fn black_against_white_is_zero_decibels() {
        let black = RgbImage::new(4, 3);
        let white = RgbImage::from_pixel(4, 3, Rgb([255; 3]));
        assert_eq!(psnr(&black, &white), 0.0);
        let (low, high) = (-1.0, 1.0);
        let [black, white] =
            [low, high].map(|value: f32| Tensor::full([2, 3, 4, 4], value, &Device::default()));
        assert_eq!(psnr_batch(black, white), [0.0, 0.0]);
    }

    #[test]
    fn one_step_of_255_in_every_value_is_48_decibels() {
        let a = RgbImage::from_pixel(5, 5, Rgb([10, 20, 30]));
        let b = RgbImage::from_pixel(5, 5, Rgb([11, 19, 31]));
        assert!((psnr(&a, &b) - 20.0 * 255f64.log10()).abs() < 1e-12);
    }

    #[test]
    fn equal_images_have_a_hundred_decibels() {
        let image = RgbImage::from_pixel(2, 2, Rgb([7; 3]));
        assert!((psnr(&image, &image) - 100.0).abs() < 1e-12);
        let images = Tensor::<4>::zeros([1, 3, 2, 2], &Device::default());
        assert!((psnr_batch(images.clone(), images)[0] - 100.0).abs() < 1e-12);
    }

    #[test]
    fn values_are_clamped_to_the_range() {
        let device = Device::default();
        let images = Tensor::<4>::full([1, 3, 2, 2], 1.7, &device);
        let reference = Tensor::full([1, 3, 2, 2], 1.0, &device);
        assert!((psnr_batch(images, reference)[0] - 100.0).abs() < 1e-12);
    }

    #[test]
    fn psnr_is_computed_per_image() {
        let device = Device::default();
        let reference = Tensor::<4>::zeros([2, 3, 2, 2], &device);
        let offset = Tensor::<1>::from_floats([0.2, 0.02], &device).reshape([2, 1, 1, 1]);
        let found = psnr_batch(reference.clone() + offset, reference);
        assert!((found[0] - 20.0).abs() < 1e-4, "{found:?}");
        assert!((found[1] - 40.0).abs() < 1e-4, "{found:?}");
    }

    #[test]
    #[should_panic(expected = "another size than its reference")]
    fn images_of_different_sizes_panic() {
        psnr(&RgbImage::new(2, 2), &RgbImage::new(2, 3));
    }
}
