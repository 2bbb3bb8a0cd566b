//! OpenCV's bilinear resizing, which uses two neighbours on each axis at any scale.
//!
//! SVG's autoencoder was trained on pictures resized this way. Shrinking does not low-pass filter, so fine
//! detail is aliased; use [`adm_crop`](crate::adm_crop) for new work. It exists to reproduce the published
//! training.
//!
//! The arithmetic, after OpenCV's `modules/imgproc/src/resize.cpp` for 8 bits: positions of half
//! pixels in `f32`, weights rounded to 11 fractional bits, a horizontal pass without rounding, and a
//! vertical pass in which each product loses its low bits before the sum is rounded.
//! `tests/it/opencv.rs` tests for equality.

use image::RgbImage;

use crate::resample::{CHANNELS, Window, assert_pixels};

/// The weight of a whole pixel: 11 fractional bits.
const ONE: f32 = 2048.0;

/// Resizes a picture to `width` x `height`. Every pixel equals that of OpenCV's
/// `cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)`.
///
/// # Panics
///
/// If the picture or the new size has no pixels.
pub fn resize_bilinear_plain(image: &RgbImage, width: u32, height: u32) -> RgbImage {
    resize_window(image, Window::whole(width), Window::whole(height))
}

/// Resizes the short side to `size` with [`resize_bilinear_plain`] and crops `size` x `size` pixels.
///
/// `place` receives the numbers of surplus columns and rows and returns how many of them are left of and
/// above the crop: half of each for a centre crop, random numbers in training. The long side is rounded like
/// Python's `round`, as in `SmallestMaxSize` of albumentations.
///
/// Only the pixels of the crop are computed.
///
/// # Panics
///
/// If `size` is 0, the picture has no pixels, or `place` returns more than it received.
pub fn plain_crop(
    image: &RgbImage,
    size: u32,
    place: impl FnOnce(u64, u64) -> (u64, u64),
) -> RgbImage {
    assert!(size > 0, "a crop needs a size of at least one pixel");
    let (width, height) = image.dimensions();
    let scale = f64::from(size) / f64::from(width.min(height));
    let [columns, rows] =
        [width, height].map(|side| (f64::from(side) * scale).round_ties_even() as u64);
    let spare = (columns - u64::from(size), rows - u64::from(size));
    let (left, above) = place(spare.0, spare.1);
    assert!(
        left <= spare.0 && above <= spare.1,
        "a crop at {left}, {above} exceeds the {} surplus columns and {} surplus rows",
        spare.0,
        spare.1
    );
    let window = |whole, first| Window {
        size: whole,
        first,
        count: size,
    };
    resize_window(image, window(columns, left), window(rows, above))
}

/// The two input pixels of an output pixel and their weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Tap {
    low: usize,
    high: usize,
    weights: [i32; 2],
}

fn taps(from: u32, window: Window) -> Vec<Tap> {
    // As in OpenCV: the reciprocal of the enlargement, which is not always `from / size`.
    let scale = 1.0 / (window.size as f64 / f64::from(from));
    let last = i64::from(from) - 1;
    (window.first..)
        .take(window.count as usize)
        .map(|out| {
            let position = ((out as f64 + 0.5) * scale - 0.5) as f32;
            let low = position.floor();
            let part = position - low;
            // The border pixel is repeated.
            let pixel = |at: i64| at.clamp(0, last) as usize;
            Tap {
                low: pixel(low as i64),
                high: pixel(low as i64 + 1),
                weights: [1.0 - part, part].map(|weight| (weight * ONE).round_ties_even() as i32),
            }
        })
        .collect()
}

fn resize_window(image: &RgbImage, columns: Window, rows: Window) -> RgbImage {
    let (width, height) = image.dimensions();
    assert_pixels([width, height], [columns.count, rows.count]);
    let across = taps(width, columns);
    let stride = width as usize * CHANNELS;
    let row = |at: usize| &image.as_raw()[at * stride..(at + 1) * stride];

    // Neighbouring rows differ in parity, so each has its own slot until it is no longer needed.
    let mut narrow: [(Option<usize>, Vec<i32>); 2] = Default::default();
    let mut pixels = Vec::with_capacity((columns.count * rows.count) as usize * CHANNELS);
    for tap in taps(height, rows) {
        for at in [tap.low, tap.high] {
            let (holds, samples) = &mut narrow[at % 2];
            if *holds != Some(at) {
                horizontal(row(at), &across, samples);
                *holds = Some(at);
            }
        }
        let (low, high) = (&narrow[tap.low % 2].1, &narrow[tap.high % 2].1);
        let sums = low
            .iter()
            .zip(high)
            .map(|(&low, &high)| clip(tap.weights, low, high));
        pixels.extend(sums);
    }
    RgbImage::from_raw(columns.count, rows.count, pixels).expect("one pixel per position")
}

/// Resamples one row to samples with 11 fractional bits.
fn horizontal(row: &[u8], taps: &[Tap], out: &mut Vec<i32>) {
    out.clear();
    for tap in taps {
        let (low, high) = (tap.low * CHANNELS, tap.high * CHANNELS);
        for channel in 0..CHANNELS {
            let (low, high) = (row[low + channel], row[high + channel]);
            out.push(i32::from(low) * tap.weights[0] + i32::from(high) * tap.weights[1]);
        }
    }
}

/// The weighted sum of two samples with 11 fractional bits, converted to 8 bits.
fn clip(weights: [i32; 2], low: i32, high: i32) -> u8 {
    let product = |weight: i32, sample: i32| (weight * (sample >> 4)) >> 16;
    ((product(weights[0], low) + product(weights[1], high) + 2) >> 2) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(levels: &[u8]) -> RgbImage {
        let pixel = |x: u32, _| image::Rgb([levels[x as usize]; 3]);
        RgbImage::from_fn(levels.len() as u32, 1, pixel)
    }

    fn levels(image: &RgbImage) -> Vec<u8> {
        image.pixels().map(|pixel| pixel.0[0]).collect()
    }

    #[test]
    fn enlarging_by_two_interpolates_and_repeats_the_border() {
        // Positions -0.25, 0.25, 0.75, 1.25.
        let wide = resize_bilinear_plain(&row(&[0, 100]), 4, 1);
        assert_eq!(levels(&wide), [0, 25, 75, 100]);
    }

    #[test]
    fn shrinking_by_four_uses_two_pixels_of_each_four() {
        // Positions 1.5 and 5.5; the pixels 0, 3, 4 and 7 are not used.
        let narrow = resize_bilinear_plain(&row(&[255, 10, 20, 255, 255, 40, 60, 255]), 2, 1);
        assert_eq!(levels(&narrow), [15, 50]);
    }

    #[test]
    fn weights_have_eleven_bits_and_sum_to_one() {
        let taps = taps(3, Window::whole(7));
        // (0 + 0.5) * 3 / 7 - 0.5 = -2/7: weight 5/7 for the pixel beyond the border, which repeats pixel 0.
        let first = Tap {
            low: 0,
            high: 0,
            weights: [585, 1463],
        };
        assert_eq!(taps[0], first);
        assert!(
            taps.iter()
                .all(|tap| tap.weights.iter().sum::<i32>() == 2048)
        );
    }

    #[test]
    fn uniform_pictures_and_equal_sizes_are_unchanged() {
        let grey = RgbImage::from_pixel(19, 11, image::Rgb([3, 128, 255]));
        assert!(
            resize_bilinear_plain(&grey, 8, 40)
                .pixels()
                .all(|pixel| pixel.0 == [3, 128, 255])
        );
        let image = RgbImage::from_fn(7, 5, |x, y| image::Rgb([37 * x as u8, 50 * y as u8, 9]));
        assert_eq!(resize_bilinear_plain(&image, 7, 5), image);
    }

    #[test]
    fn a_plain_crop_equals_a_crop_of_the_whole() {
        let image = RgbImage::from_fn(40, 23, |x, y| {
            image::Rgb([6 * x as u8, 11 * y as u8, (x * y) as u8])
        });
        // 40 * 16 / 23 = 27.8
        let whole = resize_bilinear_plain(&image, 28, 16);
        let crop = plain_crop(&image, 16, |columns, rows| {
            assert_eq!((columns, rows), (12, 0));
            (7, 0)
        });
        let part = image::imageops::crop_imm(&whole, 7, 0, 16, 16).to_image();
        assert_eq!(crop, part);
    }

    #[test]
    fn a_very_long_picture_is_cropped_without_resizing_it_whole() {
        let image = RgbImage::from_pixel(1, 65_535, image::Rgb([1, 2, 3]));
        let crop = plain_crop(&image, 256, |columns, rows| (columns, rows));
        assert_eq!(crop, RgbImage::from_pixel(256, 256, image::Rgb([1, 2, 3])));
    }

    #[test]
    #[should_panic(expected = "a crop at 1, 0 exceeds the 0 surplus columns")]
    fn a_crop_outside_the_picture_panics() {
        plain_crop(&RgbImage::new(4, 4), 2, |_, _| (1, 0));
    }
}
