//! Conversion between pictures of 8 bits and batches of images.

use burn::prelude::*;
use burn::tensor::TensorData;
use image::RgbImage;

/// Converts decoded pictures to images, `[batch, 3, rows, columns]`: level `v` becomes `v / 255 * 2 - 1` in
/// `f32`.
///
/// The values are computed on the host, so that they are the same on every device.
///
/// # Panics
///
/// If there are no pictures or their sizes differ.
///
/// ```
/// use burn::prelude::*;
/// use image::RgbImage;
/// use svg_roles::{from_rgb, to_rgb};
///
/// let red = RgbImage::from_pixel(4, 2, image::Rgb([255, 0, 51]));
/// let images = from_rgb(&[red.clone()], &Device::default());
/// assert_eq!(images.dims(), [1, 3, 2, 4]);
/// assert_eq!(to_rgb(images), [red]);
/// ```
pub fn from_rgb(pictures: &[RgbImage], device: &Device) -> Tensor<4> {
    assert!(!pictures.is_empty(), "a batch needs at least one picture");
    let (width, height) = pictures[0].dimensions();
    let value: [f32; 256] = std::array::from_fn(|v| v as f32 / 255.0 * 2.0 - 1.0);
    let mut values = Vec::with_capacity(pictures.len() * 3 * (width * height) as usize);
    for picture in pictures {
        assert_eq!(
            picture.dimensions(),
            (width, height),
            "pictures of one batch must have the same size"
        );
        for channel in 0..3 {
            let levels = picture.pixels().map(|pixel| pixel.0[channel]);
            values.extend(levels.map(|level| value[usize::from(level)]));
        }
    }
    let shape = [pictures.len(), 3, height as usize, width as usize];
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// Converts images, `[batch, 3, rows, columns]` in [-1, 1], to pictures of 8 bits: values are clamped to the range
/// and rounded, halves upwards.
///
/// This is `floor(127.5 x + 128)` in `f32` on the host. NaN becomes black.
///
/// # Panics
///
/// If there are not three channels.
pub fn to_rgb(images: Tensor<4>) -> Vec<RgbImage> {
    let [_, channels, height, width] = images.dims();
    assert_eq!(
        channels, 3,
        "images must have 3 channels at axis 1, not {channels}"
    );
    let plane = height * width;
    let values = images.into_data().convert::<f32>();
    let values: Vec<f32> = values.try_to_vec().expect("converted to f32");
    // `as` truncates, saturates and maps NaN to 0.
    let level = |value: f32| (value * 127.5 + 128.0) as u8;
    let pictures = values.chunks_exact((3 * plane).max(1)).map(|image| {
        RgbImage::from_fn(width as u32, height as u32, |x, y| {
            let at = y as usize * width + x as usize;
            image::Rgb([0, 1, 2].map(|channel| level(image[channel * plane + at])))
        })
    });
    pictures.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All 256 levels, shifted per channel.
    fn levels() -> RgbImage {
        RgbImage::from_fn(16, 16, |x, y| {
            let level = (16 * y + x) as u8;
            image::Rgb([level, level.wrapping_add(85), 255 - level])
        })
    }

    #[test]
    fn every_level_roundtrips() {
        let images = from_rgb(&[levels()], &Device::default());
        assert_eq!(to_rgb(images), [levels()]);
    }

    #[test]
    fn channels_rows_and_columns_keep_their_order() {
        let image = RgbImage::from_fn(3, 2, |x, y| image::Rgb([x as u8, 10 + y as u8, 20]));
        let images = from_rgb(&[image], &Device::default());
        let values: Vec<f32> = images.to_data().try_to_vec().unwrap();
        let levels: Vec<u8> = values
            .iter()
            .map(|value| ((value + 1.0) * 127.5).round() as u8)
            .collect();
        assert_eq!(
            levels,
            [
                0, 1, 2, 0, 1, 2, 10, 10, 10, 11, 11, 11, 20, 20, 20, 20, 20, 20
            ]
        );
    }

    #[test]
    fn black_and_white_are_the_ends_of_the_range() {
        let image = RgbImage::from_fn(2, 1, |x, _| image::Rgb([255 * x as u8; 3]));
        let images = from_rgb(&[image], &Device::default());
        let values: Vec<f32> = images.to_data().try_to_vec().unwrap();
        assert_eq!(values, [-1.0, 1.0, -1.0, 1.0, -1.0, 1.0]);
    }

    #[test]
    fn values_are_clamped_and_halves_round_up() {
        let values = [-7.0, 7.0, f32::NAN, -1.0, 1.0, 0.0];
        let tensor = Tensor::<1>::from_data(values, &Device::default()).reshape([1, 3, 1, 2]);
        let image = &to_rgb(tensor)[0];
        assert_eq!(image.get_pixel(0, 0).0, [0, 0, 255]);
        // 0 is level 127.5.
        assert_eq!(image.get_pixel(1, 0).0, [255, 0, 128]);
    }

    #[test]
    #[should_panic(expected = "must have the same size")]
    fn pictures_of_different_sizes_panic() {
        let images = [RgbImage::new(2, 2), RgbImage::new(3, 2)];
        from_rgb(&images, &Device::default());
    }

    #[test]
    #[should_panic(expected = "3 channels")]
    fn a_tensor_with_another_layout_panics() {
        to_rgb(Tensor::zeros([1, 2, 2, 3], &Device::default()));
    }
}
