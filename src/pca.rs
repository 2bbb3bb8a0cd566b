//! The familiar picture of patch features: their three main directions as red, green and blue.

use image::imageops::{self, FilterType};
use nalgebra::{DMatrix, SymmetricEigen};
use svg_image::{Rgb, RgbImage, grid};

/// Three directions of greatest variance, and the range of values along each.
///
/// Fitted on many images at once, one colour means one thing in all of them.
pub struct Pca {
    mean: Vec<f32>,
    directions: [Vec<f32>; 3],
    /// The 1st and 99th percentile along each direction: dark and bright.
    ranges: [(f32, f32); 3],
}

/// More tokens than this add nothing to three directions.
const ENOUGH: usize = 50_000;

impl Pca {
    /// Fits `tokens`, rows of `channels` numbers.
    ///
    /// # Panics
    ///
    /// If there are no tokens or fewer than three channels.
    pub fn fit(tokens: &[f32], channels: usize) -> Self {
        assert!(channels >= 3 && tokens.len() >= channels, "nothing to fit");
        let count = tokens.len() / channels;
        let stride = count.div_ceil(ENOUGH);
        let rows: Vec<&[f32]> = tokens.chunks_exact(channels).step_by(stride).collect();
        let mut mean = vec![0.0f64; channels];
        for row in &rows {
            mean.iter_mut()
                .zip(*row)
                .for_each(|(m, v)| *m += f64::from(*v));
        }
        mean.iter_mut().for_each(|m| *m /= rows.len() as f64);
        let centred = |i: usize, c: usize| (f64::from(rows[i][c]) - mean[c]) as f32;
        let centred = DMatrix::<f32>::from_fn(rows.len(), channels, centred);
        let eigen = SymmetricEigen::new(centred.tr_mul(&centred));
        let mut order: Vec<usize> = (0..channels).collect();
        order.sort_by(|a, b| eigen.eigenvalues[*b].total_cmp(&eigen.eigenvalues[*a]));
        let mean: Vec<f32> = mean.into_iter().map(|m| m as f32).collect();
        let directions = [0, 1, 2].map(|i| {
            let direction = eigen.eigenvectors.column(order[i]);
            // A direction's sign is arbitrary; its largest component decides, so that colours do not
            // depend on the solver.
            let largest = direction
                .iter()
                .fold(0.0f32, |m, v| if v.abs() > m.abs() { *v } else { m });
            direction
                .iter()
                .map(|v| v * largest.signum())
                .collect::<Vec<f32>>()
        });
        let ranges = directions.each_ref().map(|direction| {
            let mut values: Vec<f32> = rows
                .iter()
                .map(|row| project(row, &mean, direction))
                .collect();
            values.sort_by(f32::total_cmp);
            let last = values.len() - 1;
            (values[last / 100], values[last - last / 100])
        });
        Self {
            mean,
            directions,
            ranges,
        }
    }

    /// One pixel for each token of an image of `rows` by `columns` patches.
    pub fn picture(&self, tokens: &[f32], [rows, columns]: [usize; 2]) -> RgbImage {
        let channels = self.mean.len();
        RgbImage::from_fn(columns as u32, rows as u32, |x, y| {
            let index = y as usize * columns + x as usize;
            let token = &tokens[index * channels..(index + 1) * channels];
            Rgb([0, 1, 2].map(|i| {
                let (low, high) = self.ranges[i];
                let value = project(token, &self.mean, &self.directions[i]);
                let unit = (value - low) / (high - low).max(f32::MIN_POSITIVE);
                (unit.clamp(0.0, 1.0) * 255.0).round() as u8
            }))
        })
    }
}

/// An image and the picture of its features, side by side.
pub fn beside(image: &RgbImage, small: &RgbImage) -> RgbImage {
    let (width, height) = image.dimensions();
    let large = imageops::resize(small, width, height, FilterType::Nearest);
    grid(&[image.clone(), large], 2, 4)
}

fn project(token: &[f32], mean: &[f32], direction: &[f32]) -> f32 {
    let centred = token.iter().zip(mean).map(|(v, m)| v - m);
    centred.zip(direction).map(|(v, d)| v * d).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_direction_is_that_of_greatest_variance() {
        // Variance 100 along channel 2, 1 along channel 0, 0.01 along channels 1 and 3.
        let tokens: Vec<f32> = (0..200)
            .flat_map(|i| {
                let wave = |speed: f32| (i as f32 * speed).sin();
                [
                    wave(0.7),
                    0.1 * wave(1.3),
                    10.0 * wave(2.1),
                    0.1 * wave(0.3),
                ]
            })
            .collect();
        let pca = Pca::fit(&tokens, 4);
        assert!(pca.directions[0][2] > 0.99, "{:?}", pca.directions[0]);
        assert!(pca.directions[1][0] > 0.99, "{:?}", pca.directions[1]);
    }

    #[test]
    fn equal_tokens_have_equal_colours() {
        let tokens: Vec<f32> = (0..30).map(|i| (i * i % 17) as f32).collect();
        let pca = Pca::fit(&tokens, 3);
        let twice: Vec<f32> = [&tokens[..3], &tokens[..3], &tokens[6..9]].concat();
        let picture = pca.picture(&twice, [1, 3]);
        assert_eq!(picture.get_pixel(0, 0), picture.get_pixel(1, 0));
        assert_ne!(picture.get_pixel(0, 0), picture.get_pixel(2, 0));
    }
}
