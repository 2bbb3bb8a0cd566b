//! Images to the side of the network, as each tool resizes them.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use burn::prelude::*;
use burn::tensor::TensorData;
use svg_nn::matmul;

use crate::InceptionV3;

/// How a tool resizes images to 299 x 299. The same pictures have other distances under another of them.
///
/// | | filter | of | names |
/// |---|---|---|---|
/// | `Tensorflow` | two neighbours, without half-pixel centres and without antialiasing | the ADM evaluator, torch-fidelity, clean-fid's `legacy_tensorflow` | `tensorflow`, `legacy_tensorflow` |
/// | `HalfPixel` | two neighbours, pixel centres at halves, without antialiasing | pytorch-fid, clean-fid's `legacy_pytorch` | `pytorch`, `legacy_pytorch` |
/// | `Clean` | Pillow's bicubic filter with antialiasing, unrounded, then clipped to 0 to 255 | clean-fid | `clean` |
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Resize {
    /// TensorFlow 1's bilinear rule (default).
    #[default]
    Tensorflow,
    /// PyTorch's bilinear rule with `align_corners=False`.
    HalfPixel,
    /// Pillow's bicubic filter.
    Clean,
}

/// A name that is none of a [`Resize`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no rule of resizing; there are tensorflow (also legacy_tensorflow), pytorch (also legacy_pytorch) and \
     clean"
)]
pub struct UnknownResize(pub String);

impl FromStr for Resize {
    type Err = UnknownResize;

    fn from_str(name: &str) -> Result<Self, UnknownResize> {
        match name {
            "tensorflow" | "legacy_tensorflow" => Ok(Self::Tensorflow),
            "pytorch" | "legacy_pytorch" => Ok(Self::HalfPixel),
            "clean" => Ok(Self::Clean),
            other => Err(UnknownResize(other.to_string())),
        }
    }
}

impl std::fmt::Display for Resize {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Tensorflow => "tensorflow",
            Self::HalfPixel => "pytorch",
            Self::Clean => "clean",
        })
    }
}

impl Resize {
    /// The weights of `input` pixels in a row in each of `output` pixels, `[output, input]` row by row.
    ///
    /// Bilinear weights are computed in f32, as both tools do, and those of Pillow in f64.
    ///
    /// # Panics
    ///
    /// If a size is 0.
    pub fn matrix(self, input: usize, output: usize) -> Vec<f32> {
        assert!(
            input > 0 && output > 0,
            "{input} pixels cannot become {output}"
        );
        let mut matrix = vec![0.0f32; input * output];
        let scale = input as f32 / output as f32;
        for (i, row) in matrix.chunks_exact_mut(input).enumerate() {
            match self {
                Self::Tensorflow => between(i as f32 * scale, row),
                Self::HalfPixel => between(((i as f32 + 0.5) * scale - 0.5).max(0.0), row),
                Self::Clean => bicubic(i, input as f64 / output as f64, row),
            }
        }
        matrix
    }

    /// Resizes images of pixels from 0 to 255, unrounded.
    ///
    /// # Shapes
    ///
    /// - pixels: `[batch, 3, height, width]`
    /// - output: `[batch, 3, rows, columns]`
    pub fn apply(self, pixels: Tensor<4>, [rows, columns]: [usize; 2]) -> Tensor<4> {
        let ([_, _, height, width], device) = (pixels.dims(), pixels.device());
        let weights = |input, output| matrix_on(self, input, output, &device);
        self.multiply(pixels, weights(height, rows), weights(width, columns))
    }

    /// Columns first, as Pillow.
    fn multiply(self, pixels: Tensor<4>, down: Tensor<2>, across: Tensor<2>) -> Tensor<4> {
        let [batch, channels, height, width] = pixels.dims();
        let ([rows, _], [columns, _]) = (down.dims(), across.dims());
        let lines = pixels.reshape([batch * channels * height, width]);
        let lines = matmul(lines, across.transpose());
        let lines = lines.reshape([batch * channels, height, columns]);
        let resized = matmul(
            down.unsqueeze::<3>()
                .expand([batch * channels, rows, height]),
            lines,
        );
        let resized = resized.reshape([batch, channels, rows, columns]);
        match self {
            Self::Clean => resized.clamp(0.0, 255.0),
            Self::Tensorflow | Self::HalfPixel => resized,
        }
    }
}

fn matrix_on(resize: Resize, input: usize, output: usize, device: &Device) -> Tensor<2> {
    let values = resize.matrix(input, output);
    Tensor::from_data(TensorData::new(values, [output, input]), device)
}

/// The weights of the two neighbours of a place.
fn between(place: f32, row: &mut [f32]) {
    let low = (place as usize).min(row.len() - 1);
    let weight = place - low as f32;
    row[low] += 1.0 - weight;
    row[(low + 1).min(row.len() - 1)] += weight;
}

/// Pillow's weights: the cubic filter (Keys, 1981) with a = -1/2, wider where the image becomes smaller.
fn bicubic(i: usize, scale: f64, row: &mut [f32]) {
    let wider = scale.max(1.0);
    let (centre, support) = ((i as f64 + 0.5) * scale, 2.0 * wider);
    let low = ((centre - support + 0.5).max(0.0)) as usize;
    let high = ((centre + support + 0.5) as usize).min(row.len());
    let weights = (low..high).map(|j| cubic((j as f64 - centre + 0.5) / wider));
    let weights: Vec<f64> = weights.collect();
    let sum: f64 = weights.iter().sum();
    for (weight, entry) in weights.into_iter().zip(&mut row[low..high]) {
        *entry = (weight / sum) as f32;
    }
}

fn cubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    match x.abs() {
        x if x < 1.0 => ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0,
        x if x < 2.0 => ((A * x - 5.0 * A) * x + 8.0 * A) * x - 4.0 * A,
        _ => 0.0,
    }
}

/// The matrices of the sizes that were seen last.
#[derive(Debug, Default)]
pub(crate) struct Resizer {
    resize: Resize,
    matrices: Mutex<BTreeMap<usize, Tensor<2>>>,
}

/// Sizes for which matrices are kept.
const KEPT: usize = 16;

impl Resizer {
    pub fn new(resize: Resize) -> Self {
        Self {
            resize,
            matrices: Mutex::default(),
        }
    }

    pub fn resize(&self) -> Resize {
        self.resize
    }

    /// [`Resize::apply`] to the side of the network.
    pub fn apply(&self, pixels: Tensor<4>) -> Tensor<4> {
        let ([_, _, height, width], device) = (pixels.dims(), pixels.device());
        let [down, across] = [height, width].map(|size| self.matrix(size, &device));
        self.resize.multiply(pixels, down, across)
    }

    fn matrix(&self, size: usize, device: &Device) -> Tensor<2> {
        let mut matrices = self.matrices.lock().unwrap_or_else(PoisonError::into_inner);
        match matrices.get(&size) {
            Some(matrix) if matrix.device() == *device => matrix.clone(),
            _ => {
                if matrices.len() >= KEPT {
                    matrices.clear();
                }
                let matrix = matrix_on(self.resize, size, InceptionV3::SIDE, device);
                matrices.insert(size, matrix.clone());
                matrix
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Resize; 3] = [Resize::Tensorflow, Resize::HalfPixel, Resize::Clean];

    /// A row of `input` pixels `0, 1, 2, ...`, resized.
    fn ramp(resize: Resize, input: usize, output: usize) -> Vec<f32> {
        let matrix = resize.matrix(input, output);
        let row = |row: &[f32]| row.iter().enumerate().map(|(j, w)| w * j as f32).sum();
        matrix.chunks_exact(input).map(row).collect()
    }

    #[test]
    fn ramps_are_those_of_the_two_rules() {
        let tensorflow = ramp(Resize::Tensorflow, 256, 299);
        for (i, want) in [(0, 0.0), (1, 0.856_187_3), (2, 1.712_374_6), (298, 255.0)] {
            assert!(
                (tensorflow[i] - want).abs() < 2e-5,
                "{i}: {}",
                tensorflow[i]
            );
        }
        let half = ramp(Resize::HalfPixel, 256, 299);
        for (i, want) in [(0, 0.0), (1, 0.784_280_9), (298, 255.0)] {
            assert!((half[i] - want).abs() < 2e-5, "{i}: {}", half[i]);
        }
    }

    #[test]
    fn weights_sum_to_one_so_that_a_plain_image_stays_as_it_is() {
        for resize in ALL {
            for input in [1, 2, 32, 256, 299, 1000] {
                for row in resize.matrix(input, 299).chunks_exact(input) {
                    let sum: f32 = row.iter().sum();
                    assert!((sum - 1.0).abs() < 2e-6, "{resize}, {input}: {sum}");
                }
            }
        }
    }

    #[test]
    fn an_image_of_the_right_size_is_not_changed() {
        for resize in ALL {
            for (i, row) in resize.matrix(299, 299).chunks_exact(299).enumerate() {
                for (j, weight) in row.iter().enumerate() {
                    assert!(
                        (weight - f32::from(i == j)).abs() < 1e-6,
                        "{resize} {i} {j}"
                    );
                }
            }
        }
    }

    #[test]
    fn rows_and_columns_are_resized_apart() {
        let device = Device::default();
        let pixels = Tensor::<1, Int>::arange(0..2 * 3 * 5 * 4, &device).float();
        let pixels = pixels.reshape([2, 3, 5, 4]);
        let resized = Resize::Clean.apply(pixels.clone(), [6, 9]);
        assert_eq!(resized.dims(), [2, 3, 6, 9]);
        let turned = Resize::Clean.apply(pixels.swap_dims(2, 3), [9, 6]);
        let off: f32 = (resized - turned.swap_dims(2, 3)).abs().max().into_scalar();
        assert!(off < 1e-4, "{off}");
    }

    #[test]
    fn names_of_the_tools_and_no_others_are_known() {
        for (name, resize) in [
            ("tensorflow", Resize::Tensorflow),
            ("legacy_tensorflow", Resize::Tensorflow),
            ("pytorch", Resize::HalfPixel),
            ("legacy_pytorch", Resize::HalfPixel),
            ("clean", Resize::Clean),
        ] {
            assert_eq!(name.parse(), Ok(resize));
        }
        for resize in ALL {
            assert_eq!(resize.to_string().parse(), Ok(resize));
        }
        let error = "bicubic".parse::<Resize>().unwrap_err().to_string();
        assert!(error.contains("\"bicubic\" is no rule"), "{error}");
    }

    #[test]
    fn more_sizes_than_are_kept_are_resized_too() {
        let resizer = Resizer::new(Resize::HalfPixel);
        for size in 1..2 * KEPT {
            let pixels = Tensor::full([1, 3, size, 1], 7.0, &Device::default());
            let off: f32 = (resizer.apply(pixels) - 7.0).abs().max().into_scalar();
            assert!(off < 1e-5);
        }
    }
}
