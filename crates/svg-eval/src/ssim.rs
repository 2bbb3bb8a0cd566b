//! Structural similarity.

use burn::prelude::*;
use burn::tensor::TensorData;
use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;

use crate::psnr::{assert_same_shape, numbers};

const WINDOW: usize = 11;
const SIGMA: f64 = 1.5;
/// Width of the range `[-1, 1]`.
const RANGE: f64 = 2.0;
const C1: f64 = (0.01 * RANGE) * (0.01 * RANGE);
const C2: f64 = (0.03 * RANGE) * (0.03 * RANGE);

/// Structural similarity of each image with its reference (Wang et al., 2004), 1 for equal images.
///
/// ```text
/// (2 mx my + c1) (2 sxy + c2) / ((mx^2 + my^2 + c1) (sx^2 + sy^2 + c2))
/// ```
///
/// averaged over positions and channels, where means, variances and the covariance are weighted by a
/// Gaussian window of 11 pixels with deviation 1.5, `c1 = (0.01 L)^2`, `c2 = (0.03 L)^2`, and `L = 2`.
/// Values are clamped to the range, and positions whose window extends beyond the image are excluded. This is
/// torchmetrics with the data range `(-1, 1)`.
///
/// # Shapes
///
/// - images, reference: `[batch, channels, height, width]` in `[-1, 1]`
///
/// # Panics
///
/// If the shapes differ, or a side is shorter than the window of 11 pixels.
pub fn ssim(images: Tensor<4>, reference: Tensor<4>) -> Vec<f64> {
    assert_same_shape(&images, &reference);
    let [batch, _, height, width] = images.dims();
    assert!(
        height >= WINDOW && width >= WINDOW,
        "SSIM has a window of {WINDOW} pixels, got {height} by {width}"
    );
    let (x, y) = (images.clamp(-1.0, 1.0), reference.clamp(-1.0, 1.0));
    let products = vec![
        x.clone().square(),
        y.clone().square(),
        x.clone() * y.clone(),
        x,
        y,
    ];
    let moments = window_means(Tensor::cat(products, 0)).chunk(5, 0);
    let [xx, yy, xy, x, y] = moments.try_into().expect("five moments");

    let (x2, y2, product) = (x.clone().square(), y.clone().square(), x * y);
    let covariance = xy - product.clone();
    let variances = xx + yy - x2.clone() - y2.clone();
    let similar = (product * 2.0 + C1) * (covariance * 2.0 + C2);
    let map = similar / ((x2 + y2 + C1) * (variances + C2));
    numbers(map.mean_dims(&[1, 2, 3]).reshape([batch]))
}

/// Weighted means at every position where the window fits; the output is 10 pixels smaller on each axis.
fn window_means(x: Tensor<4>) -> Tensor<4> {
    let [_, channels, ..] = x.dims();
    let window = gaussian();
    let line = TensorData::new(window.repeat(channels), [channels, 1, WINDOW, 1]);
    let column = Tensor::<4>::from_data(line, &x.device());
    let row = column.clone().swap_dims(2, 3);
    let options = || ConvOptions::new([1, 1], [0, 0], [1, 1], channels);
    // The Gaussian is separable, so two one-dimensional convolutions suffice.
    conv2d(conv2d(x, column, None, options()), row, None, options())
}

fn gaussian() -> Vec<f32> {
    let weight = |i: usize| (-0.5 * ((i as f64 - 5.0) / SIGMA).powi(2)).exp();
    let weights: Vec<f64> = (0..WINDOW).map(weight).collect();
    let sum: f64 = weights.iter().sum();
    weights.iter().map(|w| (w / sum) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Distribution;

    fn noise(shape: [usize; 4]) -> Tensor<4> {
        Tensor::random(shape, Distribution::Uniform(-1.0, 1.0), &Device::default())
    }

    /// The definition evaluated position by position in f64.
    fn by_hand(x: &[f64], y: &[f64], [height, width]: [usize; 2]) -> f64 {
        let window: Vec<f64> = gaussian().into_iter().map(f64::from).collect();
        let (mut sum, mut count) = (0.0, 0.0);
        for top in 0..=height - WINDOW {
            for left in 0..=width - WINDOW {
                let mut moments = [0.0; 5];
                for (i, down) in window.iter().enumerate() {
                    for (j, right) in window.iter().enumerate() {
                        let at = (top + i) * width + left + j;
                        let (a, b) = (x[at], y[at]);
                        for (moment, value) in moments.iter_mut().zip([a, b, a * a, b * b, a * b]) {
                            *moment += down * right * value;
                        }
                    }
                }
                let [a, b, aa, bb, ab] = moments;
                let similar = (2.0 * a * b + C1) * (2.0 * (ab - a * b) + C2);
                sum += similar / ((a * a + b * b + C1) * (aa - a * a + bb - b * b + C2));
                count += 1.0;
            }
        }
        sum / count
    }

    #[test]
    fn ssim_equals_its_definition() {
        let (x, y) = (noise([1, 1, 13, 15]), noise([1, 1, 13, 15]));
        let y = (x.clone() + y) * 0.5;
        let values = |t: &Tensor<4>| t.to_data().convert::<f64>().iter().collect::<Vec<f64>>();
        let want = by_hand(&values(&x), &values(&y), [13, 15]);
        let got = ssim(x, y)[0];
        assert!((got - want).abs() < 1e-5, "{got} for {want}");
    }

    #[test]
    fn ssim_of_equal_images_is_one() {
        let x = noise([2, 3, 16, 12]);
        for value in ssim(x.clone(), x) {
            assert!((value - 1.0).abs() < 1e-5, "{value}");
        }
    }

    #[test]
    fn channels_are_averaged() {
        let (x, y) = (noise([1, 2, 12, 12]), noise([1, 2, 12, 12]));
        let channel = |i| ssim(x.clone().narrow(1, i, 1), y.clone().narrow(1, i, 1))[0];
        let both = ssim(x.clone(), y.clone())[0];
        assert!((both - (channel(0) + channel(1)) / 2.0).abs() < 1e-6);
    }

    #[test]
    fn values_are_clamped_to_the_range() {
        let x = noise([1, 3, 12, 12]).sign();
        let y = x.clone() * 3.0;
        assert!((ssim(x, y)[0] - 1.0).abs() < 1e-5);
    }

    #[test]
    #[should_panic(expected = "a window of 11 pixels, got 10 by 12")]
    fn an_image_smaller_than_the_window_panics() {
        ssim(noise([1, 3, 10, 12]), noise([1, 3, 10, 12]));
    }
}
