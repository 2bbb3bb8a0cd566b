//! Batches of images with the pixel range in their type.
//!
//! If a decoder returns [-1, 1] and a metric expects [0, 1], shapes and data types agree and the result is
//! wrong but plausible. Here the range is part of the type, and only images in [-1, 1] convert to a tensor.

use std::marker::PhantomData;

use burn::prelude::*;
use burn::tensor::TensorData;
use image::RgbImage;

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Unit {}
    impl Sealed for super::Signed {}
}

/// Trait for pixel ranges. It is sealed; the implementations are [`Unit`] and [`Signed`].
pub trait PixelRange: sealed::Sealed + Clone + std::fmt::Debug {
    /// Value of black.
    const LOW: f64;
    /// Value of white.
    const HIGH: f64;
}

/// Black is 0, white is 1.
#[derive(Debug, Clone, Copy)]
pub struct Unit;

/// Black is -1, white is 1: the range of images at the interfaces of all crates.
#[derive(Debug, Clone, Copy)]
pub struct Signed;

impl PixelRange for Unit {
    const LOW: f64 = 0.0;
    const HIGH: f64 = 1.0;
}

impl PixelRange for Signed {
    const LOW: f64 = -1.0;
    const HIGH: f64 = 1.0;
}

/// A batch of images, `[batch, 3, rows, columns]`, with black at `R::LOW` and white at `R::HIGH`.
///
/// Values outside the range are allowed, since networks produce them; [`to_rgb`](Self::to_rgb) clamps them.
///
/// ```
/// use burn::prelude::*;
/// use image::RgbImage;
/// use svg_roles::{Images, Signed, Unit};
///
/// let grey = RgbImage::from_pixel(4, 2, image::Rgb([255, 0, 51]));
/// let images = Images::<Signed>::from_rgb(&[grey.clone()], &Device::default());
/// assert_eq!(images.tensor().dims(), [1, 3, 2, 4]);
/// assert_eq!(images.to::<Unit>().to_rgb(), [grey]);
/// ```
///
/// Only signed images convert to a tensor:
///
/// ```compile_fail,E0599
/// # use svg_roles::{Images, Unit};
/// fn bare(images: Images<Unit>) -> burn::prelude::Tensor<4> {
///     images.into_tensor() // Use `images.to::<Signed>().into_tensor()`.
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Images<R: PixelRange> {
    /// `[batch, 3, rows, columns]`
    tensor: Tensor<4>,
    range: PhantomData<R>,
}

impl<R: PixelRange> Images<R> {
    /// Converts decoded pictures: sample `v` becomes `v / 255 * (HIGH - LOW) + LOW` in `f32`.
    ///
    /// The values are computed on the host, so that they are the same on every device.
    ///
    /// # Panics
    ///
    /// If there are no pictures or their sizes differ.
    pub fn from_rgb(images: &[RgbImage], device: &Device) -> Self {
        assert!(!images.is_empty(), "a batch needs at least one picture");
        let (width, height) = images[0].dimensions();
        let (span, low) = ((R::HIGH - R::LOW) as f32, R::LOW as f32);
        let value: [f32; 256] = std::array::from_fn(|v| v as f32 / 255.0 * span + low);
        let mut values = Vec::with_capacity(images.len() * 3 * (width * height) as usize);
        for image in images {
            assert_eq!(
                image.dimensions(),
                (width, height),
                "pictures of one batch must have the same size"
            );
            for channel in 0..3 {
                values.extend(
                    image
                        .pixels()
                        .map(|pixel| value[usize::from(pixel.0[channel])]),
                );
            }
        }
        let shape = [images.len(), 3, height as usize, width as usize];
        Self::from_tensor(Tensor::from_data(TensorData::new(values, shape), device))
    }

    /// Wraps a tensor that the caller knows to be in this range.
    ///
    /// # Shapes
    ///
    /// - tensor: `[batch, 3, rows, columns]`
    ///
    /// # Panics
    ///
    /// If there are not three channels.
    pub fn from_tensor(tensor: Tensor<4>) -> Self {
        let [_, channels, _, _] = tensor.dims();
        assert_eq!(
            channels, 3,
            "images must have 3 channels at axis 1, not {channels}"
        );
        Self {
            tensor,
            range: PhantomData,
        }
    }

    /// Converts the images to another range by an affine map.
    pub fn to<Other: PixelRange>(self) -> Images<Other> {
        let scale = (Other::HIGH - Other::LOW) / (R::HIGH - R::LOW);
        let offset = Other::LOW - R::LOW * scale;
        let tensor = if (scale, offset) == (1.0, 0.0) {
            self.tensor
        } else {
            self.tensor.mul_scalar(scale).add_scalar(offset)
        };
        Images::from_tensor(tensor)
    }

    /// Converts the images to 8 bits: values are clamped to the range and rounded, halves upwards.
    ///
    /// For signed images this is `floor(127.5 x + 128)`, for unit ones `floor(255 x + 0.5)`, in `f32` on the
    /// host. NaN becomes black.
    pub fn to_rgb(&self) -> Vec<RgbImage> {
        let [_, _, height, width] = self.tensor.dims();
        let plane = height * width;
        let values: Vec<f32> = self
            .tensor
            .to_data()
            .convert::<f32>()
            .try_to_vec()
            .expect("converted to f32");
        let scale = (255.0 / (R::HIGH - R::LOW)) as f32;
        let offset = (0.5 - 255.0 * R::LOW / (R::HIGH - R::LOW)) as f32;
        // `as` truncates, saturates and maps NaN to 0.
        let level = |value: f32| (value * scale + offset) as u8;
        values
            .chunks_exact((3 * plane).max(1))
            .map(|image| {
                RgbImage::from_fn(width as u32, height as u32, |x, y| {
                    let at = y as usize * width + x as usize;
                    image::Rgb([0, 1, 2].map(|channel| level(image[channel * plane + at])))
                })
            })
            .collect()
    }

    /// The images at `indices`, in this order; an index may occur more than once.
    ///
    /// # Panics
    ///
    /// If an index is not below [`len`](Self::len).
    pub fn select(&self, indices: &[usize]) -> Self {
        let count = self.len();
        let indices: Vec<i64> = indices
            .iter()
            .map(|&index| {
                assert!(index < count, "image {index} of a batch of {count}");
                index as i64
            })
            .collect();
        let indices = Tensor::<1, Int>::from_data(indices.as_slice(), &self.tensor.device());
        Self::from_tensor(self.tensor.clone().select(0, indices))
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.tensor.dims()[0]
    }

    /// Whether there are no images.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The values, `[batch, 3, rows, columns]`, in the range of the type.
    pub fn tensor(&self) -> &Tensor<4> {
        &self.tensor
    }
}

impl Images<Signed> {
    /// The values, `[batch, 3, rows, columns]` in [-1, 1], as networks expect them.
    pub fn into_tensor(self) -> Tensor<4> {
        self.tensor
    }
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
    fn every_level_roundtrips_through_both_ranges() {
        let device = Device::default();
        let images = [levels()];
        assert_eq!(Images::<Unit>::from_rgb(&images, &device).to_rgb(), images);
        assert_eq!(
            Images::<Signed>::from_rgb(&images, &device).to_rgb(),
            images
        );
        assert_eq!(
            Images::<Unit>::from_rgb(&images, &device)
                .to::<Signed>()
                .to_rgb(),
            images
        );
        assert_eq!(
            Images::<Signed>::from_rgb(&images, &device)
                .to::<Unit>()
                .to_rgb(),
            images
        );
    }

    #[test]
    fn channels_rows_and_columns_keep_their_order() {
        let image = RgbImage::from_fn(3, 2, |x, y| image::Rgb([x as u8, 10 + y as u8, 20]));
        let images = Images::<Unit>::from_rgb(&[image], &Device::default());
        let values: Vec<f32> = images.tensor().to_data().try_to_vec().unwrap();
        let levels: Vec<u8> = values
            .iter()
            .map(|value| (value * 255.0).round() as u8)
            .collect();
        assert_eq!(
            levels,
            [
                0, 1, 2, 0, 1, 2, 10, 10, 10, 11, 11, 11, 20, 20, 20, 20, 20, 20
            ]
        );
    }

    #[test]
    fn values_are_clamped_and_halves_round_up() {
        let values = [-7.0, 7.0, f32::NAN, -1.0, 1.0, 0.0];
        let tensor = Tensor::<1>::from_data(values, &Device::default()).reshape([1, 3, 1, 2]);
        let image = &Images::<Signed>::from_tensor(tensor).to_rgb()[0];
        assert_eq!(image.get_pixel(0, 0).0, [0, 0, 255]);
        // 0 is level 127.5.
        assert_eq!(image.get_pixel(1, 0).0, [255, 0, 128]);
    }

    #[test]
    fn select_keeps_the_order_of_the_indices() {
        let images = [1, 2, 3].map(|v| RgbImage::from_pixel(2, 2, image::Rgb([v; 3])));
        let selected = Images::<Signed>::from_rgb(&images, &Device::default()).select(&[2, 0, 2]);
        assert_eq!(selected.len(), 3);
        assert_eq!(
            selected.to_rgb(),
            [images[2].clone(), images[0].clone(), images[2].clone()]
        );
    }

    #[test]
    #[should_panic(expected = "must have the same size")]
    fn pictures_of_different_sizes_panic() {
        let images = [RgbImage::new(2, 2), RgbImage::new(3, 2)];
        Images::<Unit>::from_rgb(&images, &Device::default());
    }

    #[test]
    #[should_panic(expected = "3 channels")]
    fn a_tensor_with_another_layout_panics() {
        Images::<Unit>::from_tensor(Tensor::zeros([1, 2, 2, 3], &Device::default()));
    }
}
