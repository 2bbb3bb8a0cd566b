//! The norm of the blocks, and the activation that nearly always follows it.

use burn::nn::conv::Conv2d;
use burn::nn::{GroupNorm, GroupNormConfig};
use burn::prelude::*;

use super::conv::parameters;

/// A norm over `groups` of channels and all positions. Burn's default epsilon is ten times this one.
pub fn group_norm(groups: usize, channels: usize, device: &Device) -> GroupNorm {
    GroupNormConfig::new(groups, channels)
        .with_epsilon(1e-6)
        .init(device)
}

/// The norm of `[batch, channels, height, width]` without activation, which attention has before it.
pub(super) fn norm_only(norm: &GroupNorm, x: Tensor<4>) -> Tensor<4> {
    let [gamma, beta] = affine(norm);
    kernel(norm, false).forward(x, gamma, beta)
}

/// `swish(norm(x))` of `[batch, channels, height, width]` with `swish(y) = y sigmoid(y)`.
pub fn norm_swish(norm: &GroupNorm, x: Tensor<4>) -> Tensor<4> {
    let [gamma, beta] = affine(norm);
    kernel(norm, true).forward(x, gamma, beta)
}

/// `conv(swish(norm(x)))` with a convolution of three by three.
pub(super) fn norm_swish_conv(norm: &GroupNorm, conv: &Conv2d, x: Tensor<4>) -> Tensor<4> {
    let (weight, bias) = parameters(conv);
    svg_kernels::normed_conv3x3(kernel(norm, true), x, affine(norm), weight, bias)
}

fn kernel(norm: &GroupNorm, swish: bool) -> svg_kernels::GroupNorm {
    svg_kernels::GroupNorm {
        groups: norm.num_groups,
        epsilon: norm.epsilon,
        swish,
    }
}

fn affine(norm: &GroupNorm) -> [Tensor<1>; 2] {
    [&norm.gamma, &norm.beta].map(|vector| {
        let vector = vector.as_ref().expect("every norm here is affine");
        vector.val()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Distribution, Tolerance};

    #[test]
    fn groups_are_normed_over_their_channels_and_all_positions() {
        let device = Device::default();
        // Small numbers, which show the epsilon.
        let x = Tensor::<4>::random([2, 4, 3, 5], Distribution::Normal(1e-3, 1e-3), &device);
        let groups = x.clone().reshape([4, 30]);
        let centred = groups.clone() - groups.mean_dim(1);
        let variance = centred.clone().square().mean_dim(1);
        let normed = (centred / (variance + 1e-6).sqrt()).reshape([2, 4, 3, 5]);
        let want = normed.clone() / (normed.neg().exp() + 1.0);
        let got = norm_swish(&group_norm(2, 4, &device), x).into_data();
        got.assert_approx_eq::<f32>(&want.into_data(), Tolerance::absolute(1e-5));
    }
}
