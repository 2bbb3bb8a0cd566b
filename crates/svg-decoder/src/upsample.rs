//! Twice as many rows and columns.

use burn::nn::conv::Conv2d;
use burn::prelude::*;
use burn::tensor::module::interpolate;
use burn::tensor::ops::{InterpolateMode, InterpolateOptions};

use crate::conv::conv3x3;

/// `conv(double(x))`, where `double` makes each pixel a square of two by two.
#[derive(Module, Debug)]
pub struct Upsample {
    /// Three by three, after the doubling.
    pub conv: Conv2d,
}

impl Upsample {
    pub(crate) fn new(channels: usize, device: &Device) -> Self {
        Self {
            conv: conv3x3(channels, channels, device),
        }
    }

    /// Doubles the size.
    ///
    /// # Shapes
    ///
    /// - input: `[batch, channels, height, width]`
    /// - output: `[batch, channels, 2 height, 2 width]`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.conv.forward(double(x))
    }
}

fn double(x: Tensor<4>) -> Tensor<4> {
    let nearest = InterpolateOptions::new(InterpolateMode::Nearest)
        .with_align_corners(false)
        .with_scale_factor([2.0, 2.0]);
    interpolate(x, nearest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::TensorData;

    #[test]
    fn each_pixel_becomes_a_square() {
        let x = Tensor::from_floats([[[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]]], &Default::default());
        let first = [1.0f32, 1.0, 2.0, 2.0, 3.0, 3.0];
        let second = [4.0f32, 4.0, 5.0, 5.0, 6.0, 6.0];
        let want = TensorData::from([[[first, first, second, second]]]);
        double(x).into_data().assert_eq(&want, true);
    }
}
