//! The features of VGG16.

use burn::nn::PaddingConfig2d;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::prelude::*;
use burn::tensor::activation::relu;
use burn::tensor::module::max_pool2d;
use burn::tensor::ops::MaxPoolOptions;
use svg_nn::conv3x3;

/// Places in torchvision's list of layers, with the channels that go in and come out.
pub(crate) const CONVOLUTIONS: [(usize, [usize; 2]); 13] = [
    (0, [3, 64]),
    (2, [64, 64]),
    (5, [64, 128]),
    (7, [128, 128]),
    (10, [128, 256]),
    (12, [256, 256]),
    (14, [256, 256]),
    (17, [256, 512]),
    (19, [512, 512]),
    (21, [512, 512]),
    (24, [512, 512]),
    (26, [512, 512]),
    (28, [512, 512]),
];

/// Convolutions after whose ReLU the features are taken: relu1_2, 2_2, 3_3, 4_3 and 5_3.
pub(crate) const TAPS: [usize; 5] = [2, 7, 14, 21, 28];

/// Channels of the five features.
pub(crate) const CHANNELS: [usize; 5] = [64, 128, 256, 512, 512];

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
        let convolution = |index: usize| {
            let (_, channels) = *CONVOLUTIONS.iter().find(|(place, _)| *place == index)?;
            let config = Conv2dConfig::new(channels, [3, 3]);
            let config = config.with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1));
            Some(config.init(device))
        };
        Self {
            features: (0..=28).map(convolution).collect(),
        }
    }

    /// The features after the last ReLU of each of the five resolutions.
    ///
    /// # Shapes
    ///
    /// - pixels: `[batch, 3, height, width]`, normalised
    /// - output: `[batch, channels, height / 2^k, width / 2^k]` with 64, 128, 256, 512 and 512 channels
    ///   for k from 0 to 4
    pub fn forward(&self, pixels: Tensor<4>) -> Vec<Tensor<4>> {
        let mut taps = Vec::with_capacity(TAPS.len());
        let mut x = pixels;
        for (index, convolution) in self.features.iter().enumerate() {
            let Some(convolution) = convolution else {
                continue;
            };
            let bias = convolution.bias.as_ref().map(|bias| bias.val());
            x = relu(conv3x3(x, convolution.weight.val(), bias));
            if TAPS.contains(&index) {
                taps.push(x.clone());
                if taps.len() < TAPS.len() {
                    x = halve(x);
                }
            }
        }
        taps
    }
}

fn halve(x: Tensor<4>) -> Tensor<4> {
    max_pool2d(x, MaxPoolOptions::new([2, 2]).with_stride([2, 2]))
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
