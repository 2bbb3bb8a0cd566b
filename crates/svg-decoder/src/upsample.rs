//! Twice as many rows and columns.

use burn::nn::conv::Conv2d;
use burn::prelude::*;
use burn::tensor::module::interpolate;
use burn::tensor::ops::{InterpolateMode, InterpolateOptions};

use crate::conv::{apply, conv, conv_backward, conv3x3};
use crate::record::Step;

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
        apply(&self.conv, double(x))
    }

    /// The same with a way back.
    pub(crate) fn record(&self, x: Tensor<4>) -> Step {
        let layer = self.conv.clone();
        Step::new(conv(&layer, double(x.clone())), move |gradient, sink| {
            let at_double = conv_backward(&layer, double(x), gradient, sink);
            let [batch, channels, height, width] = at_double.dims();
            let squares = [batch * channels * height / 2, 2, width / 2, 2];
            let sums = at_double.reshape(squares).sum_dim(3).sum_dim(1);
            sums.reshape([batch, channels, height / 2, width / 2])
        })
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
