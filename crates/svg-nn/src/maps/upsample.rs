//! Twice as many rows and columns.

use burn::nn::conv::Conv2d;
use burn::prelude::*;

use super::conv::{conv3x3, parameters};

/// `conv(double(x))`, where `double` makes each pixel a square of two by two.
#[derive(Module, Debug)]
pub struct Upsample {
    /// Three by three, after the doubling.
    pub conv: Conv2d,
}

impl Upsample {
    /// A layer with PyTorch's default initialisation.
    pub fn new(channels: usize, device: &Device) -> Self {
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
        let (weight, bias) = parameters(&self.conv);
        svg_kernels::doubled_conv3x3(x, weight, bias)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::maps::apply;

    #[test]
    fn each_pixel_becomes_a_square() {
        let device = Device::default();
        let upsample = Upsample::new(3, &device);
        let pixel = Tensor::<4>::ones([1, 3, 1, 1], &device) * 0.7;
        let square = Tensor::<4>::ones([1, 3, 2, 2], &device) * 0.7;
        let want = apply(&upsample.conv, square).into_data();
        upsample.forward(pixel).into_data().assert_eq(&want, true);
    }
}
