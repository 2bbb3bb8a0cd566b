//! Half as many rows and columns.

use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::prelude::*;
use burn::tensor::ops::PadMode;

use super::conv::parameters;

/// A convolution of every second pixel, with a border of zeros on the right and below alone.
///
/// PyTorch's symmetric padding would put the windows one pixel further up and left: published checkpoints with this
/// layer pad by `(0, 1, 0, 1)` before a convolution without padding.
#[derive(Module, Debug)]
pub struct Downsample {
    /// Three by three, of stride two, without padding.
    pub conv: Conv2d,
}

impl Downsample {
    /// A layer with PyTorch's default initialisation.
    pub fn new(channels: usize, device: &Device) -> Self {
        let conv = Conv2dConfig::new([channels, channels], [3, 3]).with_stride([2, 2]);
        Self {
            conv: conv.init(device),
        }
    }

    /// Halves the size, rounding down.
    ///
    /// # Shapes
    ///
    /// - input: `[batch, channels, height, width]`
    /// - output: `[batch, channels, height / 2, width / 2]`
    ///
    /// # Panics
    ///
    /// If a side is less than two pixels.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let (weight, bias) = parameters(&self.conv);
        let padded = x.pad([(0, 1), (0, 1)], PadMode::Constant(0.0));
        svg_kernels::window_conv(padded, weight, bias, [2, 2], [0, 0], false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{TensorData, Tolerance};

    /// A filter with one number in its middle takes the pixels of odd rows and columns, one in its last corner the
    /// ones after those, of which the last are zeros.
    #[test]
    fn windows_begin_at_the_first_pixel_and_end_after_the_last() {
        let device = Device::default();
        let x = Tensor::<1, Int>::arange(1..17, &device).float();
        let x = x.reshape([1, 1, 4, 4]);
        for (at, expected) in [
            (0, [1.0f32, 3.0, 9.0, 11.0]),
            (4, [6.0, 8.0, 14.0, 16.0]),
            (8, [11.0, 0.0, 0.0, 0.0]),
        ] {
            let mut filter = vec![0.0f32; 9];
            filter[at] = 1.0;
            let filter = Tensor::from_data(TensorData::new(filter, [1, 1, 3, 3]), &device);
            let mut layer = Downsample::new(1, &device);
            layer.conv.weight = layer.conv.weight.map(|_| filter.clone());
            layer.conv.bias = None;
            let got = layer.forward(x.clone()).into_data();
            let want = TensorData::new(expected.to_vec(), [1, 1, 2, 2]);
            got.assert_approx_eq::<f32>(&want, Tolerance::absolute(1e-6));
        }
    }

    #[test]
    fn an_odd_side_is_halved_downwards() {
        let device = Device::default();
        let x = Tensor::zeros([1, 2, 5, 7], &device);
        let halved = Downsample::new(2, &device).forward(x);
        assert_eq!(halved.dims(), [1, 2, 2, 3]);
    }
}
