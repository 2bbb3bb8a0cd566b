//! A residual block of two convolutions.

use burn::nn::GroupNorm;
use burn::nn::conv::Conv2d;
use burn::prelude::*;

use super::conv::{apply, conv1x1, conv3x3};
use super::norm::{group_norm, norm_swish_conv};

/// `skip(x) + conv2(swish(norm2(conv1(swish(norm1(x))))))`, where `skip` is a convolution of one pixel if
/// the number of channels changes and the identity otherwise.
#[derive(Module, Debug)]
pub struct ResnetBlock {
    /// Before the first convolution.
    pub norm1: GroupNorm,
    /// Three by three, from the channels of the input to those of the output.
    pub conv1: Conv2d,
    /// Before the second convolution.
    pub norm2: GroupNorm,
    /// Three by three.
    pub conv2: Conv2d,
    /// One by one, around the branch; `None` if the number of channels is kept.
    pub nin_shortcut: Option<Conv2d>,
}

impl ResnetBlock {
    /// A block with PyTorch's default initialisation, from `d_in` to `d_out` channels.
    pub fn new(d_in: usize, d_out: usize, groups: usize, device: &Device) -> Self {
        Self {
            norm1: group_norm(groups, d_in, device),
            conv1: conv3x3(d_in, d_out, device),
            norm2: group_norm(groups, d_out, device),
            conv2: conv3x3(d_out, d_out, device),
            nin_shortcut: (d_in != d_out).then(|| conv1x1(d_in, d_out, device)),
        }
    }

    /// Applies the block.
    ///
    /// # Shapes
    ///
    /// - input: `[batch, d_in, height, width]`
    /// - output: `[batch, d_out, height, width]`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let h = norm_swish_conv(&self.norm1, &self.conv1, x.clone());
        let h = norm_swish_conv(&self.norm2, &self.conv2, h);
        match &self.nin_shortcut {
            Some(shortcut) => apply(shortcut, x) + h,
            None => x + h,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Distribution;

    /// The block without what its branch adds.
    fn silenced(d_in: usize, d_out: usize, device: &Device) -> ResnetBlock {
        let mut block = ResnetBlock::new(d_in, d_out, 2, device);
        block.conv2.weight = block.conv2.weight.map(|weight| weight.zeros_like());
        block.conv2.bias = None;
        block
    }

    #[test]
    fn a_silent_branch_leaves_the_skip() {
        let device = Device::default();
        let x = Tensor::<4>::random([2, 4, 3, 5], Distribution::Normal(0.0, 1.0), &device);

        let same = silenced(4, 4, &device).forward(x.clone()).into_data();
        same.assert_eq(&x.to_data(), true);

        let wider = silenced(4, 6, &device);
        let shortcut = wider.nin_shortcut.as_ref().unwrap().forward(x.clone());
        wider
            .forward(x)
            .into_data()
            .assert_eq(&shortcut.into_data(), true);
    }
}
