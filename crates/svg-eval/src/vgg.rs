//! The features of VGG16.

use burn::nn::PaddingConfig2d;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::prelude::*;
use burn::tensor::activation::relu;
use burn::tensor::module::max_pool2d;
use burn::tensor::ops::MaxPoolOptions;
use svg_nn::conv3x3;

/// Channels at the five resolutions, also those of the features.
pub(crate) const CHANNELS: [usize; 5] = [64, 128, 256, 512, 512];

/// Numbers of convolutions at the five resolutions.
const CONVOLUTIONS: [usize; 5] = [2, 2, 3, 3, 3];

/// The convolutional part of VGG16 without batch norm (Simonyan & Zisserman, 2014), up to its last ReLU.
///
/// Layers keep their places in torchvision's list, so that names are those of its checkpoints; places
/// without parameters, the ReLUs and pools, are empty.
#[derive(Module, Debug)]
pub struct Vgg16 {
    /// `features.0` to `features.28`.
    pub features: Vec<Option<Conv2d>>,
}

impl Vgg16 {
    /// Random weights, which see nothing; [`Lpips::open`](crate::Lpips::open) reads trained ones.
    pub fn init(device: &Device) -> Self {
        let (mut features, mut before) = (Vec::new(), 3);
        for (channels, convolutions) in CHANNELS.into_iter().zip(CONVOLUTIONS) {
            for _ in 0..convolutions {
                let config = Conv2dConfig::new([before, channels], [3, 3]);
                let config = config.with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1));
                features.extend([Some(config.init(device)), None]);
                before = channels;
            }
            features.push(None);
        }
        features.truncate(29);
        Self { features }
    }

    /// The features after the last ReLU of each of the five resolutions.
    ///
    /// # Shapes
    ///
    /// - pixels: `[batch, 3, height, width]`, normalised
    /// - output: `[batch, channels, height / 2^k, width / 2^k]` with 64, 128, 256, 512 and 512 channels
    ///   for k from 0 to 4
    pub fn forward(&self, pixels: Tensor<4>) -> Vec<Tensor<4>> {
        let mut convolutions = self.features.iter().flatten();
        let (mut x, mut features) = (pixels, Vec::with_capacity(CHANNELS.len()));
        for (level, count) in CONVOLUTIONS.into_iter().enumerate() {
            if level > 0 {
                x = max_pool2d(x, MaxPoolOptions::new([2, 2]).with_stride([2, 2]));
            }
            for convolution in convolutions.by_ref().take(count) {
                let bias = convolution.bias.as_ref().map(|bias| bias.val());
                x = relu(conv3x3(x, convolution.weight.val(), bias));
            }
            features.push(x.clone());
        }
        features
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use svg_nn::module_tensors;

    #[test]
    fn names_and_sizes_are_those_of_torchvision() {
        let vgg = Vgg16::init(&Device::default());
        assert_eq!(vgg.num_params(), 14_714_688);
        let tensors = module_tensors(&vgg);
        assert_eq!(tensors.len(), 26);
        let last = tensors.iter().find(|t| t.name == "features.28.weight");
        assert_eq!(last.unwrap().shape.to_vec(), [512, 512, 3, 3]);
    }

    #[test]
    fn features_are_taken_at_five_resolutions() {
        let vgg = Vgg16::init(&Device::default());
        let taps = vgg.forward(Tensor::zeros([1, 3, 16, 32], &Device::default()));
        let dims: Vec<_> = taps.iter().map(|tap| tap.dims()).collect();
        let want = (0..5).map(|k| [1, CHANNELS[k], 16 >> k, 32 >> k]);
        assert_eq!(dims, want.collect::<Vec<_>>());
    }
}
