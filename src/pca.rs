//! Patch features as colours: their three principal components as red, green and blue.

use anyhow::{Context, Result};
use image::imageops::{self, FilterType};
use svg_eval::Moments;
use svg_image::{Rgb, RgbImage, grid};
use svg_store::RowReader;

use crate::streamed::f32s;

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

/// Tokens that are held in f64 at a time.
const PART: usize = 4_096;

impl Pca {
    /// Fits `tokens`, rows of three or more `channels`, in f64; an error if a number is not finite. Panics if
    /// there are no tokens or too few channels.
    pub fn fit(tokens: &[f32], channels: usize) -> Result<Self> {
        assert!(channels >= 3 && tokens.len() >= channels, "nothing to fit");
        let count = tokens.len() / channels;
        let stride = count.div_ceil(ENOUGH);
        let rows: Vec<&[f32]> = tokens.chunks_exact(channels).step_by(stride).collect();
        let mut moments = Moments::new();
        for part in rows.chunks(PART) {
            let values = part.iter().flat_map(|row| row.iter().copied());
            moments.push_values(&values.map(f64::from).collect::<Vec<_>>(), channels);
        }
        let directions = moments.principal_directions(3);
        let directions = directions.context("features with infinite numbers have no colours")?;
        let single = |values: &[f64]| values.iter().map(|v| *v as f32).collect::<Vec<f32>>();
        let directions = [0, 1, 2].map(|i| single(&directions[i]));
        let mean = single(moments.mean());
        let ranges = directions.each_ref().map(|direction| {
            let values = rows.iter().map(|row| project(row, &mean, direction));
            let mut values: Vec<f32> = values.collect();
            values.sort_by(f32::total_cmp);
            let last = values.len() - 1;
            (values[last / 100], values[last - last / 100])
        });
        Ok(Self {
            mean,
            directions,
            ranges,
        })
    }

    /// As [`fit`](Self::fit), of tokens `[images, tokens, channels]` in a file, one image at a time.
    pub fn fit_rows(tokens: &mut RowReader) -> Result<Self> {
        let &[images, each, channels] = tokens.shape() else {
            anyhow::bail!("tokens of the shape {:?} have no colours", tokens.shape());
        };
        let stride = (images * each).div_ceil(ENOUGH).max(1);
        let mut chosen = Vec::new();
        for image in 0..images {
            let numbers = f32s(&tokens.read(image..image + 1)?);
            // The first that continues the stride of all.
            let first = (stride - image * each % stride) % stride;
            let rows = numbers.chunks_exact(channels).skip(first).step_by(stride);
            chosen.extend(rows.flatten());
        }
        Self::fit(&chosen, channels)
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

/// A picture of the features of each image, in colours that all images share.
///
/// `tokens` are those of all images, rows of `channels` numbers. For errors and panics see [`Pca::fit`].
pub fn pictures(tokens: &[f32], channels: usize, grid: [usize; 2]) -> Result<Vec<RgbImage>> {
    let pca = Pca::fit(tokens, channels)?;
    let images = tokens.chunks_exact(grid[0] * grid[1] * channels);
    Ok(images.map(|tokens| pca.picture(tokens, grid)).collect())
}

/// The picture of an image's features, in the size of the image.
pub fn enlarged(small: &RgbImage, image: &RgbImage) -> RgbImage {
    let (width, height) = image.dimensions();
    imageops::resize(small, width, height, FilterType::Nearest)
}

/// An image and the picture of its features, side by side.
pub fn beside(image: &RgbImage, small: &RgbImage) -> RgbImage {
    grid(&[image.clone(), enlarged(small, image)], 2, 4)
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
        let pca = Pca::fit(&tokens, 4).unwrap();
        assert!(pca.directions[0][2] > 0.99, "{:?}", pca.directions[0]);
        assert!(pca.directions[1][0] > 0.99, "{:?}", pca.directions[1]);
    }

    #[test]
    fn tokens_in_a_file_give_the_same_colours() {
        use svg_store::{Dtype, TensorHeader, write_safetensors};
        let (images, each) = (700, 100);
        let tokens: Vec<f32> = (0..images * each * 3)
            .map(|i| (i as f32 * 0.37).sin() * (1 + i % 3) as f32)
            .collect();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        let header = TensorHeader {
            name: "x",
            dtype: Dtype::F32,
            shape: &[images, each, 3],
        };
        let bytes = |_| {
            Ok(tokens
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect())
        };
        write_safetensors(&path, &[header], &Default::default(), bytes).unwrap();
        let mut rows = RowReader::open(&path, "x").unwrap().unwrap();
        let (there, here) = (
            Pca::fit_rows(&mut rows).unwrap(),
            Pca::fit(&tokens, 3).unwrap(),
        );
        assert_eq!(there.directions, here.directions);
        assert_eq!((there.mean, there.ranges), (here.mean, here.ranges));
    }

    #[test]
    fn equal_tokens_have_equal_colours() {
        let tokens: Vec<f32> = (0..30).map(|i| (i * i % 17) as f32).collect();
        let pca = Pca::fit(&tokens, 3).unwrap();
        let twice: Vec<f32> = [&tokens[..3], &tokens[..3], &tokens[6..9]].concat();
        let picture = pca.picture(&twice, [1, 3]);
        assert_eq!(picture.get_pixel(0, 0), picture.get_pixel(1, 0));
        assert_ne!(picture.get_pixel(0, 0), picture.get_pixel(2, 0));
    }
}
